"""No skew by any door: the same prospects, events, attributes and instant, the same results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from mlflow.exceptions import MlflowException

import microconv
from microconv.errors import EventLogError, MissingAttributesError
from microconv.ranking.event_inputs import RawExports
from microconv.ranking.rank import rank_prospects
from microconv.settings import EngineSettings
from microconv.stages.score_events import ScoreRequest, score_events
from microconv.tracking.run_log import log_run
from worlds.attributes import attribute_model, attribute_world, write_exports, write_log
from worlds.ranking import END, settings

AS_OF = END.isoformat()
RULES = settings().score.model_copy(update={"limit": 10_000, "horizons_days": (7,)})
SAME = [
    "probability", "probability_7d", "percentile", "grade", "expected_value",
    "reason_1", "reason_2", "reason_3", "stage", "next_step", "owner",
]  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where the world lies: a log, a model, exports, Parquet files."""

    folder: Path

    @property
    def log(self) -> Path:
        """The log on disk."""
        return self.folder / "log"

    @property
    def model(self) -> Path:
        """The folder of the model."""
        return self.folder / "model"


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Places:
    """Write the world in every form."""
    folder = tmp_path_factory.mktemp("world")
    write_log(folder / "log")
    attribute_model().save(folder / "model")
    pq.write_table(attribute_world().events, folder / "events.parquet")
    pq.write_table(attribute_world().prospects, folder / "prospects.parquet")
    return Places(folder)


@pytest.fixture(scope="module")
def pyfunc(places, files, store):
    """Register the model and load it as anybody would."""
    given = settings().model_copy(update={"score": RULES})
    log_run(given, {**files, "model": places.model}, store=store)
    with store.open():
        import mlflow

        return mlflow.pyfunc.load_model("models:/test@challenger")


def events_frame() -> pd.DataFrame:
    """Return the events as a person would have them: a frame, in no order."""
    columns = ["prospect_id", "time", "event_name", "known_at", "value", "event_id"]
    frame = attribute_world().events.select(columns).to_pandas()
    return frame.sample(frac=1, random_state=3, ignore_index=True).astype({"event_name": "str"})


def prospects_frame() -> pd.DataFrame:
    """Return what is known of the prospects."""
    return attribute_world().prospects.to_pandas()


def joined_frame() -> pd.DataFrame:
    """Return events with the attributes of their prospects beside them."""
    return events_frame().merge(prospects_frame().drop(columns="known_at"), on="prospect_id")


