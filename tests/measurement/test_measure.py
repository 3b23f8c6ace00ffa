"""The whole measurement: sections, files and independence of the number of threads."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from microconv.measurement.measure import measure, write_measurement
from worlds.logs import event
from worlds.ranking import settings
from worlds.studies import at, study_of, study_of_world

SECTIONS = [
    "completion", "velocity", "paths", "drop_off", "impact", "benchmarks", "bottlenecks",
    "experiments", "audit",
]  # fmt: skip

BARE = {
    "one prospect, one step": [event("ada", "blog", at(1))],
    "exposures alone": [event("ada", "sent", at(1)), event("bob", "opened", at(2))],
    "outcomes alone": [event("ada", "won", at(1)), event("bob", "left", at(2))],
    "a conversion without money": [event("ada", "blog", at(1)), event("ada", "won", at(2))],
}


@pytest.mark.parametrize("rows", BARE.values(), ids=BARE)
def test_a_minimal_log_has_every_section(rows, tmp_path):
    """Missing data are named, every section is there, and the files hold it."""
    study = study_of(*rows)
    sections = measure(study, settings(), threads=1)
    assert list(sections) == SECTIONS
    report, tables = tmp_path / "journey.json", tmp_path / "journey"
    write_measurement(study, sections, report=report, tables=tables)
    content = json.loads(report.read_text(encoding="utf-8"))
    assert list(content) == ["overview", *SECTIONS]
    assert content["impact"]["missing"]
    assert content["benchmarks"]["missing"]


def test_every_table_is_in_both_files(tmp_path):
    """The page reads the JSON, programs the Parquet files."""
    study, _ = study_of_world("planted", prospects=1500, seed=5)
    sections = measure(study, settings(), threads=1)
    report, tables = tmp_path / "journey.json", tmp_path / "journey"
    write_measurement(study, sections, report=report, tables=tables)
    content = json.loads(report.read_text(encoding="utf-8"))
    files = {file.stem: pq.read_table(file).num_rows for file in tables.iterdir()}
    rows = {
        f"{name}.{title}": len(table)
        for name in SECTIONS
        for title, table in content[name]["tables"].items()
    }
    assert files == rows
    assert sum(rows.values()) > 300
    assert content["overview"]["prospects"] == len(study)


def test_the_number_of_threads_changes_no_figure():
    """Nor does the order in which comparisons finish."""
    study, _ = study_of_world("planted", prospects=1500, seed=6)
    one, two = (measure(study, settings(), threads=threads)["impact"] for threads in (1, 2))
    for name, table in one.tables.items():
        other = two.tables[name]
        for column in table.columns:
            np.testing.assert_array_equal(table[column].to_numpy(), other[column].to_numpy())
