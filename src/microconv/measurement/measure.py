"""The measurement: all sections of the journey report, and the files they are written to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from microconv.histories.arrays import EPOCH
from microconv.ingest.dataframes import as_arrow
from microconv.measurement.audit import audit
from microconv.measurement.benchmarks import benchmarks
from microconv.measurement.bottlenecks.bottlenecks import bottlenecks
from microconv.measurement.experiments.experiments import experiments
from microconv.measurement.funnel.completion import completion
from microconv.measurement.funnel.drop_off import drop_off
from microconv.measurement.funnel.paths import paths
from microconv.measurement.funnel.velocity import velocity
from microconv.measurement.impact.impact import impact
from microconv.measurement.section import Section
from microconv.measurement.study.message_sends import list_message_sends
from microconv.measurement.study.study import Study
from microconv.settings import Settings
from microconv.storage.files import atomic_write


def measure(study: Study, settings: Settings, *, threads: int | None = None) -> dict[str, Section]:
    """Compute all sections of the journey report.

    Parameters
    ----------
    study : Study
    settings : Settings
        Uses `measure`, `experiments`, `audit`, `benchmarks` and `bottlenecks`.
    threads : int, optional
        All cores when None; does not change any value.

    Returns
    -------
    dict of str to Section
        Section name → section, in the order of the report. What data a section lacks is in
        its `missing`; the other sections are not affected.
    """
    own, confidence = settings.measure, settings.measure.confidence
    sends = list_message_sends(
        study,
        response_days=settings.benchmarks.response_days,
        min_human_probability=own.min_human_probability,
    )
    return {
        "completion": completion(study, sends, own),
        "velocity": velocity(study, own),
        "paths": paths(study, own),
        "drop_off": drop_off(study, own),
        "impact": impact(study, own, threads=threads),
        "benchmarks": benchmarks(study, sends, settings.benchmarks, confidence=confidence),
        "bottlenecks": bottlenecks(study, sends, settings.bottlenecks, confidence=confidence),
        "experiments": experiments(
            study, settings.experiments, min_human_probability=own.min_human_probability
        ),
        "audit": audit(study, sends, settings.audit, confidence=confidence),
    }


def overview(study: Study) -> dict[str, Any]:
    """Return the period and the numbers of events, prospects and conversions."""
    follow_up = study.follow_up
    instants = (EPOCH + timedelta(microseconds=at) for at in (study.start, study.until))
    start, until = (instant.isoformat() for instant in instants)
    return {
        "start": start,
        "observed_until": until,
        "events": len(study.time),
        "prospects": len(study),
        "at_risk": int(follow_up.at_risk.sum()),
        "converted": int(follow_up.converted.sum()),
        "stages": list(study.journey.stages),
    }


def write_measurement(
    study: Study, sections: Mapping[str, Section], *, report: Path, tables: Path
) -> None:
    """Write all figures to one JSON file and all tables to Parquet.

    Parameters
    ----------
    study : Study
    sections : mapping of str to Section
    report : Path
        JSON file: `overview`, then section → `summary`, `missing`, `tables`.
    tables : Path
        Folder of one file `section.table.parquet` per table; replaced as a whole.
    """
    content = {"overview": overview(study)}
    content |= {name: section.report() for name, section in sections.items()}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_write(tables) as folder:
        folder.mkdir()
        for name, section in sections.items():
            for title, table in section.tables.items():
                pq.write_table(as_arrow(table), folder / f"{name}.{title}.parquet")
    with atomic_write(report) as fresh:
        fresh.write_text(f"{text}\n", encoding="utf-8")
