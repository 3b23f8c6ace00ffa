"""The public loan funnel of BPI 2012 as a study and as a table for SQL."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from microconv.ingest.dataframes import as_arrow, canonical_events
from microconv.journey import JourneyMap
from microconv.measurement.study.load import load_study
from microconv.settings import JourneySettings, read_settings
from microconv.storage.log import MemoryLog

DATA = os.environ.get("MICROCONV_REAL_DATA")
UNTIL = datetime(2012, 2, 1, tzinfo=UTC)
"""Earlier than the log's end, so that something lies after it."""

OFFER = ("O_SELECTED|COMPLETE", "O_CREATED|COMPLETE", "O_SENT|COMPLETE")

needs_loans = pytest.mark.skipif(
    DATA is None, reason="MICROCONV_REAL_DATA does not name the folder of the public data sets"
)


@cache
def loans():
    """Load the study, and the events with their step's name, kind and stage for SQL."""
    raw = pd.read_parquet(Path(DATA) / "bpi2012" / "bpi2012_events.parquet")
    events = canonical_events(
        pd.DataFrame(
            {
                "prospect_id": raw["case:concept:name"],
                "time": raw["time:timestamp"],
                "event_name": raw["concept:name"] + "|" + raw["lifecycle:transition"],
                "event_id": raw["event_index"].map("{:08d}".format),
            }
        )
    )
    params = Path(__file__).parents[2] / "examples" / "bpi2012" / "params.yaml"
    settings = read_settings(params).journey.model_dump()
    settings["multi_step"] = {"offer_sent_back": OFFER}
    journey = JourneyMap.from_settings(JourneySettings.model_validate(settings))
    study = load_study(MemoryLog(events), journey, observed_until=UNTIL, threads=1)
    meaning = pd.DataFrame(
        [
            {"event_name": name, "step": step.name, "kind": step.kind, "stage": step.stage}
            for step in journey.steps
            for name in step.events
        ]
    )
    frame = events.select(["prospect_id", "time", "event_name"]).to_pandas()
    frame["event_name"] = frame["event_name"].astype(str)
    frame["place"] = range(len(frame))
    return study, frame.merge(meaning, on="event_name").sort_values("place")


def run_sql(query, **tables):
    """Run a DuckDB query and return a pandas table."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    for name, table in tables.items():
        connection.register(name, as_arrow(table))
    return connection.sql(query).to_arrow_table().to_pandas()


def follow_up_sql(until):
    """Return the SQL of who was at risk when, up to an instant, and of their micro-conversions."""
    end = f"timestamptz '{until.isoformat()}'"
    return f"""
with first_events as (
    select prospect_id,
        min(time) as first_seen,
        min(time) filter (kind = 'major') as converted_at,
        min(time) filter (kind = 'exit') as exited_at
    from events where time < {end} group by prospect_id
), risk as (
    select *, least(converted_at, exited_at, {end}) as ended_at
    from first_events
), people as (
    select *, coalesce(converted_at = ended_at, false) as converted,
        coalesce(exited_at = ended_at and converted_at is distinct from ended_at, false) as exited
    from risk where ended_at > first_seen
), did as (
    select e.*, p.ended_at, p.converted, p.exited, p.first_seen
    from events e join people p using (prospect_id)
    where e.time < p.ended_at and e.kind = 'micro'
)
"""


FOLLOW_UP_SQL = follow_up_sql(UNTIL)
