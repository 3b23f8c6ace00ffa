"""Who was assigned what and when, and what counts as having followed."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from microconv.errors import JourneyError, NotEnoughDataError, SettingsError, TimeError
from microconv.histories.arrays import microseconds
from microconv.measurement.experiments.assignment import draw_units
from microconv.measurement.experiments.experiments import experiments
from microconv.measurement.experiments.units import measured_after
from microconv.settings import ExperimentSettings, ExperimentsSettings
from microconv.storage.schema import MESSAGES
from worlds.logs import AS_OF, event, instant
from worlds.studies import study_of

DAYS = 86_400

LETTERS = pa.Table.from_pylist(
    [{"message_id": f"letter-{k}{v}", "variant": v.upper()} for k in (1, 2) for v in "ab"],
    schema=MESSAGES,
)


def day(number, seconds=0):
    """Return an instant so many days before AS_OF."""
    return instant(-number * DAYS + seconds)


def sent(who, variant, at, letter=1):
    """Send somebody a variant of a letter."""
    message = f"letter-{letter}{variant.lower()}"
    return event(who, "sent", at, variant=variant, message_id=message)


def test_of(**changes):
    """Describe a test of the first letter."""
    content = {
        "dimension": "cta", "arms": {"A": 1, "B": 1}, "messages": ["letter-1?"],
        "metric": "guide", "within_days": 7,
    }  # fmt: skip
    return ExperimentSettings.model_validate(content | changes)


test_of.__test__ = False


def read(*rows, pre_period_days=30, min_human_probability=0.5, **changes):
    """Draw the units of a test from some rows."""
    study = study_of(*rows, messages=LETTERS)
    return study, *draw_units(
        study,
        test_of(**changes),
        pre_period_days=pre_period_days,
        min_human_probability=min_human_probability,
    )


def test_the_metric_counts_from_the_assignment_on_and_not_after_its_window():
    """At the very instant it counts, a week later to the second it does not."""
    _, units, _, _ = read(
        sent("ada", "A", day(20)), event("ada", "guide", day(20)),
        sent("bob", "B", day(20)), event("bob", "guide", day(13)),
        sent("cy", "B", day(20)), event("cy", "guide", day(13, -1)),
        sent("dee", "A", day(20)), event("dee", "guide", day(20, -1)),
    )  # fmt: skip
    assert units.metric.tolist() == [True, False, True, False]
    assert units.arm.tolist() == [0, 1, 1, 0]


def test_units_whose_window_is_open_wait():
    """Assigned six days before the end, nobody knows yet what they do within seven."""
    _, units, assigned, waiting = read(
        sent("ada", "A", day(7)), sent("bob", "B", day(7, 1)), sent("cy", "B", day(30))
    )
    assert (len(units), len(assigned.prospect), waiting) == (2, 3, 1)


def test_only_the_tests_own_messages_assign():
    """The same letters A and B may name the arms of another test."""
    _, units, _, _ = read(sent("ada", "B", day(30), letter=2), sent("ada", "A", day(20)))
    assert units.arm.tolist() == [0]
    assert units.assigned.tolist() == [microseconds(day(20))]


def test_whoever_crosses_over_stays_where_they_were_first():
    """Moving them by what they got later would undo the randomisation."""
    _, units, assigned, _ = read(sent("ada", "B", day(20)), sent("ada", "A", day(19)))
    assert units.arm.tolist() == [1]
    assert assigned.switched == 1


def test_a_machines_click_is_no_success():
    """A scanner clicks both arms alike and would dilute any difference."""
    rows = (sent("ada", "A", day(20)), event("ada", "guide", day(19), human_probability=0.2))
    for least, counted in ((0.5, False), (0.2, True)):
        _, units, _, _ = read(*rows, min_human_probability=least)
        assert units.metric.tolist() == [counted]


def test_activity_before_the_assignment_is_what_was_seen_strictly_before_it():
    """A visit known only later, or after the assignment, must not adjust anything."""
    _, units, _, _ = read(
        event("ada", "blog", day(25)),
        event("ada", "blog", day(24), seen=day(19)),
        event("ada", "blog", day(20)),
        event("ada", "blog", day(60)),
        sent("ada", "A", day(20)),
    )
    assert units.before == pytest.approx(np.log([2.0]))


def test_revenue_is_what_came_in_the_window():
    """Money from before cannot be the arm's doing."""
    _, units, _, _ = read(
        sent("ada", "A", day(20)), event("ada", "won", day(18), value=100.0),
        event("ada", "won", day(15), value=20.0), event("ada", "won", day(12), value=7.0),
        sent("bob", "B", day(20)), event("bob", "won", day(21), value=50.0),
    )  # fmt: skip
    assert units.revenue.tolist() == [120, 0]


