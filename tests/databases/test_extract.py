"""Exports from databases: all of it, once, however often it is interrupted."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import duckdb
import pyarrow.parquet as pq
import pytest

from microconv.databases.extract import extract
from microconv.errors import BusyError, DatabaseError
from microconv.settings import ExtractedTable

DEALS = ExtractedTable(
    name="crm", url_from="CRM_URL", table="deals", watermark="updated_at", overlap_minutes=0
)


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Run statements on a DuckDB file whose address is in CRM_URL."""
    path = tmp_path / "crm.duckdb"
    monkeypatch.setenv("CRM_URL", f"duckdb://{path}")

    def run(*statements):
        with duckdb.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)

    run("CREATE TABLE deals (id INTEGER, updated_at TIMESTAMPTZ, amount DECIMAL(9, 2))")
    return run


def insert(*rows):
    """Write rows as (id, minute) of one morning."""
    values = ", ".join(f"({i}, '2024-06-03 08:{minute:02}+00', 9.5)" for i, minute in rows)
    return f"INSERT INTO deals VALUES {values}"


def ids(folder):
    """List the ids that the files hold, file by file."""
    return [pq.read_table(f)["id"].to_pylist() for f in sorted(folder.glob("*.parquet"))]


def test_each_extraction_begins_where_the_last_one_ended(database, tmp_path):
    """What was there is not fetched again, what is new is fetched once."""
    database(insert((1, 0), (2, 5)))
    assert extract(DEALS, tmp_path).rows == 2
    database(insert((3, 6)))
    assert extract(DEALS, tmp_path).rows == 1
    assert ids(tmp_path / "crm") == [[1, 2], [3]]


def test_nothing_new_writes_nothing(database, tmp_path):
    """A scheduler may come as often as it likes."""
    database(insert((1, 0)))
    first = extract(DEALS, tmp_path)
    again = extract(DEALS, tmp_path)
    assert (again.rows, again.file) == (0, None)
    assert again.high == first.high == datetime(2024, 6, 3, 8, tzinfo=UTC)
    assert ids(tmp_path / "crm") == [[1]]


def test_an_empty_table_is_no_error(database, tmp_path):
    """The first deal has not been made yet."""
    assert extract(DEALS, tmp_path).high is None


def test_the_overlap_brings_what_was_committed_late(database, tmp_path):
    """Row 9 is dated 08:04 and was committed after 08:05 had been read."""
    overlapping = DEALS.model_copy(update={"overlap_minutes": 2.0})
    database(insert((1, 0), (2, 5)))
    extract(overlapping, tmp_path)
    database(insert((9, 4), (3, 6)))
    extract(overlapping, tmp_path)
    assert [sorted(part) for part in ids(tmp_path / "crm")] == [[1, 2], [2, 3, 9]]


@pytest.mark.parametrize(
    ("kind", "values"),
    [("INTEGER", ("1", "2", "3")), ("DATE", ("'2024-06-01'", "'2024-06-02'", "'2024-06-03'"))],
)
def test_numbers_and_days_are_watermarks_too(database, tmp_path, kind, values):
    """Many tables have only a running number."""
    database(f"CREATE TABLE log (n {kind})", f"INSERT INTO log VALUES ({values[0]}), ({values[1]})")
    log = DEALS.model_copy(update={"table": "log", "watermark": "n"})
    assert extract(log, tmp_path).rows == 2
    database(f"INSERT INTO log VALUES ({values[2]})")
    assert extract(log, tmp_path).rows == 1


def test_chosen_columns_come_with_the_watermark(database, tmp_path):
    """And decimals are numbers that ingest can read."""
    database(insert((1, 0)))
    chosen = DEALS.model_copy(update={"columns": ("amount",)})
    extracted = extract(chosen, tmp_path)
    table = pq.read_table(extracted.file)
    assert table.column_names == ["updated_at", "amount"]
    assert table["amount"].to_pylist() == [9.5]


