"""What makes a list wrong is an error; what makes it doubtful is a note."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from microconv.errors import OtherJourneyError, TimeError
from microconv.model.training_facts import readiness
from microconv.ranking import list_checks
from microconv.settings import ReadinessSettings
from microconv.storage.log import EventLog
from worlds.logs import AS_OF, JOURNEY, event, log_of
from worlds.ranking import END, trained


def log_complete_until(*instants: str | None, bears: str = "won") -> EventLog:
    """Make a log of which only the facts matter."""
    sources = [
        {"name": f"source-{n}", "complete_until": until, "event_names": {bears: 1} if until else {}}
        for n, until in enumerate(instants)
    ]
    return EventLog(Path("data/log"), {"buckets": 1, "sources": sources})


@pytest.mark.parametrize("as_of", ["2024-06-03T02:00:00+02:00", AS_OF])
def test_an_instant_is_taken_in_any_zone(as_of: datetime | str) -> None:
    """Text or datetime, it is the same instant in UTC."""
    assert list_checks.require_instant(as_of) == AS_OF


@pytest.mark.parametrize(
    ("as_of", "says"),
    [
        pytest.param("2024-06-03", "no time zone", id="naive text"),
        pytest.param(datetime(2024, 6, 3), "no time zone", id="naive"),  # noqa: DTZ001
        pytest.param("next Monday", "not an instant", id="not an instant"),
        pytest.param("", "not an instant", id="empty"),
        pytest.param(None, "not an instant", id="none"),
        pytest.param(np.datetime64("2024-06-03"), "not an instant", id="numpy"),
        pytest.param(date(2024, 6, 3), "not an instant", id="date"),
        pytest.param(pd.NaT, "not an instant", id="not a time"),
        pytest.param("0001-01-01T00:00:00+05:00", "not an instant", id="before the year 1"),
        pytest.param("9999-12-31T23:00:00-05:00", "not an instant", id="after the year 9999"),
    ],
)
def test_no_instant_is_guessed(as_of: datetime | str, says: str) -> None:
    """Midnight where? Two hours decide whether last night's visits count."""
    with pytest.raises(TimeError, match=says):
        list_checks.require_instant(as_of)


def test_asking_at_the_very_end_is_the_normal_case() -> None:
    """Outcomes are complete until that instant, and only what is before it is used."""
    log = log_complete_until("2024-06-03T00:00:00+00:00", "2024-07-01T00:00:00+00:00")
    assert list_checks.require_observed(log, AS_OF, JOURNEY) == ()


def test_asking_later_than_outcomes_are_complete_is_refused() -> None:
    """Whoever converted in between would be called as if nothing had happened."""
    log = log_complete_until("2024-06-03T00:00:00+00:00")
    with pytest.raises(TimeError, match=r"complete only until 2024-06-03 00:00.*newer export"):
        list_checks.require_observed(log, AS_OF + timedelta(seconds=1), JOURNEY)


def test_a_log_that_does_not_say_is_doubted_not_refused() -> None:
    """An export without outcomes can still be scored; the reader is told what it lacks."""
    (note,) = list_checks.require_observed(log_complete_until(None), AS_OF, JOURNEY)
    assert "recently may still be on the list" in note


def test_a_log_of_another_world_is_refused() -> None:
    """Scoring it would give everybody the probability of a prospect who did nothing."""
    with pytest.raises(OtherJourneyError, match=r"none of the 2 event names.*`A_SUBMITTED`"):
        list_checks.require_known_events({"A_SUBMITTED": 5, "O_SENT": 3}, JOURNEY)


def test_a_few_unknown_names_are_named_and_counted() -> None:
    """A new page on the web site must not stop the list, nor go unnoticed."""
    (note,) = list_checks.require_known_events({"blog": 10, "web_page:new": 1234}, JOURNEY)
    assert "1,234 events of 1 names" in note
    assert "`web_page:new`" in note


def test_asking_before_anything_was_known_is_refused() -> None:
    """The first event at that very instant is not before it."""
    with pytest.raises(TimeError, match="nothing was known about anybody"):
        list_checks.require_after_first_event(AS_OF, AS_OF)
    list_checks.require_after_first_event(AS_OF, AS_OF + timedelta(microseconds=1))
    list_checks.require_after_first_event(None, AS_OF)


def test_a_model_that_knows_the_future_is_doubted() -> None:
    """The last closed window ended on 22 May, but open ones taught it until 3 June."""
    model = trained()
    assert list_checks.list_warnings(model, END, latest=None, valid_for=None) == ()
    (note,) = list_checks.list_warnings(model, END - timedelta(days=1), latest=None, valid_for=None)
    assert "until 2024-06-03 00:00" in note


def test_an_old_log_is_doubted() -> None:
    """A list is used for 7 days; events that stop 8 days before are stale by the same measure."""
    week = timedelta(days=7)
    assert list_checks.list_warnings(trained(), END, latest=END - week, valid_for=week) == ()
    (note,) = list_checks.list_warnings(
        trained(), END, latest=END - week - timedelta(hours=1), valid_for=week
    )
    assert "what happened since is missing" in note


def test_columns_of_another_version_are_refused() -> None:
    """A renamed feature would otherwise be read as another one."""
    import dataclasses

    model = trained()
    list_checks.require_columns(model)
    renamed = dataclasses.replace(model, columns=("counts.old.7d", *model.columns[1:]))
    with pytest.raises(OtherJourneyError, match=r"does not build `counts\.old\.7d`"):
        list_checks.require_columns(renamed)


def test_the_world_is_what_the_facts_above_say() -> None:
    """The dates in this file are those of the test world."""
    assert trained().facts.last == datetime.fromisoformat("2024-04-22T00:00:00Z")
    assert log_of(event("ada", "blog", AS_OF)).buckets == 1


def test_a_list_from_thirty_conversions_says_so():
    """It looks like any other list; only the note tells."""
    counts = {"conversions": 30, "prospects": 5000, "days": 200}
    facts = replace(trained().facts, readiness=readiness(counts, ReadinessSettings()))
    notes = list_checks.list_warnings(
        replace(trained(), facts=facts), END, latest=END, valid_for=None
    )
    assert any("not enough to learn from: 30 conversions" in note for note in notes)
