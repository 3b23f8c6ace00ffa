"""Time of adding one day to a log, beside an ingest of everything; same bytes or it stops.

``python benchmarks/incremental.py`` makes 2 M events of 100,000 prospects (``--events``,
``--prospects``), as Parquet or as JSON lines (``--json``), one file per day, ingests all days
but the last, adds it, sends it again, and ingests everything elsewhere without a cache.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from big_export import params_for, write_export

from microconv.ingest.cache import cache_folder, open_cache
from microconv.ingest.ingest import Outputs, ingest
from microconv.settings import IngestSettings
from microconv.storage.files import md5_of


def main() -> None:
    """Make the days, ingest them both ways, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--prospects", type=int, default=100_000)
    parser.add_argument("--buckets", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_export(folder / "whole", events=arguments.events, prospects=arguments.prospects)
        days = split_by_day(folder / "whole", folder / "days", as_json=arguments.json)
        content: Any = params_for(folder / "raw", buckets=arguments.buckets)["ingest"]
        content["sources"][0]["files"] = "day_*"
        compare(IngestSettings.model_validate(content), folder, days)


def split_by_day(whole: Path, out: Path, *, as_json: bool) -> list[Path]:
    """Write the export again, a file per day on which rows became known."""
    out.mkdir()
    rows = pq.read_table(whole)
    day = pc.floor_temporal(rows["known"], unit="day")
    files = []
    for number, start in enumerate(sorted(day.unique().to_pylist())):
        of_day = rows.filter(pc.equal(day, pa.scalar(start, day.type)))
        file = out / f"day_{number:03d}.{'jsonl' if as_json else 'parquet'}"
        if as_json:
            of_day.to_pandas().to_json(file, orient="records", lines=True, date_format="iso")
        else:
            pq.write_table(of_day, file, compression="lz4")
        files.append(file)
    return files


def compare(settings: IngestSettings, folder: Path, days: list[Path]) -> None:
    """Time every way to the log of all days."""
    raw = folder / "raw"
    raw.mkdir()
    for file in days[:-1]:
        (raw / file.name).hardlink_to(file)
    ours, theirs = _outputs(folder / "ours"), _outputs(folder / "theirs")
    _timed(lambda: ingest(settings, outputs=theirs))  # what is compiled is compiled
    first = _timed(lambda: _incremental(settings, ours))
    (raw / days[-1].name).hardlink_to(days[-1])
    added = _timed(lambda: _incremental(settings, ours))
    again = _timed(lambda: _incremental(settings, ours))
    full = _timed(lambda: ingest(settings, outputs=theirs))
    if md5_of(ours.log) != md5_of(theirs.log):
        raise SystemExit("The two logs differ.")
    cached, log = _size(cache_folder(ours.log)), _size(ours.log)
    print(f"{len(days)} files, {_size(raw):.0f} MB; log {log:.0f} MB, cache {cached:.0f} MB")
    print(f"  everything, without a cache  {full:6.1f} s")
    print(f"  everything, with a cache    {first:6.1f} s  {first / full:.2f}")
    print(f"  one day more                {added:6.1f} s  {added / full:.2f}")
    print(f"  the same files again        {again:6.1f} s  {again / full:.2f}")


def _incremental(settings: IngestSettings, outputs: Outputs) -> None:
    with open_cache(cache_folder(outputs.log)) as cache:
        ingest(settings, outputs=outputs, cache=cache)


def _outputs(folder: Path) -> Outputs:
    return Outputs(folder / "log", folder / "quarantine.parquet", folder / "ingest.json")


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