def as_json(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return records as a JSON request has them."""
    text = frame.copy()
    for name in frame.columns[[isinstance(t, pd.DatetimeTZDtype) for t in frame.dtypes]]:
        text[name] = [at.isoformat() for at in frame[name]]
    return text.astype(object).where(text.notna(), None).to_dict("records")


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    """Return the list that everything else has to reproduce: the world, ranked in memory."""
    ranking = rank_prospects(attribute_world(), model=attribute_model(), as_of=END, settings=RULES)
    assert len(ranking.frame) > 90
    return ranking.frame


def assert_same(frame: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compare the scored rows, to the last bit."""
    scored = frame[frame["probability"].notna()].set_index("prospect_id")
    assert list(scored.index) == list(expected["prospect_id"])
    for name in SAME:
        ours, theirs = expected[name].tolist(), scored[name].tolist()
        assert [None if pd.isna(v) else v for v in theirs] == [
            None if pd.isna(v) else v for v in ours
        ], name


def by_command(places: Places, events: Path, **options) -> pd.DataFrame:
    """Run `microconv score` and read its list."""
    out = places.folder / "out"
    params = places.folder / "params.yaml"
    content = yaml.safe_load(settings().model_copy(update={"score": RULES}).model_dump_json())
    params.write_text(yaml.safe_dump(content))
    request = ScoreRequest(events, str(places.model), now=END, as_of=AS_OF, **options)
    score_events(request, params=params, out=out)
    return pd.read_parquet(out / "prospects.parquet")


DOORS = {
    "log on disk": lambda p, _: microconv.score(
        p.log, model=p.model, as_of=AS_OF, settings=RULES
    ),
    "log on disk, Spark": lambda p, _: rank_prospects(
        write_log(p.folder / "spark"),
        model=attribute_model(),
        as_of=AS_OF,
        settings=RULES,
        engine=EngineSettings(name="spark", master="local[2]"),
    ).frame,
    "command, log": lambda p, _: by_command(p, p.log),
    "command, Parquet files": lambda p, _: by_command(
        p, p.folder / "events.parquet", prospects=p.folder / "prospects.parquet"
    ),
    "raw exports": lambda p, _: microconv.score(
        RawExports(p.folder / "raw", write_exports(p.folder / "raw")),
        model=p.model, as_of=AS_OF, settings=RULES,
    ),
    "Parquet files": lambda p, _: microconv.score(
        p.folder / "events.parquet", prospects=p.folder / "prospects.parquet",
        model=p.model, as_of=AS_OF, settings=RULES,
    ),
    "DataFrames": lambda p, _: microconv.score(
        events_frame(), prospects=prospects_frame(), model=p.model, as_of=AS_OF, settings=RULES
    ),
    "one DataFrame": lambda p, _: microconv.score(
        joined_frame(), model=p.model, as_of=AS_OF, settings=RULES
    ),
    "pyfunc, DataFrames": lambda _, m: m.predict(
        {"events": events_frame(), "prospects": prospects_frame()}, params={"as_of": AS_OF}
    ),
    "pyfunc, one DataFrame": lambda _, m: m.predict(joined_frame(), params={"as_of": AS_OF}),
    "pyfunc, records": lambda _, m: m.predict(
        {"events": as_json(events_frame()), "prospects": as_json(prospects_frame())},
        params={"as_of": AS_OF},
    ),
}  # fmt: skip
"""Every way to score → the function that goes it."""


@pytest.mark.parametrize(
    "door",
    [pytest.param(d, marks=pytest.mark.slow) if "Spark" in d else d for d in DOORS],
)
def test_every_door_gives_the_numbers_of_the_list(door, places, pyfunc, expected):
    """A prospect whose probability depends on how it was asked for is called because of a bug."""
    assert_same(DOORS[door](places, pyfunc), expected)


@pytest.mark.filterwarnings("ignore:Scored without the attributes")
def test_attributes_matter_in_this_world(places, expected):
    """Without them most probabilities differ, so that the law above proves something."""
    without = microconv.score(
        events_frame(), model=places.model, as_of=AS_OF, settings=RULES, missing_attributes="allow"
    ).set_index("prospect_id")["probability"]
    those_with = expected.set_index("prospect_id")["probability"]
    differ = those_with != without.reindex(those_with.index)
    assert differ.mean() > 0.9


@pytest.mark.filterwarnings("ignore:Scored without the attributes")
@pytest.mark.parametrize("given", [None, prospects_frame().drop(columns="source")])
def test_missing_attributes_are_refused_and_allowed_only_if_asked(places, given):
    """Scored in silence they would give other numbers than the list."""
    with pytest.raises(MissingAttributesError, match="`source`"):
        microconv.score(events_frame(), prospects=given, model=places.model, as_of=AS_OF)
    frame = microconv.score(
        events_frame(),
        prospects=given,
        model=places.model,
        as_of=AS_OF,
        missing_attributes="allow",
    )
    assert any("Scored without the attributes" in note for note in frame.attrs["notes"])


def test_a_log_whose_prospects_are_gone_is_refused(tmp_path, places):
    """Probabilities of a log without its prospects table were others, without a word."""
    log = write_log(tmp_path / "log")
    (tmp_path / "log/prospects/0000.parquet").unlink()
    with pytest.raises(MissingAttributesError, match="2 of them are not given"):
        microconv.score(log.path, model=places.model, as_of=AS_OF)


def test_the_command_notes_missing_attributes_in_the_manifest(tmp_path, places):
    """Whoever reads the list later must know."""
    events = places.folder / "events.parquet"
    request = ScoreRequest(
        events, str(places.model), now=END, as_of=AS_OF, missing_attributes="allow"
    )
    said = score_events(request, params=None, out=tmp_path)
    assert "Scored without the attributes" in said
    assert "Scored without the attributes" in (tmp_path / "prospects_manifest.json").read_text()


@pytest.mark.parametrize(
    ("events", "prospects", "message"),
    [
        (events_frame().assign(evnt_id="x"), prospects_frame(), "`evnt_id`.* `event_id`"),
        (joined_frame().assign(sorce="x"), None, "`sorce`.* `source`"),
        (events_frame(), prospects_frame().rename(columns={"source": "sorce"}), "`sorce`"),
        (joined_frame(), prospects_frame(), "in one of them"),
    ],
    ids=["event", "inline", "prospects", "twice"],
)
def test_unknown_columns_are_refused_by_name(places, pyfunc, events, prospects, message):
    """A misspelt column that is ignored is a value that is missing."""
    with pytest.raises(EventLogError, match=message):
        microconv.score(events, prospects=prospects, model=places.model, as_of=AS_OF)
    request = events if prospects is None else {"events": events, "prospects": prospects}
    with pytest.raises(MlflowException, match=message):
        pyfunc.predict(request, params={"as_of": AS_OF})


def test_unknown_parameters_are_refused_by_name(pyfunc):
    """`limt: 5` once returned everybody."""
    with pytest.raises(MlflowException, match="no parameter 'limt'"):
        pyfunc.predict(joined_frame(), params={"as_of": AS_OF, "limt": 5})
    with pytest.raises(MlflowException, match="`missing_attributes` is 'yes'"):
        pyfunc.predict(joined_frame(), params={"as_of": AS_OF, "missing_attributes": "yes"})


@pytest.mark.parametrize("time", ["2024-02-30T00:00:00Z", "2024-02-03 10:00", "soon"])
def test_an_impossible_date_is_one_sentence(pyfunc, time):
    """A stack trace with the server's paths helps nobody."""
    wrong = joined_frame().astype({"time": object}).assign(time=time)
    with pytest.raises(MlflowException, match="values of `time` in the events are not instants"):
        pyfunc.predict(wrong, params={"as_of": AS_OF})


def test_prospects_outside_the_cohort_come_back_with_their_status(pyfunc, expected):
    """A lead that was sent and is not in the answer would be forgotten."""
    future = {"prospect_id": "new@example.com", "time": END, "event_name": "blog"}
    events = pd.concat([events_frame(), pd.DataFrame([future])], ignore_index=True)
    known = pd.concat(
        [prospects_frame(), pd.DataFrame([{"prospect_id": "nobody@example.com", "known_at": END}])],
        ignore_index=True,
    )
    frame = pyfunc.predict({"events": events, "prospects": known}, params={"as_of": AS_OF})
    status = frame.set_index("prospect_id")["status"]
    sent = {*events["prospect_id"], *known["prospect_id"]}
    assert set(status.index) == sent
    assert len(status) == len(sent)
    assert list(status[status == "scored"].index) == list(expected["prospect_id"])
    assert status["new@example.com"] == status["nobody@example.com"] == "unknown"
    assert set(status) >= {"scored", "converted", "inactive", "unknown"}
    won = events_frame().query("event_name == 'won'")["prospect_id"]
    assert set(status[status == "converted"].index) == set(won)


def test_the_registered_model_carries_the_score_settings_of_its_run(pyfunc):
    """Grades and reasons are those of the list, for every caller."""
    frame = pyfunc.predict(joined_frame(), params={"as_of": AS_OF, "limit": 3})
    assert frame["grade"].iloc[0] in RULES.grades
    assert (frame["status"] == "scored").sum() == 3
