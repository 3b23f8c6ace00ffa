"""Synthetic times, chosen by a hash: for leads with attributes and an outcome, but no dates."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow.parquet as pq
import pytest

from microconv.errors import SettingsError
from microconv.ingest.ingest import Outputs, ingest
from microconv.settings import IngestSettings
from microconv.storage.log import EventLog

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
LEADS = [f"lead-{number}" for number in range(60)]
COHORTS = {"first": FIRST.isoformat(), "every_days": 7, "cohorts": 5}


def sources(**outcome):
    """Describe one table three times: leads, outcomes, attributes."""
    return [
        {
            "name": "leads",
            "format": "table",
            "files": "leads.parquet",
            "columns": {"prospect_id": "id"},
            "prefix": "lead_created",
            "synthetic_times": COHORTS,
        },
        {
            "name": "outcomes",
            "format": "table",
            "files": "leads.parquet",
            "columns": {"prospect_id": "id", "event": "won"},
            "rules": [{"event": "1", "name": "won"}],
            "ignore": ["0"],
            "synthetic_times": {**COHORTS, "after_days": 2},
            **outcome,
        },
        {
            "name": "attributes",
            "format": "prospects",
            "files": "leads.parquet",
            "columns": {"prospect_id": "id"},
            "attributes": ["size"],
            "synthetic_times": COHORTS,
        },
    ]


def run(folder, described):
    """Ingest sixty leads, every third of whom won."""
    frame = pd.DataFrame({"id": LEADS, "won": [n % 3 == 0 for n in range(60)], "size": range(60)})
    frame["won"] = frame["won"].astype(int)
    frame.to_parquet(folder / "leads.parquet")
    settings = IngestSettings.model_validate(
        {
            "input_dir": str(folder),
            "plausible_from": FIRST,
            "plausible_until": FIRST + timedelta(days=365),
            "buckets": 1,
            "sources": described,
        }
    )
    outputs = Outputs(folder / "log", folder / "quarantine.parquet", folder / "ingest.json")
    ingest(settings, outputs=outputs)
    return EventLog.open(outputs.log)


def monday(lead):
    """Compute the Monday of a lead in plain Python, from digits 5 to 11 of its md5."""
    number = int(hashlib.md5(lead.encode(), usedforsecurity=False).hexdigest()[4:11], 16)
    return FIRST + timedelta(days=7 * (number * 5 // 16**7))


def test_every_row_of_a_prospect_gets_the_day_of_its_hash(tmp_path):
    """Lead, outcome and attributes of one prospect belong to one cohort."""
    log = run(tmp_path, sources())
    events = log.read_events(0).to_pandas().astype({"prospect_id": str, "event_name": str})
    created = events[events["event_name"] == "lead_created"].set_index("prospect_id")["time"]
    won = events[events["event_name"] == "won"].set_index("prospect_id")["time"]
    assert created.to_dict() == {lead: monday(lead) for lead in LEADS}
    assert won.to_dict() == {lead: monday(lead) + timedelta(days=2) for lead in LEADS[::3]}
    people = pq.read_table(log.path / "prospects/0000.parquet").to_pandas()
    known = people.set_index("prospect_id")["known_at"]
    assert known.to_dict() == {lead: monday(lead) for lead in LEADS}
    assert created.nunique() == 5  # all cohorts are met


def test_the_log_says_that_its_instants_were_made_up(tmp_path):
    """Whoever reports on it must be able to tell."""
    log = run(tmp_path, sources())
    assert log.synthetic_sources == ["leads", "outcomes", "attributes"]
    report = json.loads((tmp_path / "ingest.json").read_text())
    assert report["sources"][0]["synthetic_times"]["cohorts"] == 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"columns": {"prospect_id": "id", "event": "won", "time": "size"}},
            "and has `synthetic_times`",
        ),
        ({"columns": {"email": "id", "event": "won"}}, "map `prospect_id`"),
        ({"format": "deals"}, "has times of its own"),
    ],
)
def test_synthetic_times_where_there_are_times_or_no_ids_are_an_error(tmp_path, change, says):
    """A synthetic time must never replace a real one."""
    with pytest.raises(SettingsError, match=says):
        run(tmp_path, sources(**change))


def test_a_first_day_without_a_zone_is_refused():
    """As every instant."""
    with pytest.raises(ValueError, match="zone"):
        IngestSettings.model_validate(
            {
                "input_dir": "raw",
                "plausible_from": FIRST,
                "plausible_until": FIRST + timedelta(days=9),
                "sources": [
                    {**sources()[0], "synthetic_times": {**COHORTS, "first": "2024-01-01T00:00:00"}}
                ],
            }
        )