def test_a_metric_that_is_the_assignment_is_refused():
    """Everybody who is sent something was sent something."""
    with pytest.raises(TimeError, match="the very step"):
        read(sent("ada", "A", day(20)), metric="sent")


def test_a_metric_that_only_happened_before_is_refused():
    """The arms cannot have caused what was there before them."""
    with pytest.raises(TimeError, match="only before the assignment"):
        read(event("ada", "guide", day(22)), sent("ada", "A", day(20)), sent("bob", "B", day(20)))


def test_a_table_whose_outcomes_lie_before_its_assignments_is_refused():
    """However the units were made, an outcome from before is none."""
    with pytest.raises(TimeError, match="1 of 2 units"):
        measured_after(np.array([10, 10]), np.array([9, 12]), within=5)


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        ({"metric": "guid"}, JourneyError, "Did you mean `guide`"),
        ({"arms": {"X": 1, "Y": 1}}, NotEnoughDataError, "carries one of the variants"),
        ({"messages": ["other-*"]}, NotEnoughDataError, "other-"),
        ({"segments": ["size"]}, SettingsError, "`size`"),
        ({"guardrails": ["lost"]}, JourneyError, "`lost`"),
        (
            {"assigned_by": "group", "starts": datetime(2024, 5, 1, tzinfo=UTC)},
            SettingsError,
            "`group`",
        ),
    ],
    ids=["metric", "arms", "messages", "segment", "guardrail", "attribute"],
)
def test_what_is_not_there_is_named(changes, error, word):
    """A typo in the settings is told in their own words."""
    with pytest.raises(error, match=word):
        read(sent("ada", "A", day(20)), sent("bob", "B", day(20)), **changes)


def test_without_a_table_of_messages_the_test_says_what_to_bring():
    """A test of one message cannot be told from another's without it."""
    study = study_of(sent("ada", "A", day(20)))
    found = experiments(
        study, ExperimentsSettings(tests={"letter": test_of()}), min_human_probability=0.5
    )
    assert "no table of messages" in found.missing[0]


def test_one_bad_test_does_not_hide_the_others():
    """The section says what is missing, and the rest is there."""
    rows = [
        row
        for k in range(60)
        for row in (
            sent(f"p{k:02d}", "AB"[k % 2], day(20)),
            event(f"p{k:02d}", "guide", day(19)) if k % 3 == 0 else event("ada", "blog", day(9)),
        )
    ]
    settings = ExperimentsSettings(
        tests={"bad": test_of(metric="nothing"), "good": test_of()}, bootstrap=100
    )
    found = experiments(study_of(*rows, messages=LETTERS), settings, min_human_probability=0.5)
    assert found.tables["experiments"]["experiment"].tolist() == ["good"]
    assert found.tables["experiments"]["analysed"].tolist() == [60]
    assert any(gap.startswith("bad: There is no step `nothing`") for gap in found.missing)
    assert found.report()["tables"]["arms"][0]["completed"] == 10


def test_without_any_test_the_section_says_so():
    """Nothing to read is not an error."""
    study = study_of(event("ada", "blog", day(3)))
    found = experiments(study, ExperimentsSettings(), min_human_probability=0.5)
    assert "No test is described" in found.missing[0]
    assert found.tables == {}


def test_the_end_of_the_log_is_the_end_of_what_is_read():
    """The window that closes exactly at the end is closed."""
    _, units, _, waiting = read(sent("ada", "A", day(7)))
    assert (len(units), waiting) == (1, 0)
    assert units.assigned[0] + 7 * DAYS * 10**6 == microseconds(AS_OF)
