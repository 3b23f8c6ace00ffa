"""The artefact: identical scores after saving, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.errors import DamagedModelError, ModelError, NotEnoughDataError, OtherJourneyError
from microconv.journey import JourneyMap
from microconv.model.artefact import SUMS, sums_of, write_files
from microconv.model.booster import HEADER, Booster
from microconv.model.prospect_model import FILES, OUT_OF_TIME, ProspectModel
from worlds.training_sets import JOURNEY_SETTINGS, planted_set, settings_for

PLANTED = planted_set()


@cache
def model() -> ProspectModel:
    """Return the model of the planted set, trained once."""
    return ProspectModel.fit(PLANTED, settings_for())


@cache
def values() -> np.ndarray:
    """Return the columns it was trained on."""
    everything = np.ones(len(PLANTED), bool)
    return PLANTED.fit_columns(everything, PLANTED.snapshots["converted"].to_numpy(bool)).values


@pytest.fixture
def saved(tmp_path):
    """Save the model."""
    model().save(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_and_loaded_model_scores_the_same_bits(saved):
    """Probabilities, reasons, facts, settings, states and fingerprint."""
    again = ProspectModel.load(saved)
    assert np.array_equal(again.predict(values()), model().predict(values()))
    assert np.array_equal(
        again.logit_contributions(values()), model().logit_contributions(values())
    )
    assert again.digest == model().digest
    assert again.facts == model().facts
    assert again.columns == model().columns
    assert again.states == model().states
    assert "webinar" in json.dumps(again.states)
    for name in ("journey_settings", "feature_settings", "snapshot_settings"):
        assert getattr(again, name) == getattr(model(), name)


def test_training_twice_gives_the_same_artefact(tmp_path):
    """Same rows, same seed, any thread count: the same bytes."""
    twin = ProspectModel.fit(planted_set(), settings_for(threads=2))
    assert twin.digest == model().digest


def test_the_planted_truth_is_learnt():
    """Pricing visits raise the probability, a long silence lowers it."""
    names = list(model().columns)
    three = np.repeat(np.median(np.nan_to_num(values()), axis=1)[:, None], 3, axis=1)
    three[names.index("counts.pricing.30d")] = [0, 4, 0]
    three[names.index("recency.(any).last")] = [5, 5, 60]
    usual, keen, silent = model().predict(three.astype(np.float32))
    assert keen > usual > silent


@given(st.data())
def test_whatever_the_columns_hold_the_answer_is_a_probability(data):
    """Nan, infinities and absurd numbers included: never nan on a list."""
    cell = st.floats(width=32, allow_nan=True, allow_infinity=True)
    cells = data.draw(st.lists(cell, min_size=len(model().columns), max_size=len(model().columns)))
    (p,) = model().predict(np.array(cells, np.float32)[:, None], threads=1)
    assert 0 <= p <= 1


def test_a_rows_score_does_not_depend_on_the_rows_beside_it():
    """Scored alone, in a bucket, or in a frame of a million."""
    together = model().predict(values())
    alone = [model().predict(values()[:, [row]])[0] for row in range(0, len(together), 37)]
    assert together[::37].tolist() == alone


def test_contributions_sum_to_the_logit():
    """The reasons are exact."""
    parts = model().logit_contributions(values())
    assert parts.shape == (values().shape[1], len(model().columns) + 1)
    assert np.allclose(parts.sum(axis=1), model().logit(values()), rtol=0, atol=1e-9)


def test_other_columns_are_refused():
    """One column too few is another model's matrix."""
    with pytest.raises(ModelError, match=f"takes {len(model().columns)} columns"):
        model().predict(values()[:-1])


def test_another_journey_is_refused_and_the_steps_named():
    """The same codes would mean other things."""
    steps = dict(JOURNEY_SETTINGS.steps)
    steps["pricing"] = steps["pricing"].model_copy(update={"commitment": 5})
    other = JourneyMap.from_settings(JOURNEY_SETTINGS.model_copy(update={"steps": steps}))
    with pytest.raises(OtherJourneyError, match="`pricing`"):
        model().require_journey(other)


def test_another_wording_is_the_same_journey():
    """A text edited for the page is no reason to train again."""
    steps = dict(JOURNEY_SETTINGS.steps)
    steps["pricing"] = steps["pricing"].model_copy(update={"label": "looked at what it costs"})
    model().require_journey(
        JourneyMap.from_settings(JOURNEY_SETTINGS.model_copy(update={"steps": steps}))
    )