def test_rows_without_a_watermark_are_not_lost_in_silence(database, tmp_path):
    """They would never be newer than anything."""
    database(insert((1, 0)), "INSERT INTO deals VALUES (2, NULL, 1), (3, NULL, 1)")
    with pytest.raises(DatabaseError, match="2 rows of `deals` have no `updated_at`"):
        extract(DEALS, tmp_path)
    assert ids(tmp_path / "crm") == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"table": "deels"}, "no table `deels`"),
        ({"watermark": "update_at"}, "Did you mean `updated_at`"),
        ({"columns": ("id", "owner")}, "no column `owner`"),
        ({"watermark": "amount"}, "of type decimal"),
    ],
)
def test_what_is_not_there_is_named(database, tmp_path, change, says):
    """With what is there instead."""
    with pytest.raises(DatabaseError, match=says):
        extract(DEALS.model_copy(update=change), tmp_path)


def test_another_table_does_not_go_on_where_this_one_ended(database, tmp_path):
    """Two tables in one folder would have gaps that nobody sees."""
    database(insert((1, 0)), "CREATE TABLE other AS SELECT * FROM deals")
    extract(DEALS, tmp_path)
    with pytest.raises(DatabaseError, match="holds `deals` by `updated_at`"):
        extract(DEALS.model_copy(update={"table": "other"}), tmp_path)


def test_a_file_that_is_none_of_ours_is_refused(database, tmp_path):
    """How far it reaches, nobody could say."""
    database(insert((1, 0)))
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatabaseError, match="not written by an extraction"):
        extract(DEALS, tmp_path)


def test_two_extractions_into_one_folder_do_not_meet(database, tmp_path):
    """Both would fetch the same rows under the same name."""
    import fcntl

    (tmp_path / "crm").mkdir()
    with (tmp_path / "crm" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="Another run"):
            extract(DEALS, tmp_path)


@pytest.mark.parametrize(
    ("url", "says"), [(None, "is not set"), ("  ", "is not set"), ("ada:s3cr3t@db", "no URL")]
)
def test_an_address_that_is_none_is_not_repeated(monkeypatch, tmp_path, url, says):
    """It may be a password that was put into the wrong variable."""
    monkeypatch.delenv("CRM_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("CRM_URL", url)
    with pytest.raises(DatabaseError, match=says) as caught:
        extract(DEALS, tmp_path)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.slow
def test_every_type_of_postgresql_comes_over(postgres, tmp_path):
    """JSON and numbers of any precision too; a naive timestamp stays naive."""
    postgres.execute(
        "CREATE TABLE deals (id uuid, updated_at timestamptz, paid numeric, made jsonb, day date, "
        "closed timestamp, big bigint, ok boolean, tags text[])"
    )
    postgres.execute(
        "INSERT INTO deals VALUES ('6f1c1d9e-0000-4000-8000-000000000001', '2024-06-03 10:00+02', "
        "12.5, '{\"a\": 1}', '2024-06-03', '2024-06-03 08:00', 9007199254740993, true, '{x,y}')"
    )
    row = pq.read_table(extract(DEALS, tmp_path).file).to_pylist()[0]
    assert row | {"made": json.loads(row["made"])} == {
        "id": "6f1c1d9e-0000-4000-8000-000000000001",
        "updated_at": datetime(2024, 6, 3, 8, tzinfo=UTC),
        "paid": 12.5,
        "made": {"a": 1},
        "day": datetime(2024, 6, 3).date(),  # noqa: DTZ001
        "closed": datetime(2024, 6, 3, 8),  # noqa: DTZ001
        "big": 9007199254740993,
        "ok": True,
        "tags": "{x,y}",
    }


@pytest.mark.slow
def test_a_server_that_goes_away_half_way_leaves_nothing_half_written(server, postgres, tmp_path):
    """And the next extraction brings every row once."""
    from microconv.databases import extract as module

    postgres.execute(
        "CREATE TABLE deals AS SELECT n AS id, timestamptz '2024-06-03' + n * interval '1 second' "
        "AS updated_at FROM generate_series(1, 200000) n"
    )
    written = module.pq.ParquetWriter.write_batch

    def then_crash(self, batch):
        module.pq.ParquetWriter.write_batch = written
        written(self, batch)
        server.stop("immediate")

    module.pq.ParquetWriter.write_batch = then_crash
    try:
        with pytest.raises(DatabaseError, match="Extracting `deals` failed") as caught:
            extract(DEALS, tmp_path)
    finally:
        module.pq.ParquetWriter.write_batch = written
        server.start()
    assert "s3cr3t" not in str(caught.value)
    assert [p.name for p in (tmp_path / "crm").iterdir()] == [".lock"]
    assert extract(DEALS, tmp_path).rows == 200_000
