"""Speed and memory of the measurement, beside DuckDB scanning and counting the same log.

``python benchmarks/measure.py`` takes the demo's log (``--log``, as ``make repro``
leaves it), writes out several copies under other names, thinned to 10 M events
of 500,000 prospects (``--events``, ``--prospects``), measures all of it in a process
of its own, imports and compilation apart, and prints seconds, peak memory and
what each part took.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.journey import JourneyMap
from microconv.measurement.measure import measure, write_measurement
from microconv.measurement.study.load import load_study
from microconv.settings import Settings, read_settings
from microconv.storage.log import EventLog

HERE = Path(__file__).parents[1]


def main() -> None:
    """Make the log, measure it, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, default=HERE / "data" / "log")
    parser.add_argument("--params", type=Path, default=HERE / "params.yaml")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--prospects", type=int, default=500_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--run", choices=["measure", "duckdb"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        RUNS[arguments.run](arguments)
        return
    with tempfile.TemporaryDirectory() as scratch:
        large = Path(scratch) / "log"
        events, prospects = enlarge(arguments, large)
        print(f"{events:,} events of {prospects:,} prospects, {arguments.threads} threads")
        for name in ("measure", "duckdb"):
            given = arguments.threads, arguments.params, arguments.log
            print(f"  {name}: {run(name, large, *given)}", flush=True)


def run(name: str, large: Path, threads: int, params: Path, small: Path) -> str:
    """Run one of the two in a process of its own."""
    command = [
        sys.executable, __file__, "--run", name, "--log", str(large), "--params", str(params),
        "--threads", str(threads),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=str(small))
    return done.stdout.strip()


def enlarge(arguments: argparse.Namespace, out: Path) -> tuple[int, int]:
    """Write the log again and again under other names, with a share of its weaker events."""
    log = EventLog.open(arguments.log)
    journey = JourneyMap.from_settings(read_settings(arguments.params).journey)
    tables = [
        pq.read_table(log.path / "events" / f"{bucket:04d}.parquet")
        for bucket in range(log.buckets)
    ]
    names = sorted({name for table in tables for name in table["prospect_id"].unique().to_pylist()})
    copies = -(-arguments.prospects // len(names))
    share = min(1.0, arguments.events / (copies * sum(table.num_rows for table in tables)))
    kept = {
        name for step in journey.steps if step.kind in ("major", "exit") for name in step.events
    }
    rng = np.random.default_rng(1)
    for folder in ("events", "prospects"):
        (out / folder).mkdir(parents=True)
    events = 0
    for copy in range(copies):
        for bucket, table in enumerate(tables):
            ending = pc.is_in(table["event_name"].cast(pa.string()), pa.array(sorted(kept)))
            keep = (rng.random(table.num_rows) < share) | ending.to_numpy()
            rows = renamed(table.filter(pa.array(keep)), copy)
            number = f"{copy * log.buckets + bucket:04d}.parquet"
            pq.write_table(rows, out / "events" / number, compression="lz4")
            events += rows.num_rows
            people = log.read_prospects(bucket)
            if people is not None:
                pq.write_table(renamed(people, copy), out / "prospects" / number)
    facts = {**log.facts, "buckets": copies * log.buckets}
    (out / "log.json").write_text(json.dumps(facts), encoding="utf-8")
    messages = log.path / "messages.parquet"
    if messages.exists():
        (out / "messages.parquet").write_bytes(messages.read_bytes())
    return events, copies * len(names)


def renamed(table: pa.Table, copy: int) -> pa.Table:
    """Give the prospects of a copy names of their own."""
    names = table["prospect_id"].cast(pa.string())
    own = pc.binary_join_element_wise(names, f"#{copy}", "")
    return table.set_column(table.column_names.index("prospect_id"), "prospect_id", own)


def measure_log(arguments: argparse.Namespace) -> None:
    """Load and measure, part by part, after a small log has compiled everything."""
    settings = read_settings(arguments.params)
    once(settings, Path(sys.stdin.read()), arguments.threads)
    before = peak()
    began, worked = time.perf_counter(), time.process_time()
    figures = once(settings, arguments.log, arguments.threads)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    parts = ", ".join(f"{name} {part:.1f}" for name, part in figures.items())
    spent = f"{seconds:.1f} s ({worked:.1f} s of processors)"
    print(f"{spent}, peak {peak():.2f} GB ({before:.2f} GB before): {parts}")


def once(settings: Settings, path: Path, threads: int) -> dict[str, float]:
    """Measure a log and write what was found; return the seconds of each part."""
    log, journey = EventLog.open(path), JourneyMap.from_settings(settings.journey)
    began = time.perf_counter()
    study = load_study(
        log,
        journey,
        observed_until=log.observed_until(journey),
        messages=log.read_messages(),
        threads=threads,
    )
    loaded = time.perf_counter()
    sections = measure(study, settings, threads=threads)
    measured = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report, tables = Path(folder) / "journey.json", Path(folder) / "journey"
        write_measurement(study, sections, report=report, tables=tables)
    written = time.perf_counter()
    return {"load": loaded - began, "measure": measured - loaded, "write": written - measured}


def scan_with_duckdb(arguments: argparse.Namespace) -> None:
    """Count events and prospects of each name, which needs every row once."""
    import duckdb

    connection = duckdb.connect(config={"threads": arguments.threads})
    began = time.perf_counter()
    connection.sql(
        "select event_name, count(*), count(distinct prospect_id), max(epoch(time)), "
        f"sum(value) from '{arguments.log}/events/*.parquet' group by event_name"
    ).fetchall()
    print(f"{time.perf_counter() - began:.1f} s, peak {peak():.2f} GB")


def peak() -> float:
    """Return the largest memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


RUNS: dict[str, Callable[[argparse.Namespace], None]] = {
    "measure": measure_log,
    "duckdb": scan_with_duckdb,
}

if __name__ == "__main__":
    main()
