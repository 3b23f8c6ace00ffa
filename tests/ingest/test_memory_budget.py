"""`engine.memory_gb` decides how a log is laid out, never what stands in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from microconv.errors import MemoryLimitError
from microconv.ingest import memory_budget as memory
from microconv.ingest.cache import cache_folder, open_cache
from microconv.ingest.duckdb_engine import connect
from microconv.ingest.ingest import ingest
from microconv.ingest.memory_budget import buckets_for, concurrent_buckets
from microconv.settings import EngineSettings
from microconv.storage.log import EventLog
from worlds.exports import TABLE as NAMED
from worlds.exports import Exports, iso, section

TABLE = {"files": "table*.csv"}


def write_visits(exports: Exports, *, people: int, each: int) -> None:
    """Lay down an export: so many people, so many visits of each."""
    rows = [f"p{n},{iso(n + k / 100)},visit" for n in range(people) for k in range(each)]
    exports.write("table.csv", "\n".join(["who,when,what", *rows]) + "\n")


@pytest.mark.parametrize(
    ("rows", "memory_gb", "buckets"),
    [
        pytest.param(0, 1, 16, id="never fewer than 16"),
        pytest.param(4_000_000, 1, 32, id="125,000 rows of 1,000 bytes are an eighth of a GB"),
        pytest.param(4_000_001, 1, 64, id="and one more are too many"),
        pytest.param(4_000_000, 2, 16, id="twice the memory, half the buckets"),
        pytest.param(10**12, 1, 4096, id="never more than 4096"),
    ],
)
def test_the_number_of_buckets_depends_on_the_memory(
    rows: int, memory_gb: float, buckets: int
) -> None:
    """So that two of them can be sorted next to what is in memory anyway."""
    assert buckets_for(rows, memory_gb) == buckets


def test_a_bucket_that_is_too_large_names_itself_and_the_way_out() -> None:
    """Five million rows of a kB are 5 GB; of 1 GB, six tenths may be used: 0.6 x 8.3 is 5."""
    with pytest.raises(MemoryLimitError) as raised:
        concurrent_buckets({0: 7, 3: 5_000_000}, 16, memory_gb=1)
    message = str(raised.value)
    assert message.startswith(
        "Bucket 3 of 16 holds 5,000,000 events: sorting them takes about 5.0 GB"
    )
    assert "`engine.memory_gb` to 8.3 or more, or `ingest.buckets` to 256," in message


def test_more_buckets_are_not_proposed_beyond_the_maximum() -> None:
    """At 4096 buckets one of them can only be that large because of few prospects."""
    with pytest.raises(MemoryLimitError) as raised:
        concurrent_buckets({3: 5_000_000}, 4096, memory_gb=1)
    assert "ingest.buckets" not in str(raised.value)


def test_a_log_that_does_not_fit_leaves_the_old_one(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is raised before the old log is replaced."""
    write_visits(exports, people=1, each=1)
    exports.ingest(TABLE)
    write_visits(exports, people=1, each=6)
    monkeypatch.setattr(memory, "ROW_BYTES", 10**9)
    with pytest.raises(MemoryLimitError, match="holds 6 events"):
        exports.ingest(TABLE)
    assert len(exports.events()) == 1


def test_less_memory_means_more_buckets_with_the_same_events(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """600 rows, made out to be of 2 MB each: an eighth of 1 GB holds 62 of them, of 4 GB 250."""
    monkeypatch.setattr(memory, "ROW_BYTES", 2_000_000)
    monkeypatch.setattr(memory, "MIN_BUCKETS", 1)
    write_visits(exports, people=60, each=10)
    facts, events = {}, {}
    for memory_gb in (1, 4):
        facts[memory_gb] = exports.ingest(TABLE, buckets=None, memory_gb=memory_gb)
        events[memory_gb] = exports.events()
    assert events[1] == events[4]
    assert [facts[gb]["buckets"] for gb in (1, 4)] == [16, 4]


def test_other_memory_rewrites_the_log_only_if_it_decides_the_buckets(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a given number of buckets the bytes are the same on any machine."""
    monkeypatch.setattr(memory, "ROW_BYTES", 2_000_000)
    write_visits(exports, people=60, each=10)

    def update(buckets: int | None, memory_gb: float) -> str:
        with open_cache(cache_folder(exports.outputs.log)) as cache:
            ingest(
                section(TABLE, buckets=buckets), outputs=exports.outputs, cache=cache,
                input_dir=exports.folder / "raw", engine=EngineSettings(memory_gb=memory_gb),
            )  # fmt: skip
        return cache.summary()

    update(None, 4)
    assert update(None, 1).startswith("read 0 of 1 exports")
    assert EventLog.open(exports.outputs.log).buckets == 16
    update(4, 4)
    assert update(4, 1) == "none of the 1 exports changed; the log stays as it is"


def test_duplicates_are_found_in_any_number_of_passes(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 events, every third of them sent twice: with the keys in 7 parts as with all at once."""
    ids = [n for n in range(300) for _ in range(2 if n % 3 == 0 else 1)]
    rows = [f"p{n},{iso(n)},visit,e{n}" for n in ids]
    exports.write("table.csv", "\n".join(["who,when,what,id", *rows]) + "\n")
    source = TABLE | {"columns": {**NAMED, "event_id": "id"}}
    counted = {}
    for key_bytes in (1, 7 * memory.duckdb_bytes(4) / 4 / len(ids)):
        monkeypatch.setattr(memory, "_KEY_BYTES", key_bytes)
        passes = memory.duplicate_passes(len(ids), 4)
        (facts,) = exports.ingest(source)["sources"]
        counted[passes] = (facts["rows"], facts["events"], facts["duplicates"])
    assert counted == {1: (400, 300, 100), 7: (400, 300, 100)}


def test_exports_that_do_not_fit_say_what_would_do(tmp_path: Path) -> None:
    """A list of ten million numbers cannot be held in 30 MB, and no disk helps."""
    with (
        pytest.raises(MemoryLimitError, match=r"`engine.memory_gb: 0.1` leaves .* set it to 0.2"),
        connect(tmp_path, threads=1, memory_gb=0.1) as connection,
    ):
        connection.con.sql("SELECT list(range) FROM range(10_000_000)").fetchall()