def test_a_training_set_of_another_journey_is_refused():
    """The artefact would carry a journey that its columns were not made with."""
    stages = ("consideration", "awareness", "decision")
    other = JourneyMap.from_settings(JOURNEY_SETTINGS.model_copy(update={"stages": stages}))
    with pytest.raises(OtherJourneyError, match="stages or order"):
        ProspectModel.fit(replace(PLANTED, journey=other), settings_for())


def test_nobody_converted_is_refused():
    """There is nothing to learn from, and the message states what to check."""
    snapshots = PLANTED.snapshots.assign(converted=False)
    with pytest.raises(NotEnoughDataError, match="kind: major"):
        ProspectModel.fit(replace(PLANTED, snapshots=snapshots), settings_for())


def test_only_the_ensembles_predictions_are_saved_with_the_model(tmp_path):
    """A later champion is compared with this model, not with its baselines."""
    rows = [
        {
            "prospect_id": "ada",
            "as_of": PLANTED.snapshots["as_of"][0].to_pydatetime(),
            "fold": "2024-03-04",
            "model": name,
            "probability": p,
            "converted": True,
            "value": None,
            "unseen": True,
        }
        for name, p in (("ensemble", 0.25), ("forest", 0.75))
    ]
    trained = ProspectModel.fit(PLANTED, settings_for(), out_of_time=pa.Table.from_pylist(rows))
    trained.save(tmp_path / "model")
    kept = ProspectModel.load(tmp_path / "model").out_of_time
    assert kept.schema.equals(OUT_OF_TIME)
    assert kept["probability"].to_pylist() == [0.25]


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused_before_it_is_parsed(saved, name):
    """LightGBM ends the process when its file is cut short: it never gets to see one."""
    path = saved / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DamagedModelError, match=name.replace(".", r"\.")):
        ProspectModel.load(saved)


def rewrite(folder, content, **names):
    """Change keys of model.json, rename files, and write the checksums anew."""
    files = {name: (folder / name).read_bytes() for name in FILES}
    content = json.loads(files["model.json"]) | content
    files["model.json"] = json.dumps(content).encode()
    shutil.rmtree(folder)
    write_files(folder, {names.get(name[:-4], name): data for name, data in files.items()})


def test_a_model_of_a_later_format_is_refused(saved):
    """It says so instead of failing on a missing key."""
    rewrite(saved, {"format": 99})
    with pytest.raises(ModelError, match=r"written by a later microconv \(format 99"):
        ProspectModel.load(saved)


def test_a_model_of_an_earlier_format_is_refused(saved):
    """Its trees had another file name; it is not called damaged, and it is to be trained again."""
    rewrite(saved, {"format": 3}, trees="boosted.txt")
    with pytest.raises(
        ModelError, match=r"written by an earlier microconv \(format 3, .* Train it"
    ):
        ProspectModel.load(saved)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.json", b"[]"),
        ("model.json", b"{}"),
        ("model.json", b'{"format": 4, "ensemble": 3}'),
        ("model.json", b"\xff"),
        ("out_of_time.parquet", b"PAR1"),
    ],
    ids=["list", "empty", "ensemble", "no text", "parquet"],
)
def test_right_sums_of_wrong_content_are_no_model(saved, name, content):
    """A model edited by hand, sums included, gives a message and no traceback."""
    files = {each: (saved / each).read_bytes() for each in FILES} | {name: content}
    (saved / name).write_bytes(content)
    (saved / SUMS).write_text(sums_of(files))
    with pytest.raises(DamagedModelError, match="something other than microconv has written it"):
        ProspectModel.load(saved)


@pytest.mark.parametrize("name", HEADER)
def test_trees_that_lightgbm_cannot_read_are_refused_without_a_word_of_its_own(name, capfd):
    """They are parsed when the first row is scored; LightGBM's own `[Fatal]` is no sentence."""
    text = model().ensemble.trees.booster.text.replace(f"\n{name}=", "\nsomething=")
    with pytest.raises(DamagedModelError, match=f"lack `{name}`"):
        Booster(text).raw(np.zeros((1, 1), np.float32))
    assert capfd.readouterr() == ("", "")


def test_the_digest_is_that_of_the_list_of_checksums(saved):
    """It can be checked from outside: sha256sum SHA256SUMS."""
    assert hashlib.sha256((saved / SUMS).read_bytes()).hexdigest() == model().digest
