"""Incremental ingest: in whatever order files arrive, the log equals that of a full ingest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microconv.errors import MicroconvError
from microconv.ingest import cache as row_cache
from microconv.ingest.cache import cache_folder, open_cache
from microconv.ingest.ingest import ingest
from microconv.settings import EngineSettings
from microconv.storage.files import md5_of
from worlds.exports import Exports, calls, iso, section

WEB = {"format": "segment", "files": "web*.jsonl"}
MAIL = {"format": "sendgrid", "files": "mail*.jsonl"}
TABLE = {"files": "table*.csv"}


def update(exports: Exports, *sources: dict[str, Any], **more: Any) -> str:
    """Ingest what changed; return the summary line."""
    with open_cache(cache_folder(exports.outputs.log)) as cache:
        ingest(
            section(*sources, **more), outputs=exports.outputs, input_dir=exports.folder / "raw",
            engine=EngineSettings(threads=1), cache=cache,
        )  # fmt: skip
    return cache.summary()


def all_bytes(exports: Exports) -> dict[str, str]:
    """Fingerprint every file that ingest writes."""
    outputs = exports.outputs
    files = [path for path in outputs.log.rglob("*") if path.is_file()]
    sums = {path.relative_to(outputs.log).as_posix(): md5_of(path) for path in files}
    return sums | {"quarantine": md5_of(outputs.quarantine), "report": md5_of(outputs.report)}


def fully(exports: Exports, *sources: dict[str, Any], **more: Any) -> dict[str, str]:
    """Fingerprint what an ingest of everything writes, elsewhere, of the same exports."""
    elsewhere = replace(exports)
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = Exports(Path(folder))
        (elsewhere.folder / "raw").symlink_to((exports.folder / "raw").absolute())
        elsewhere.ingest(*sources, **more)
        return all_bytes(elsewhere)


def mails(random: Random) -> list[str]:
    """Make mail of some people at one domain: delivered, opened and clicked about midnight."""
    rows = []
    for number in range(60):
        at = 1 + random.choice([-30, -5, 1, 20, 40]) / 86_400 + random.randrange(3)
        who = f"{random.choice('abcd')}@{random.choice(['mail', 'post'])}.example"
        rows.append(
            {"email": who, "timestamp": int((19_723 + at) * 86_400), "ip": "192.0.2.7",
             "event": random.choice(["delivered", "open", "click", "click"]),
             "url": f"https://shop.example/{random.choice('xyz')}",
             "sg_message_id": f"m{random.randrange(6)}", "sg_event_id": f"e{number % 50}"}
        )  # fmt: skip
    return [json.dumps(row) for row in rows]


@pytest.mark.slow
@settings(max_examples=3)
@given(seed=st.integers(0, 10**6), days=st.integers(2, 4), order=st.randoms())
def test_any_order_of_arrival_ends_in_the_log_of_a_full_ingest(
    seed: int, days: int, order: Any
) -> None:
    """Late identify calls, merges, rows twice on two days and scanners over midnight included."""
    random = Random(seed)
    files: dict[str, list[str]] = {}
    for kind, rows in (("web", calls(random)), ("mail", mails(random))):
        for number, row in enumerate(rows):
            day = random.randrange(days) if number >= days else number
            files.setdefault(f"{kind}{day}.jsonl", []).append(row)
    names = sorted(files)
    order.shuffle(names)
    firsts = [next(name for name in names if name.startswith(kind)) for kind in ("web", "mail")]
    names = [*firsts, *(name for name in names if name not in firsts)]
    with tempfile.TemporaryDirectory() as folder:
        exports = Exports(Path(folder))
        both = {"bots": {"enabled": True}, "buckets": 4}
        for name in names[:2]:
            exports.write(name, "\n".join(files[name]))
        update(exports, WEB, MAIL, **both)
        for name in names[2:]:
            exports.write(name, "\n".join(files[name]))
            summary = update(exports, WEB, MAIL, **both)
            assert summary.startswith("read 1 of ")
        assert all_bytes(exports) == fully(exports, WEB, MAIL, **both)


def call(kind: str, at: float, **more: str) -> str:
    """Write a call of a website."""
    row = {"type": kind, "event": "Visit", "timestamp": iso(at), "receivedAt": iso(at), **more}
    return json.dumps(row) + "\n"


def test_a_late_identify_moves_old_visits_and_a_late_copy_counts_once(exports: Exports) -> None:
    """Rows of the second day change what the first day's rows became."""
    visit = call("track", 1, anonymousId="x", messageId="one")
    exports.write("web1.jsonl", visit + call("track", 2, userId="bob"))
    update(exports, WEB)
    assert exports.events("prospect_id") == [("bob",)]
    late = call("track", 0.5, userId="bob").replace(f'"receivedAt": "{iso(0.5)}"',
                                                    f'"receivedAt": "{iso(3)}"')  # fmt: skip
    exports.write("web0.jsonl", call("identify", 3, anonymousId="x", userId="ada") + visit + late)
    assert update(exports, WEB) == "read 1 of 2 exports; the others had not changed"
    assert exports.events("prospect_id") == [("ada",), ("bob",), ("bob",)]
    assert all_bytes(exports) == fully(exports, WEB)


