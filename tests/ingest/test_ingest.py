"""Laws of the log: every row is accounted for, and nothing but the rows shows in the bytes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from random import Random

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microconv.ingest.duckdb_engine import connect
from microconv.ingest.partition_files import bucket_expression
from microconv.storage.files import md5_of
from microconv.storage.schema import EVENT_ORDER, EVENTS, PROSPECT_COLUMNS, bucket_of
from worlds.exports import TABLE, Exports, calls, day, iso

FULL = TABLE | {"event_id": "id", "known_at": "heard", "value": "money"}


def hostile_lines() -> st.SearchStrategy[list[bytes]]:
    """Make JSON lines of which any field may be anything, among lines that are not JSON."""
    anything = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
        st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.none()),
        st.sampled_from(["ada", "bob", iso(1), iso(2), "2024-01-01", "visit", "7", "1e400"]),
    )  # fmt: skip
    others = ["id", "heard", "money", "more"]
    rows = st.fixed_dictionaries(
        {"who": st.sampled_from(["ada", "bob"]), "when": st.sampled_from([iso(1), iso(2)]),
         "what": st.just("visit")},
        optional=dict.fromkeys(others, anything),
    )  # fmt: skip
    lines = st.one_of(
        rows.map(lambda row: json.dumps(row).encode()),
        st.dictionaries(st.sampled_from(["who", "when", "what", *others]), anything).map(
            lambda row: json.dumps(row).encode()
        ),
        st.binary(max_size=12).map(lambda some: some.replace(b"\n", b"")),
    )
    return st.lists(lines, min_size=10, max_size=60)


@settings(max_examples=12)
@given(lines=hostile_lines())
def test_rows_in_are_rows_kept_dropped_left_out_or_refused(lines: list[bytes]) -> None:
    """Whatever the bytes, nothing is lost, and the sum is that of the lines that are not blank."""
    with tempfile.TemporaryDirectory() as folder:
        exports = Exports(Path(folder))
        exports.write("a.jsonl", b'{"id": "", "heard": "", "money": ""}\n' + b"\n".join(lines))
        facts = exports.ingest({"files": "a.jsonl", "columns": FULL})
        [source] = facts["sources"]
        assert source["rows"] == 1 + sum(bool(line.strip()) for line in lines)
        dropped = sum(source["ignored"].values()) + sum(source["rejected"].values())
        assert source["rows"] == source["events"] + source["duplicates"] + dropped
        assert len(exports.rejected()) == sum(source["rejected"].values())


CSV_PARTS = [b'"', b'""', b",", b"\n", b"\r\n", b"x", b"\0", b"\xff", b"a\n",
             b"ada,2024-01-02T00:00:00Z,visit\n"]  # fmt: skip


@settings(max_examples=12)
@given(data=st.lists(st.sampled_from(CSV_PARTS), max_size=80))
def test_csv_of_any_shape_is_accounted_for(data: list[bytes]) -> None:
    """Quotation marks, line ends and bytes in any order: a row is read or rejected, never both."""
    with tempfile.TemporaryDirectory() as folder:
        exports = Exports(Path(folder))
        exports.write("a.csv", b"who,when,what\n" + b"".join(data))
        facts = exports.ingest({"files": "a.csv"})
        assert len(exports.rejected()) == sum(facts["sources"][0]["rejected"].values())


def lay_down(exports: Exports, rows: list[str], files: int) -> None:
    """Write the calls to some files."""
    for number in range(files):
        exports.write(f"web{number}.jsonl", "\n".join(rows[number::files]))


def digest(exports: Exports, source: dict[str, str], **more: object) -> str:
    """Ingest, and fingerprint all buckets."""
    exports.ingest(source, **more)
    return md5_of(exports.outputs.log / "events")


def test_order_of_rows_and_files_and_threads_change_no_byte(tmp_path: Path) -> None:
    """The log is a function of the rows: shuffled, split into files, read by two threads."""
    random = Random(11)
    rows = calls(random)
    source = {"format": "segment", "files": "web*.jsonl"}
    digests = []
    for variant in range(4):
        exports = Exports(tmp_path / str(variant))
        lay_down(exports, rows, files=1 + variant % 3)
        digests.append(digest(exports, source, threads=1 + variant % 2))
        random.shuffle(rows)
    assert len(set(digests)) == 1
    assert any(row["visible_until"] for row in exports.events())


def test_the_number_of_buckets_changes_no_row(exports: Exports) -> None:
    """Buckets are how the log is stored, not what it contains."""
    lay_down(exports, calls(Random(3)), files=1)
    logs = []
    for buckets in (1, 8):
        exports.ingest({"format": "segment", "files": "web*"}, buckets=buckets)
        logs.append(exports.events())
    assert logs[0] == logs[1]


def test_every_bucket_is_there_in_order_and_holds_its_own(exports: Exports) -> None:
    """Readers open buckets by number and trust their order, the empty ones too."""
    lay_down(exports, calls(Random(5)), files=1)
    exports.write("crm.csv", f"id,since,size\nada,{iso(1)},7\nbob,{iso(2)},\n")
    crm = {"format": "prospects", "files": "crm.csv", "attributes": ["size"],
           "columns": {"prospect_id": "id", "known_at": "since"}}  # fmt: skip
    facts = exports.ingest({"format": "segment", "files": "web*"}, crm, buckets=8)
    for bucket in range(8):
        events = pq.read_table(exports.outputs.log / "events" / f"{bucket:04d}.parquet")
        people = pq.read_table(exports.outputs.log / "prospects" / f"{bucket:04d}.parquet")
        assert events.schema.equals(EVENTS)
        assert people.column_names == [*PROSPECT_COLUMNS, "size"]
        assert str(people.schema.field("size").type) == "double"
        for table in (events, people):
            assert {bucket_of(who, 8) for who in table["prospect_id"].to_pylist()} <= {bucket}
        keys = list(zip(*(events[name].to_pylist() for name in EVENT_ORDER), strict=True))
        assert keys == sorted(keys)
    assert facts["prospects"] == 2
    written = json.loads((exports.outputs.log / "log.json").read_text())
    assert written == facts
    assert written["event_names"] == written["sources"][0]["event_names"]


@pytest.mark.parametrize("buckets", [1, 2, 16, 4096])
def test_the_engine_puts_prospects_where_python_does(buckets: int, tmp_path: Path) -> None:
    """One rule of buckets, on whatever engine."""
    who = ["", "ada", "ada@example.com", "é", *(f"p{number}" for number in range(500))]
    table = ibis.memtable(pa.table({"who": who}))
    with connect(tmp_path, threads=1) as connection:
        expression = bucket_expression(table.who, buckets)
        found = connection.to_pyarrow(table.select(bucket=expression))["bucket"].to_pylist()
    assert found == [bucket_of(one, buckets) for one in who]


def test_complete_until_and_files_are_told(exports: Exports) -> None:
    """What the readers of the log need to know of its sources."""
    exports.write("deep/a.csv", f"who,when,what\nada,{iso(1)},visit\n")
    facts = exports.ingest({"files": "deep/*.csv", "complete_until": day(9)})
    [source] = facts["sources"]
    assert source["complete_until"] == "2024-01-10T00:00:00+00:00"
    assert source["files"] == ["deep/a.csv"]
    assert json.loads(exports.outputs.report.read_text())["unit"] == "prospect"
