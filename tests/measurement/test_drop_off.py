"""Drop-off of stages and parts, against SQL and counts by hand."""

from __future__ import annotations

import pytest

from microconv.journey import JourneyMap
from microconv.measurement.funnel.drop_off import drop_off
from microconv.settings import JourneySettings, MeasureSettings
from worlds.bpi2012 import FOLLOW_UP_SQL, OFFER, loans, needs_loans, run_sql
from worlds.logs import event, instant
from worlds.studies import study_of

SETTINGS = MeasureSettings(stall_days=10)

FORM = JourneyMap.from_settings(
    JourneySettings.model_validate(
        {
            "steps": {
                "page": {"kind": "exposure", "events": ["page 1", "page 2"]},
                "form": {"kind": "micro", "stage": "awareness", "commitment": 1},
                "won": {"kind": "major"},
                "left": {"kind": "exit"},
            },
            "multi_step": {"form": ["page 1", "page 2"]},
        }
    )
)


def day(number):
    """Return midnight so many days before AS_OF."""
    return instant(-number * 86_400)


def test_recently_active_prospects_are_censored():
    """Stopped after ten silent days; recent, converted and exited ones are censored."""
    study = study_of(
        event("done", "page 1", day(50)),
        event("done", "page 2", day(50)),
        event("done", "form", day(49)),
        event("stopped", "page 1", day(40)),
        event("recent", "page 1", day(9)),
        event("bought", "page 1", day(40)),
        event("bought", "won", day(35)),
        event("left", "page 2", day(40)),
        event("left", "left", day(30)),
        journey=FORM,
    )
    parts = drop_off(study, SETTINGS).tables["parts"].set_index("part")
    columns = ["reached", "moved_on", "stopped", "censored"]
    assert parts.loc["page 1", columns].tolist() == [5, 2, 1, 2]
    assert parts.loc["page 2", columns].tolist() == [2, 1, 1, 0]  # ten days to the exit
    assert parts.loc["form", columns].tolist() == [1, 0, 0, 0]
    assert parts.loc["page 1", "stopped_rate"] == pytest.approx(1 / 3)
    assert parts.loc["page 1", "median_days_stopped"] == 40


@needs_loans
def test_the_drop_offs_of_the_loan_log_equal_those_of_sql():
    """By stage: how many reached it, moved on, and how the others ended."""
    study, events = loans()
    found = drop_off(study, SETTINGS).tables["stages"].set_index("stage")
    expected = run_sql(
        f"""{FOLLOW_UP_SQL}, ranks as (
            select *, case stage when 'application' then 0 when 'offer' then 1 else 2 end as rank
            from did
        ), stops as (
            select p.prospect_id, p.converted, p.exited, p.ended_at, p.first_seen,
                coalesce(max(r.rank), -1) as furthest, max(r.time) as last_done
            from people p left join ranks r using (prospect_id) group by all
        ), outcomes as (
            select *, ended_at - coalesce(last_done, first_seen) >= interval 10 days as silent
            from stops
        ), places as (select unnest([-1, 0, 1, 2]) as rank)
        select rank,
            count(*) filter (furthest >= rank) as reached,
            count(*) filter (furthest > rank) as moved_on,
            count(*) filter (furthest = rank and converted) as converted,
            count(*) filter (furthest = rank and exited) as exited,
            count(*) filter (furthest = rank and not converted and not exited and silent)
                as stopped,
            count(*) filter (furthest = rank and not converted and not exited and not silent)
                as still_active
        from places, outcomes group by rank order by rank""",
        events=events,
    )
    names = ["reached", "moved_on", "converted", "exited", "stopped", "still_active"]
    assert expected["reached"].iloc[0] > 5000
    assert found[names].to_numpy().tolist() == expected[names].to_numpy().tolist()


@needs_loans
def test_the_parts_of_an_offer_equal_those_of_sql():
    """Selected, created, sent, sent back: how many reached each and stopped there."""
    study, events = loans()
    found = drop_off(study, SETTINGS).tables["parts"]
    cases = " ".join(f"when '{part}' then {k}" for k, part in enumerate(OFFER))
    expected = run_sql(
        f"""{FOLLOW_UP_SQL}, ranks as (
            select *, case event_name {cases} else 3 end as rank from did
            where event_name in {OFFER} or step = 'offer_sent_back'
        ), stops as (
            select prospect_id, max(rank) as furthest,
                any_value(ended_at) - max(time) >= interval 10 days as silent
            from ranks group by prospect_id
        ), places as (select unnest([0, 1, 2, 3]) as rank)
        select rank, count(*) filter (furthest >= rank) as reached,
            count(*) filter (furthest > rank) as moved_on,
            count(*) filter (furthest = rank and rank < 3 and silent) as stopped,
            count(*) filter (furthest = rank and rank < 3 and not silent) as censored
        from places, stops group by rank order by rank""",
        events=events,
    )
    names = ["reached", "moved_on", "stopped", "censored"]
    assert found["part"].tolist() == [*OFFER, "offer_sent_back"]
    assert found[names].to_numpy().tolist() == expected[names].to_numpy().tolist()


def test_stages_are_measured_without_multi_step_conversions():
    """And the section names the setting for the parts."""
    found = drop_off(study_of(event("ada", "blog", day(20))), SETTINGS)
    assert "journey.multi_step" in found.missing[0]
    stages = found.tables["stages"].set_index("stage")
    assert stages.loc["awareness", "stopped"] == 1
    assert "awareness" in found.summary[0]
