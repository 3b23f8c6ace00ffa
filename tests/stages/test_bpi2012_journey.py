"""The journey of the public loan funnel, from the raw file to the page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml

from loans import DATA, LIVES, UNTIL, ask, needs_loans
from microconv.report.write import write_journey_page
from microconv.settings import read_settings
from microconv.stages.ingest import ingest
from microconv.stages.measure import measure

PARAMS = Path(__file__).parents[2] / "examples" / "bpi2012" / "params.yaml"
COMPLETE = datetime(2012, 3, 14, 15, tzinfo=UTC)
"""As the example's parameters say."""


def raw_events():
    """Read the raw log, one row per line of it, with what the example's journey says of each."""
    raw = pd.read_parquet(Path(DATA) / "bpi2012" / "bpi2012_events.parquet")
    steps = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["journey"]["steps"]
    meaning = pd.DataFrame(
        [
            {"event_name": name, "step": step, "kind": facts["kind"], "stage": facts.get("stage")}
            for step, facts in steps.items()
            for name in facts["events"]
        ]
    )
    events = pd.DataFrame(
        {
            "prospect_id": raw["case:concept:name"].astype(str),
            "time": pd.to_datetime(raw["time:timestamp"], utc=True),
            "event_name": raw["concept:name"] + "|" + raw["lifecycle:transition"],
            "place": raw["event_index"],
        }
    )
    return events.merge(meaning, on="event_name")


@needs_loans
@pytest.mark.slow
def test_the_journey_of_the_loan_funnel_is_that_of_plain_sql_over_the_raw_log(tmp_path):
    """Through the stages: transitions and drop-offs of journey.json, and the page."""
    settings = read_settings(PARAMS)
    log, report = tmp_path / "log", tmp_path / "journey.json"
    ingest(
        settings, inputs=Path(DATA) / "bpi2012", log=log, quarantine=tmp_path / "q.parquet",
        summary=tmp_path / "ingest.json",
    )  # fmt: skip
    measure(settings, log=log, journey=report, tables=tmp_path / "journey")
    found = json.loads(report.read_text(encoding="utf-8"))
    until = f"{COMPLETE:%Y-%m-%d %H:%M}:00+00"
    lives = LIVES.replace(f"{UNTIL:%Y-%m-%d} 00:00:00+00", until)
    assert until in lives
    events = raw_events()
    assert len(events) == 262_200
    check_transitions(found, lives, events)
    check_drop_offs(found, lives, events, settings.measure.stall_days)
    page = tmp_path / "journey.html"
    write_journey_page(report, page=page)
    html = page.read_text(encoding="utf-8")
    assert "completion_started" in html
    assert len(html) < 15_000_000


def check_transitions(found, lives, events):
    """Compare every pair of steps, the ends included."""
    expected = ask(
        f"""{lives}, walks as (
            select prospect_id, place, step, converted from did
            union all
            select prospect_id, -1, '(start)', converted from people
            union all
            select p.prospect_id, 1e9, coalesce(
                (select min_by(step, place) from events e where e.prospect_id = p.prospect_id
                    and e.time = p.ended_at
                    and e.kind = case when p.converted then 'major' else 'exit' end),
                '(still open)'), converted
            from people p
        ), pairs as (
            select step, converted,
                lead(step) over (partition by prospect_id order by place) as next
            from walks
        )
        select step, next, count(*) as count, count(*) filter (converted) as converters
        from pairs where next is not null group by all order by step, next""",
        events=events,
    )
    columns = ["step", "next", "count", "converters"]
    transitions = pd.DataFrame(found["paths"]["tables"]["transitions"])[columns]
    transitions = transitions.sort_values(["step", "next"])
    assert len(expected) > 100
    assert transitions.to_numpy().tolist() == expected[columns].to_numpy().tolist()


def check_drop_offs(found, lives, events, stall_days):
    """Compare how many reached each stage, went on, and what became of the others."""
    expected = ask(
        f"""{lives}, ranks as (
            select *, case stage when 'application' then 0 when 'offer' then 1 else 2 end as rank
            from did
        ), stops as (
            select p.prospect_id, p.converted, p.exited, p.ended_at, p.first_seen,
                coalesce(max(r.rank), -1) as furthest, max(r.time) as last_done
            from people p left join ranks r using (prospect_id) group by all
        ), judged as (
            select *, ended_at - coalesce(last_done, first_seen)
                >= interval '{stall_days:g} days' as silent
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
        from places, judged group by rank order by rank""",
        events=events,
    )
    names = ["reached", "moved_on", "converted", "exited", "stopped", "still_active"]
    stages = pd.DataFrame(found["drop_off"]["tables"]["stages"])
    assert expected["reached"].iloc[0] > 10_000
    assert stages[names].to_numpy().tolist() == expected[names].to_numpy().tolist()
