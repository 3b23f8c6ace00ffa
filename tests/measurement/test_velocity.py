"""Velocity: Kaplan-Meier durations, against lifelines and SQL."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.measurement.funnel.velocity import velocity
from microconv.measurement.stats.durations import kaplan_meier
from microconv.settings import MeasureSettings
from worlds.bpi2012 import FOLLOW_UP_SQL, loans, needs_loans, run_sql
from worlds.logs import event, instant
from worlds.studies import at, study_of

SETTINGS = MeasureSettings()


def test_the_curve_equals_that_of_lifelines():
    """Quartiles, and the interval of the median, with ties and censoring."""
    from lifelines import KaplanMeierFitter
    from lifelines.utils import median_survival_times, qth_survival_time

    rng = np.random.default_rng(6)
    hours = rng.integers(0, 400, 300)
    seen = rng.random(300) < 0.6
    size = hours.max() + 1
    curve = kaplan_meier(
        np.bincount(hours[seen], minlength=size).astype(np.int32),
        np.bincount(hours[~seen], minlength=size).astype(np.int32),
        confidence=0.95,
    )
    reference = KaplanMeierFitter().fit(hours, seen)
    expected = reference.survival_function_at_times(np.arange(size)).to_numpy()
    assert curve.waiting == pytest.approx(expected)
    for share in (0.25, 0.5, 0.75):
        assert curve.days_until(share) * 24 == qth_survival_time(
            1 - share, reference.survival_function_
        )
    low, high = median_survival_times(reference.confidence_interval_).to_numpy()[0]
    assert np.array(curve.interval_of(0.5)) * 24 == pytest.approx([low, high])


def test_prospects_who_never_get_there_are_censored():
    """Two of five got there in 2 and 4 hours; three never did."""
    rows = []
    for name, hour in (("ada", 3), ("bob", 5)):
        rows += [event(name, "blog", at(1)), event(name, "guide", at(hour))]
    for name in ("cy", "dee", "eve"):
        rows += [event(name, "blog", at(1))]
    found = velocity(study_of(*rows), SETTINGS).tables["transitions"].iloc[0]
    assert (found["step"], found["next"]) == ("blog", "guide")
    assert (found["started"], found["done"]) == (5, 2)
    assert np.isnan(found["median_days"])
    assert found["median_days_of_completers"] * 24 == pytest.approx(2)
    assert found["p25_days"] * 24 == pytest.approx(4)  # 1/5 at 2 hours, 2/5 at 4
    assert found["done_in_time"] == pytest.approx(0.4)


def test_a_conversion_ends_the_duration():
    """It censors durations to other steps and completes those to the conversion."""
    rows = [
        event("ada", "blog", at(1)),
        event("ada", "won", at(11)),
        event("ada", "guide", at(12)),
        event("bob", "blog", at(1)),
        event("bob", "guide", at(2)),
    ]
    tables = velocity(study_of(*rows), SETTINGS).tables
    won = tables["to_conversion"].set_index("step")
    assert won.loc["blog", ["started", "done"]].tolist() == [2, 1]
    assert won.loc["guide", ["started", "done"]].tolist() == [1, 0]
    step = tables["transitions"].iloc[0]
    assert (step["started"], step["done"]) == (2, 1)
    last = tables["last_steps"].set_index("step")
    assert last.loc["blog", "median_days"] * 24 == pytest.approx(10)


def test_cohorts_are_months_of_arrival():
    """A change over time shows as a change from row to row."""
    rows = [
        event("ada", "blog", instant(-60 * 86_400)),
        event("bob", "blog", instant(-10 * 86_400)),
    ]
    cohorts = velocity(study_of(*rows), SETTINGS).tables["cohorts"]
    first = cohorts[cohorts["next"] == "awareness"]
    assert first["month"].tolist() == ["2024-04", "2024-05"]
    assert first["done"].tolist() == [1, 1]


@needs_loans
def test_the_most_common_transition_of_the_loan_log_agrees_with_sql_and_lifelines():
    """Durations by SQL, the curve by lifelines, on thirteen thousand applications."""
    from lifelines import KaplanMeierFitter
    from lifelines.utils import qth_survival_time

    study, events = loans()
    table = velocity(study, SETTINGS).tables["transitions"].set_index(["step", "next"])
    pair = "completion_scheduled", "completion_started"
    assert pair in table.index
    durations = run_sql(
        f"""{FOLLOW_UP_SQL}, begun as (
            select prospect_id, any_value(ended_at) as ended_at, min(place) as place,
                min(time) as time from did where step = '{pair[0]}' group by prospect_id
        ), ended as (
            select b.prospect_id, min(d.time) as time from begun b join did d using (prospect_id)
            where d.step = '{pair[1]}' and d.place > b.place group by b.prospect_id
        )
        select e.time is not null as done,
            (epoch_us(coalesce(e.time, b.ended_at)) - epoch_us(b.time)) // 3600000000 as hours
        from begun b left join ended e using (prospect_id)""",
        events=events,
    )
    reference = KaplanMeierFitter().fit(durations["hours"], durations["done"])
    found = table.loc[pair]
    assert found["started"] == len(durations) > 3000
    assert found["done"] == durations["done"].sum()
    assert found["median_days"] * 24 == reference.median_survival_time_
    assert found["p25_days"] * 24 == qth_survival_time(0.75, reference.survival_function_)


def test_missing_data_are_named():
    """One step, nobody converted."""
    found = velocity(study_of(event("ada", "blog", at(1))), SETTINGS)
    assert len(found.missing) == 2