def table(*rows: tuple[str, float, str]) -> str:
    """Write rows as a CSV file."""
    return "who,when,what\n" + "".join(f"{w},{iso(at)},{name}\n" for w, at, name in rows)


def test_a_file_sent_again_changes_nothing_and_touches_no_file(exports: Exports) -> None:
    """The most common delivery: the same file again, with a new date."""
    exports.write("table1.csv", table(("ada", 1, "visit")))
    update(exports, TABLE)
    files = [path for path in exports.folder.rglob("*") if path.is_file() and path.suffix != ".csv"]
    before = {path: path.stat().st_mtime_ns for path in files if path.name != ".lock"}
    exports.write("table1.csv", table(("ada", 1, "visit")))
    assert update(exports, TABLE) == "none of the 1 exports changed; the log stays as it is"
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_relative_and_absolute_folders_give_the_same_log(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipeline uses folders relative to the working directory."""
    exports.write("table1.csv", table(("ada", 1, "visit"), ("bob", 2, "visit")))
    monkeypatch.chdir(exports.folder)
    update(Exports(Path()), TABLE)
    exports.write("table2.csv", table(("cyd", 3, "visit")))
    assert update(Exports(Path()), TABLE).startswith("read 1 of 2 exports")
    assert exports.events("prospect_id") == [("ada",), ("bob",), ("cyd",)]
    assert all_bytes(exports) == fully(exports, TABLE)


def test_a_day_with_other_columns_and_a_file_taken_away(exports: Exports) -> None:
    """Files of one source may differ in their columns; deleting one removes its events."""
    exports.write("table1.csv", table(("ada", 1, "visit"), ("bob", 2, "visit")))
    exports.write("table3.csv", table(("ada", 3, "visit")))
    update(exports, TABLE)
    exports.write("table2.csv", f"when;more;who;what\n{iso(9)};x;ada;late\n;;bob;\n")
    assert update(exports, TABLE) == "read 1 of 3 exports; the others had not changed"
    assert all_bytes(exports) == fully(exports, TABLE)
    assert exports.rejected() == [("source0", 3, "no_event")]
    (exports.folder / "raw" / "table1.csv").unlink()
    assert update(exports, TABLE) == "read 0 of 2 exports; the others had not changed"
    assert all_bytes(exports) == fully(exports, TABLE)
    assert len(list(cache_folder(exports.outputs.log).glob("*.parquet"))) == 2


def test_files_read_together_are_cached_separately(exports: Exports) -> None:
    """Rows of a deleted export leave no trace in the cache; the others stay."""
    exports.write("table1.csv", table(("ada", 1, "visit")))
    exports.write("table2.csv", table(("bob", 2, "visit"), ("bob", -999, "never")))
    exports.write("table3.csv", table(("cyd", 3, "visit"), ("cyd", -999, "never")))
    update(exports, TABLE)
    (exports.folder / "raw" / "table2.csv").unlink()
    assert update(exports, TABLE) == "read 0 of 2 exports; the others had not changed"
    assert people_kept(exports) == {"ada", "cyd"}
    assert all_bytes(exports) == fully(exports, TABLE)
    exports.write("table0.csv", table(("dan", -999, "never")))
    assert update(exports, TABLE) == "read 1 of 3 exports; the others had not changed"
    assert people_kept(exports) == {"ada", "cyd", "dan"}
    assert all_bytes(exports) == fully(exports, TABLE)


def people_kept(exports: Exports) -> set[str]:
    """Name the prospects in the cache."""
    kept = sorted(cache_folder(exports.outputs.log).glob("*.parquet"))
    return {name for path in kept for name in pq.read_table(path)["prospect_id"].to_pylist()}


def test_a_file_a_day_does_not_add_a_segment_a_day(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments of many days are merged now and then, without reading an export."""
    monkeypatch.setattr(row_cache, "MAX_SEGMENTS", 2)
    for day in (3, 1, 4, 2, 5):
        exports.write(f"table{day}.csv", table((f"p{day}", day, "visit"), ("ada", -999, "never")))
        assert update(exports, TABLE).startswith("read ")
        assert len(list(cache_folder(exports.outputs.log).glob("*.parquet"))) <= 2
        assert all_bytes(exports) == fully(exports, TABLE)
    exports.write("table5.csv", table(("p5", 5, "call")))
    assert update(exports, TABLE) == "read 1 of 5 exports; the others had not changed"
    assert all_bytes(exports) == fully(exports, TABLE)


def test_two_files_of_equal_bytes_are_two_files(exports: Exports) -> None:
    """Equal content in two folders: duplicates are counted as a full ingest counts them."""
    source = {"files": "*/table.csv"}
    exports.write("one/table.csv", table(("ada", 1, "visit"), ("ada", -999, "never")))
    update(exports, source)
    exports.write("two/table.csv", table(("ada", 1, "visit"), ("ada", -999, "never")))
    update(exports, source)
    assert all_bytes(exports) == fully(exports, source)


def test_changed_settings_read_everything_and_report_it(exports: Exports) -> None:
    """Clean rows depend on the naming rules, but not on the number of buckets."""
    exports.write("table1.csv", table(("ada", 1, "visit")))
    assert update(exports, TABLE) == "read all 1 exports: there is no cache of an earlier ingest"
    assert update(exports, TABLE, buckets=4).startswith("read 0 of 1 exports")
    assert all_bytes(exports) == fully(exports, TABLE, buckets=4)
    named = TABLE | {"prefix": "web:"}
    summary = update(exports, named)
    assert summary == "read all 1 exports: the settings or all of the files changed"
    assert all_bytes(exports) == fully(exports, named)


def test_changed_code_reads_everything_and_reports_it(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that an older version cleaned are never mixed with those of a newer one."""
    exports.write("table1.csv", table(("ada", 1, "visit")))
    update(exports, TABLE)
    monkeypatch.setattr(row_cache, "version", lambda _: "0")
    summary = update(exports, TABLE)
    assert summary == "read all 1 exports: microconv or one of its libraries changed"


@pytest.mark.parametrize("what", ["segment", "manifest", "bucket", "log"])
def test_a_damaged_cache_or_log_is_rebuilt(exports: Exports, what: str) -> None:
    """The cache is used only if its bytes are as they were written."""
    exports.write("table1.csv", table(("ada", 1, "visit")))
    update(exports, TABLE)
    kept = cache_folder(exports.outputs.log)
    if what == "segment":
        next(kept.glob("*.parquet")).write_bytes(b"PAR1 no more")
        exports.write("table2.csv", table(("bob", 1, "visit")))
    elif what == "manifest":
        (kept / row_cache.MANIFEST).write_text('{"segments": {"x": 7}}')
    elif what == "bucket":
        (exports.outputs.log / "events" / "0000.parquet").write_bytes(b"?")
    else:
        exports.outputs.report.unlink()
    update(exports, TABLE)
    assert all_bytes(exports) == fully(exports, TABLE)


def test_a_new_file_that_cannot_be_read_leaves_log_and_cache(exports: Exports) -> None:
    """Once it is fixed, only it is read."""
    exports.write("table1.csv", table(("ada", 1, "visit")))
    update(exports, TABLE)
    before = all_bytes(exports)
    exports.write("table2.csv", "")
    with pytest.raises(MicroconvError, match="is empty"):
        update(exports, TABLE)
    assert all_bytes(exports) == before
    exports.write("table2.csv", table(("bob", 1, "visit")))
    assert update(exports, TABLE) == "read 1 of 2 exports; the others had not changed"
    assert all_bytes(exports) == fully(exports, TABLE)


CHILD = """
import os, resource, signal, sys
sys.path.insert(0, {tests!r})
from worlds.exports import Exports
from pathlib import Path
import microconv.ingest.{module} as module
from microconv.errors import MicroconvError
from test_incremental import TABLE, update
if {die!r}:
    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(module, {die!r}, die)
else:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    update(Exports(Path({folder!r})), TABLE)
except MicroconvError as error:
    print(error)
    sys.exit(2)
"""


def in_a_child(exports: Exports, module: str = "ingest", die: str = "") -> Any:
    """Ingest in a process that is killed in a given function, or may write little."""
    here = Path(__file__).parent
    code = CHILD.format(tests=str(here.parent), module=module, die=die, folder=str(exports.folder))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "die"),
    [("cache", "_sha256"), ("ingest", "_write_events"), ("ingest", "md5_of")],
)
def test_killed_anywhere_the_log_is_whole_and_the_next_ingest_right(
    exports: Exports, module: str, die: str
) -> None:
    """While the cache is written, while buckets are, and before the manifest is."""
    exports.write("table1.csv", table(("ada", 1, "visit")))
    update(exports, TABLE)
    old = all_bytes(exports)
    exports.write("table2.csv", table(("bob", 1, "visit")))
    assert in_a_child(exports, module, die).returncode == -signal.SIGKILL
    now = all_bytes(exports)
    assert now in (old, fully(exports, TABLE))
    update(exports, TABLE)
    assert all_bytes(exports) == fully(exports, TABLE)


@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_the_old_log(exports: Exports) -> None:
    """One sentence, the old log complete, and nothing left that a later ingest would use."""
    exports.write("table1.csv", table(("ada", 1, "visit")))
    update(exports, TABLE)
    old = all_bytes(exports)
    random = Random(1)
    many = [(f"{random.random()}", random.random(), "visit") for _ in range(20_000)]
    exports.write("table2.csv", table(*many))
    done = in_a_child(exports)
    assert (done.returncode, done.stderr) == (2, "")
    assert "The old output stays as it was" in done.stdout
    assert all_bytes(exports) == old
    update(exports, TABLE)
    assert all_bytes(exports) == fully(exports, TABLE)
