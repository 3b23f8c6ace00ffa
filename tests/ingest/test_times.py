"""Times: every form that vendors write, read as UTC or rejected."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest

from microconv.ingest.clean.times import TimeFormat, parse_times
from microconv.ingest.duckdb_engine import connect
from microconv.settings.ingest import DIRECTIVES, SourceSettings

BERLIN = ZoneInfo("Europe/Berlin")


def read(values: pa.Array, zone: str | None, folder: Path) -> list[datetime | str | None]:
    """Parse values as times; return the reason where that fails."""
    with connect(folder, threads=1) as connection:
        table = parse_times(ibis.memtable(pa.table({"at": values})), {"at": TimeFormat(zone)})
        rows = connection.to_pyarrow(table).to_pylist()
    return [
        row["at_fault"]
        or (None if row["at_us"] is None else datetime.fromtimestamp(row["at_us"] / 1e6, UTC))
        for row in rows
    ]


NOON = datetime(2024, 1, 5, 12, 0, 0, tzinfo=UTC)

WRITTEN = {
    "2024-01-05T12:00:00Z": NOON,
    "2024-01-05 12:00:00 UTC": NOON,
    " 2024-01-05t13:00+01:00 ": NOON,
    "2024-01-05T06:30:00.000-0530": NOON,
    "2024-01-05T11+01": "bad_time",
    "2024-01-05T12:00:00.1234569Z": NOON.replace(microsecond=123456),
    "2024-01-05 7:00:00-05:00": NOON,
    "2024-01-05T12:00:00,5Z": NOON.replace(microsecond=500000),
    "1704456000": NOON,
    "1704456000.5": NOON.replace(microsecond=500000),
    "1704456000000": NOON,
    "1704456000000000": NOON,
    "1704456000000000000": NOON,
    "1.704456e9": NOON,
    "20240105": datetime.fromtimestamp(20240105, UTC),
    "2024-01-05T12:00:00": "naive_time",
    "2024-01-05": "naive_time",
    "2024-13-05T12:00:00Z": "bad_time",
    "2024-01-05-02": "bad_time",
    "12:00": "bad_time",
    "9" * 30: "bad_time",
    "": None,
}


def test_written_instants_are_read_as_iso_says(tmp_path: Path) -> None:
    """Offsets, fractions and counts since 1970, each against the instant it means."""
    assert read(pa.array(WRITTEN), None, tmp_path) == list(WRITTEN.values())


def test_local_times_follow_the_zone_of_the_source(tmp_path: Path) -> None:
    """The clocks of Berlin: winter, summer, the hour that is skipped, the hour that is twice."""
    winter, summer = datetime(2024, 1, 5, 12, tzinfo=BERLIN), datetime(2024, 7, 5, tzinfo=BERLIN)
    skipped = datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN, fold=0)
    second = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)
    written = ["2024-01-05 12:00", "2024-07-05", "2024-03-31 02:30:00", "2024-10-27T02:30:00"]
    expected = [instant.astimezone(UTC) for instant in (winter, summer, skipped, second)]
    assert read(pa.array(written), "Europe/Berlin", tmp_path) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([NOON], pa.timestamp("ns", tz="Asia/Tokyo")), NOON),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")), "naive_time"),
        (pa.array([date(2024, 1, 5)]), "naive_time"),
        (pa.array([1704456000]), NOON),
        (pa.array([1704456000.5]), NOON.replace(microsecond=500000)),
        (pa.array([float("nan")]), None),
        (pa.array([1e300]), "bad_time"),
        (pa.array([None], pa.string()), None),
    ],
    ids=["aware", "naive", "date", "int", "float", "nan", "huge", "null"],
)
def test_typed_columns_are_instants_already(
    values: pa.Array, expected: object, tmp_path: Path
) -> None:
    """Parquet knows types; numbers follow the same rule as written ones."""
    assert read(values, None, tmp_path) == [expected]


def test_every_part_of_a_format_is_understood_by_the_engine(tmp_path: Path) -> None:
    """The settings allow no part that ingest would stumble over."""
    formats = [f"{part} %Y-%m-%d %I %p" for part in DIRECTIVES]
    for how in formats:
        SourceSettings(name="a", format="table", files="a.csv", time_format=how)
    clocks = {f"at{number}": TimeFormat("UTC", pattern=how) for number, how in enumerate(formats)}
    with connect(tmp_path, threads=1) as connection:
        table = ibis.memtable(pa.table({name: ["nothing of it"] for name in clocks}))
        [row] = connection.to_pyarrow(parse_times(table, clocks)).to_pylist()
    assert {row[f"{name}_fault"] for name in clocks} == {"bad_time"}


def test_a_format_reads_what_is_written_so(tmp_path: Path) -> None:
    """The day first, a twelve-hour clock, a name of the month, an offset; and ISO 8601 ever."""
    written = {
        "%d/%m/%Y %H:%M": "05/01/2024 13:00",
        "%d.%m.%y %I:%M %p": "5.1.24 1:00 PM",
        "%a %d %b %Y %H:%M:%S.%f": "Fri 05 Jan 2024 13:00:00.0",
        "%d/%m/%Y %H:%M %z": "05/01/2024 16:00 +0400",
        "%Y %j %H": "2024 005 13",
        "%m/%d/%Y": "2024-01-05T12:00:00Z",
    }
    clocks = {f"at{n}": TimeFormat("Europe/Berlin", pattern=how) for n, how in enumerate(written)}
    values = {name: [text] for name, text in zip(clocks, written.values(), strict=True)}
    with connect(tmp_path, threads=1) as connection:
        table = parse_times(ibis.memtable(pa.table(values)), clocks)
        [row] = connection.to_pyarrow(table).to_pylist()
    read = [datetime.fromtimestamp(row[f"{name}_us"] / 1e6, UTC) for name in clocks]
    assert read == [NOON] * len(written)
