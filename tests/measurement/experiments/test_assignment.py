"""Assignment: which unit got which arm when, and which outcomes count."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from microconv.errors import JourneyError, NotEnoughDataError, SettingsError, TimeError
from microconv.histories.arrays import microseconds
from microconv.measurement.experiments.assignment import find_units
from microconv.measurement.experiments.experiments import experiments
from microconv.measurement.experiments.units import happened_within
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
    """Find the units of a test in some rows."""
    study = study_of(*rows, messages=LETTERS)
    return study, *find_units(
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


def test_units_with_an_open_window_are_left_out():
    """Assigned six days before the end, the outcome within seven is not known yet."""
    _, units, assigned, waiting = read(
        sent("ada", "A", day(7)), sent("bob", "B", day(7, 1)), sent("cy", "B", day(30))
    )
    assert (len(units), len(assigned.prospect), waiting) == (2, 3, 1)


def test_only_the_tests_own_messages_assign():
    """The same letters A and B may name the arms of another test."""
    _, units, _, _ = read(sent("ada", "B", day(30), letter=2), sent("ada", "A", day(20)))
    assert units.arm.tolist() == [0]
    assert units.assigned.tolist() == [microseconds(day(20))]


def test_units_that_switch_arms_stay_in_the_first():
    """Moving them later would undo the randomisation."""
    _, units, assigned, _ = read(sent("ada", "B", day(20)), sent("ada", "A", day(19)))
    assert units.arm.tolist() == [1]
    assert assigned.switched == 1


def test_a_click_counts_if_it_is_probably_a_persons():
    """Scanners click in both arms and would dilute any difference; the threshold is a setting."""
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
    """Revenue from before cannot be an effect of the arm."""
    _, units, _, _ = read(
        sent("ada", "A", day(20)), event("ada", "won", day(18), value=100.0),
        event("ada", "won", day(15), value=20.0), event("ada", "won", day(12), value=7.0),
        sent("bob", "B", day(20)), event("bob", "won", day(21), value=50.0),
    )  # fmt: skip
    assert units.revenue.tolist() == [120, 0]


def test_a_metric_that_is_the_assignment_is_an_error():
    """Everybody who is sent something was sent something."""
    with pytest.raises(TimeError, match="the step that assigns"):
        read(sent("ada", "A", day(20)), metric="sent")


def test_a_metric_that_only_happened_before_is_an_error():
    """The arms cannot have caused it."""
    with pytest.raises(TimeError, match="only before the assignment"):
        read(event("ada", "guide", day(22)), sent("ada", "A", day(20)), sent("bob", "B", day(20)))


def test_an_outcome_before_its_assignment_is_an_error():
    """It cannot be an outcome of the experiment."""
    with pytest.raises(TimeError, match="1 of 2 units"):
        happened_within(np.array([10, 10]), np.array([9, 12]), within=5)


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        ({"metric": "guid"}, JourneyError, "Did you mean `guide`"),
        ({"arms": {"X": 1, "Y": 1}}, NotEnoughDataError, "has one of the variants"),
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
def test_unknown_names_are_reported(changes, error, word):
    """A typo in the settings is quoted."""
    with pytest.raises(error, match=word):
        read(sent("ada", "A", day(20)), sent("bob", "B", day(20)), **changes)


def test_without_a_table_of_messages_the_error_says_what_to_add():
    """It is needed to find the sends of the messages under test."""
    study = study_of(sent("ada", "A", day(20)))
    found = experiments(
        study, ExperimentsSettings(tests={"letter": test_of()}), min_human_probability=0.5
    )
    assert "no table of messages" in found.missing[0]


def test_one_invalid_experiment_does_not_hide_the_others():
    """The error is listed, and the rest is there."""
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


def test_without_experiments_the_section_says_so():
    """That is not an error."""
    study = study_of(event("ada", "blog", day(3)))
    found = experiments(study, ExperimentsSettings(), min_human_probability=0.5)
    assert "describes no experiment" in found.missing[0]
    assert found.tables == {}


def test_a_window_that_ends_with_the_log_is_closed():
    """To the microsecond."""
    _, units, _, waiting = read(sent("ada", "A", day(7)))
    assert (len(units), waiting) == (1, 0)
    assert units.assigned[0] + 7 * DAYS * 10**6 == microseconds(AS_OF)
