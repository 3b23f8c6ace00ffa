"""The public loan funnel from its XES file to the report, against SQL over the flat copy.

The flat copy of the log was made by somebody else's reader. Nothing of the
project stands between it and the figures expected here but the names of the steps.

One event in ten shares its instant with another of the same application; those
are in the order of the file, which the flat copy numbers in `event_index`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from microconv.report.write import write_journey_page
from microconv.settings import read_settings
from microconv.stages.ingest import ingest
from microconv.stages.measure import measure
from worlds.bpi2012 import DATA, follow_up_sql, needs_loans, run_sql

PARAMS = Path(__file__).parents[2] / "examples/bpi2012/params.yaml"

pytestmark = [pytest.mark.slow, needs_loans]


@pytest.fixture(scope="module")
def funnel(tmp_path_factory):
    """Run ingest and measure of the example; return the report and the tables for SQL."""
    root = tmp_path_factory.mktemp("loans")
    settings = read_settings(PARAMS)
    log, journey = root / "log", root / "journey.json"
    ingest(
        settings,
        inputs=Path(DATA) / "bpi2012",
        log=log,
        quarantine=root / "quarantine.parquet",
        summary=root / "ingest.json",
    )
    measure(settings, log=log, journey=journey, tables=root / "journey")
    meaning = [
        {"event_name": name, "step": step, "kind": each.kind, "stage": each.stage}
        for step, each in settings.journey.steps.items()
        for name in each.events
    ]
    raw = pd.read_parquet(Path(DATA) / "bpi2012" / "bpi2012_events.parquet")
    events = run_sql(
        """select "case:concept:name" as prospect_id, "time:timestamp" as time,
            event_index as place, m.*
        from raw join meaning m
        on "concept:name" || '|' || "lifecycle:transition" = m.event_name""",
        raw=raw,
        meaning=pd.DataFrame(meaning),
    )
    (source,) = settings.ingest.sources
    content = json.loads(journey.read_text(encoding="utf-8"))
    return content, journey, events, follow_up_sql(source.complete_until), settings


def table(content, section, name):
    """Read one table of the report."""
    return pd.DataFrame(content[section]["tables"][name])


def test_every_event_arrives(funnel):
    """262,200 lines in the file; events after the last complete instant are not used."""
    content, _, events, _, settings = funnel
    (source,) = settings.ingest.sources
    assert len(events) == 262_200
    assert content["overview"]["events"] == int((events["time"] < source.complete_until).sum())
    assert content["overview"]["prospects"] == 13_087


def test_transitions_equal_those_of_sql(funnel):
    """From the start over every step to the end, and how many of them were converters'."""
    content, _, events, people, _ = funnel
    expected = run_sql(
        f"""{people}, walks as (
            select prospect_id, time, place, step, converted from did
            union all
            select prospect_id, timestamptz '1970-01-01', 0, '(start)', converted from people
            union all
            select p.prospect_id, p.ended_at, 0, coalesce(
                (select min_by(step, place) from events e where e.prospect_id = p.prospect_id
                    and e.time = p.ended_at
                    and e.kind = case when p.converted then 'major' else 'exit' end),
                '(still open)'), converted
            from people p
        ), pairs as (
            select step, converted,
                lead(step) over (partition by prospect_id order by time, place) as next
            from walks
        )
        select step, next, count(*) as count, count(*) filter (converted) as converters
        from pairs where next is not null group by all""",
        events=events,
    )
    found = table(content, "paths", "transitions")
    joined = expected.merge(found, on=["step", "next"], how="outer", suffixes=("", "_found"))
    assert len(expected) > 100
    for name in ("count", "converters"):
        differ = joined[joined[name] != joined[f"{name}_found"]]
        assert differ.empty, differ


def test_drop_offs_equal_those_of_sql(funnel):
    """By stage: how many reached it, moved on, and how the others ended."""
    content, _, events, people, settings = funnel
    days = settings.measure.stall_days
    expected = run_sql(
        f"""{people}, ranks as (
            select *, case stage when 'application' then 0 when 'offer' then 1 else 2 end as rank
            from did
        ), stops as (
            select p.prospect_id, p.converted, p.exited, p.ended_at,
                coalesce(max(r.rank), -1) as furthest,
                p.ended_at - coalesce(max(r.time), p.first_seen) >= interval {days:g} days as silent
            from people p left join ranks r using (prospect_id)
            group by p.prospect_id, p.converted, p.exited, p.ended_at, p.first_seen
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
        from places, stops group by rank order by rank""",
        events=events,
    )
    found = table(content, "drop_off", "stages")
    names = ["reached", "moved_on", "converted", "exited", "stopped", "still_active"]
    assert found["stage"].tolist() == ["(nothing yet)", *settings.journey.stages]
    assert found[names].to_numpy().tolist() == expected[names].to_numpy().tolist()
    assert expected["stopped"].sum() > 0


def test_the_page_is_produced(funnel, tmp_path):
    """One file, the busiest transition named on it, nothing fetched from anywhere."""
    content, journey, *_ = funnel
    write_journey_page(journey, page=tmp_path / "journey.html")
    page = (tmp_path / "journey.html").read_text(encoding="utf-8")
    assert table(content, "paths", "transitions")["step"][0] in page
    assert 'src="http' not in page
    assert len(page) < 15_000_000
