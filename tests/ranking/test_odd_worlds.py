"""Odd input from end to end: a model is trained on it and a list is made of it, without a nan."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import microconv
from microconv.errors import EventLogError
from microconv.ranking.rank import rank_prospects
from microconv.storage.log import MemoryLog
from microconv.storage.schema import EVENTS
from worlds.logs import event, log_of
from worlds.ranking import END, settings, train_on, trained, world

HORIZONS = settings().score.model_copy(update={"limit": 500, "horizons_days": (7.0,)})


def ranked(log: MemoryLog, model=None) -> pd.DataFrame:
    """Rank a log with the world's model, or another."""
    return rank_prospects(log, model=model or trained(), as_of=END, settings=HORIZONS).frame


def require_sound(frame: pd.DataFrame) -> None:
    """See that every row of a list has its figures, its grade and its reasons."""
    assert len(frame) > 50
    for name in ("probability", "probability_7d", "expected_value", "percentile"):
        assert np.isfinite(frame[name].to_numpy(np.float64)).all(), name
    assert frame["probability"].between(0, 1).all()
    for name in ("grade", "reason_1"):
        assert frame[name].notna().all(), name
    assert not frame["reason_1"].str.contains(r"\bnan\b|\binf\b").any()


def people_with(**columns) -> pa.Table:
    """Return the prospects of the world with other attributes."""
    people = world().prospects
    for name, values in columns.items():
        people = people.set_column(people.column_names.index(name), name, values)
    return people


def sizes(*values: float | None) -> pa.Array:
    """Repeat some company sizes over the 300 prospects."""
    return pa.array([values[row % len(values)] for row in range(300)], pa.float64())


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(sizes(None), id="all missing"),
        pytest.param(sizes(np.inf, -np.inf, 1e300, 40.0, np.nan), id="infinities"),
        pytest.param(sizes(7.0), id="constant"),
    ],
)
def test_an_attribute_without_a_usable_value_teaches_nothing_and_breaks_nothing(odd) -> None:
    """Trained and scored with it; then scored by a model that knew better."""
    log = MemoryLog(world().events, people_with(company_size=odd))
    require_sound(ranked(log, train_on(log, settings())))
    require_sound(ranked(log))


def test_a_category_that_nobody_had_in_training_is_one_of_the_others() -> None:
    """A new channel must not stop the list on the Monday it opens."""
    unknown = people_with(source=pa.array(["billboard"] * 300))
    frame = ranked(MemoryLog(world().events, unknown))
    require_sound(frame)
    other = people_with(source=pa.array(["(never seen either)"] * 300))
    again = ranked(MemoryLog(world().events, other))
    assert again["probability"].tolist() == frame["probability"].tolist()


def test_steps_that_nobody_took_are_columns_that_say_nothing() -> None:
    """Half of the journey is not in the export: trained and scored all the same."""
    events = world().events
    names = events.column("event_name").cast(pa.string())
    log = MemoryLog(
        events.filter(pc.is_in(names, pa.array(["pricing", "won", "sent"]))), world().prospects
    )
    require_sound(ranked(log, train_on(log, settings())))


def test_a_hundred_thousand_events_of_one_prospect_are_one_prospect() -> None:
    """A robot that nobody noticed: it is listed once, and moves nobody else."""
    step = timedelta(seconds=100)
    robot = [
        event("robot", ("pricing", "opened", "blog")[k % 3], END - timedelta(days=120) + k * step,
              event_id=f"{k:06d}")
        for k in range(100_000)
    ]  # fmt: skip
    rows = pa.concat_tables([world().events, log_of(*robot).events.cast(EVENTS)])
    frame = microconv.score(
        rows, model=trained(), as_of=END, prospects=world().prospects, settings=HORIZONS
    )
    require_sound(frame)
    assert (frame["prospect_id"] == "robot").sum() == 1
    alone = ranked(world()).set_index("prospect_id")["probability"]
    others = frame.set_index("prospect_id")["probability"].drop("robot")
    pd.testing.assert_series_equal(others.sort_index(), alone.sort_index(), check_exact=True)


@pytest.mark.parametrize("seen_again", [timedelta(0), timedelta(days=1)], ids=["at once", "later"])
def test_a_row_that_is_there_twice_counts_once(seen_again: timedelta) -> None:
    """A file joined to itself, or delivered again the next day: nobody is twice as busy."""
    events = world().events.drop(["event_id", "visible_at"])  # no vendor's id: content is the id
    place = events.column_names.index("known_at")
    later = pc.add(events.column("known_at"), pa.scalar(seen_again))
    again = events.set_column(place, "known_at", later).cast(events.schema)
    both = pa.concat_tables([again, events])
    options = {"model": trained(), "as_of": END, "prospects": world().prospects}
    once, twice = (microconv.score(rows, **options) for rows in (events, both))
    pd.testing.assert_frame_equal(twice, once, check_exact=True)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_money_that_is_no_number_is_refused_or_nothing(value: float) -> None:
    """An infinite deal would be the whole expected value of the list."""
    row = event("ada", "won", END - timedelta(days=90), value=value)
    rows = pa.concat_tables([world().events, pa.Table.from_pylist([row], schema=EVENTS)])
    with pytest.raises(EventLogError, match="`value` that is not a finite number"):
        microconv.score(rows, model=trained(), as_of=END)
