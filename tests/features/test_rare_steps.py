"""Journeys of very many steps: most share columns, and nothing is as wide as steps squared."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given

from features import oracle
from features.hand_made_snapshots import any_snapshot, columns_of
from microconv.errors import JourneyError, SettingsError
from microconv.features.families import counts, path, recency
from microconv.features.family import Spec
from microconv.features.matrix import build_features, column_names
from microconv.features.rare_steps import check_steps, describe_grouping, group_rare_steps
from microconv.histories.arrays import microseconds
from microconv.histories.load import load_histories
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings, JourneySettings
from worlds.logs import AS_OF, JOURNEY, event, instant, log_of

FEW = FeatureSettings(pairs=(("reference", "pricing"),), max_steps=4, last_steps=2)
"""Four places in a journey of eight steps: the two followed, then `sent`, then the rest."""

SHARED = ["opened", "blog", "guide", "won", "left"]


def wide_journey(n: int) -> JourneyMap:
    """Make a journey of so many micro steps and a major."""
    micro = {"kind": "micro", "stage": "awareness", "commitment": 1}
    steps = {f"page_{number:04d}": micro for number in range(n)} | {"won": {"kind": "major"}}
    return JourneyMap.from_settings(
        JourneySettings.model_validate({"stages": ["awareness"], "steps": steps})
    )


def test_named_steps_come_first_then_the_order_of_the_journey():
    """Columns do not depend on the data, so every log of a journey has the same."""
    assert group_rare_steps(JOURNEY, FEW).names == ("sent", "pricing", "reference", "(other)")


def test_a_small_journey_is_not_grouped():
    """With exactly as many columns as steps, every step has its own, and no note is made."""
    fits = FEW.model_copy(update={"max_steps": len(JOURNEY)})
    assert group_rare_steps(JOURNEY, fits).names == JOURNEY.step_names
    assert describe_grouping(JOURNEY, fits) == ""


def test_the_number_of_grouped_steps_is_reported():
    """Five of eight."""
    assert describe_grouping(JOURNEY, FEW).startswith(
        "5 of the 8 steps have no columns of their own"
    )


@given(any_snapshot())
def test_grouped_steps_count_as_one_step(snapshot):
    """Their counts add up, the latest and first count; other columns stay the same."""
    found = {
        k: v
        for family in (counts.FAMILY, recency.FAMILY)
        for k, v in columns_of(family, snapshot, FEW).items()
    }
    plain = oracle.counts(snapshot, JOURNEY, FEW) | oracle.recency(snapshot, JOURNEY, FEW)
    for window in ("1d", "7d", "30d", "90d", "ever"):
        together = sum(plain[f"counts.{step}.{window}"] for step in SHARED)
        assert found.pop(f"counts.(other).{window}") == pytest.approx(together, rel=2e-6)
    for what, best in (("last", np.fmin), ("first", np.fmax), ("reached", np.fmin)):
        together = best.reduce([plain[f"recency.{step}.{what}"] for step in SHARED])
        said = found.pop(f"recency.(other).{what}")
        assert said == pytest.approx(together, rel=2e-6, abs=1e-6, nan_ok=True)
    for name, value in found.items():
        assert value == pytest.approx(plain[name], rel=2e-6, abs=1e-6, nan_ok=True), name


@given(any_snapshot())
def test_a_grouped_step_done_last_is_other(snapshot):
    """Pairs and last steps as before; blog and guide are the micro steps that share."""
    found = columns_of(path.FAMILY, snapshot, FEW)
    plain = {name: float(value) for name, value in oracle.path(snapshot, JOURNEY, FEW).items()}
    other = plain.pop("path.last=blog") + plain.pop("path.last=guide")
    assert found.pop("path.last=(other)") == other
    assert found == pytest.approx(plain, rel=2e-6, abs=1e-6, nan_ok=True)


WIDE = wide_journey(5000)


@pytest.mark.parametrize("number", [0, 498, 499, 4999])
def test_5000_steps_make_a_matrix_of_bounded_width(number):
    """Counts, recency, path and the rest of 500 steps, however many there are."""
    settings, name = FeatureSettings(), f"page_{number:04d}"
    log = log_of(event("ada", name, instant(-9)))
    histories = load_histories(log.read_events(0), WIDE)
    names = column_names(WIDE, settings, {}, fitted=False)
    visible = visible_events(histories, np.array([0]), np.array([microseconds(AS_OF)]))
    values = build_features(visible, WIDE, settings, {}, fitted=False)
    row = dict(zip(names, values[:, 0].tolist(), strict=True))
    shared = number >= 499
    assert len(names) == len(values) < 5000
    assert row["counts.(other).30d"] == row["path.last=(other)"] == shared
    assert (row.get(f"counts.{name}.ever") == 1) != shared


def test_no_kernel_takes_memory_that_grows_with_the_square_of_the_steps():
    """Dense tables of 5,000 steps would take 400 MB per bucket in progress."""
    settings = FeatureSettings(pairs=(("page_0001", "page_4999"),))
    tracemalloc.start()
    plan = path._plan(Spec(WIDE, settings, {}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plan.done_column.shape == plan.next_column.shape == (2, 2)
    assert peak < 20_000_000


def test_all_pairs_of_too_many_steps_are_rejected():
    """499 micro steps would be 248,502 pairs and a million columns."""
    with pytest.raises(SettingsError, match=r"248,502 ordered pairs .* Name the pairs"):
        check_steps(WIDE, FeatureSettings(pairs="all"))


def test_more_named_steps_than_fit_are_rejected():
    """The message says how to fix it."""
    pairs = tuple((f"page_{n:04d}", f"page_{n + 1:04d}") for n in range(5))
    with pytest.raises(SettingsError, match=r"name 6 steps, .* leaves 5 .* above 6"):
        check_steps(WIDE, FeatureSettings(pairs=pairs, max_steps=6))
    check_steps(WIDE, FeatureSettings(pairs=pairs, max_steps=7))


def test_a_step_cannot_have_the_name_of_the_group():
    """Two columns would have one name."""
    steps = {"(other)": {"kind": "major"}}
    journey = JourneyMap.from_settings(
        JourneySettings.model_validate({"stages": ["awareness"], "steps": steps})
    )
    with pytest.raises(JourneyError, match=r"`\(other\)`"):
        check_steps(journey, FeatureSettings())
