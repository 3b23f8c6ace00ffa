"""Ingest on Spark: tasks read exports and sort buckets; the log is that of one machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from random import Random

import pytest

from microconv.engines import spark
from microconv.engines.engine import Engine, open_engine
from microconv.engines.spark import bucket_task
from microconv.errors import SourceError
from microconv.ingest.cache import cache_folder, open_cache
from microconv.ingest.ingest import ingest
from microconv.settings import EngineSettings
from microconv.storage.files import md5_of
from worlds.exports import Exports, calls, section

pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
pytestmark = pytest.mark.slow

SPARK = EngineSettings(name="spark", master="local[2,2]", memory_gb=2)
"""Two threads, and two attempts at every task."""

WEB = {"format": "segment", "files": "web*.jsonl"}
MAIL = {"format": "sendgrid", "files": "mail*.jsonl"}
TABLE = {"files": "table*.csv"}
SOURCES = (WEB, MAIL, TABLE)
FIRST = 1_704_067_200


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Engine]:
    """Keep one session for all tests: its Python workers import the libraries once."""
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("there is no Java")
    with open_engine(SPARK) as engine:
        yield engine


def update(exports: Exports, engine: EngineSettings) -> str:
    """Ingest what changed; return the summary line."""
    settings = section(*SOURCES, bots={"enabled": True}, buckets=4)
    raw = exports.folder / "raw"
    with open_cache(cache_folder(exports.outputs.log)) as cache:
        ingest(settings, outputs=exports.outputs, input_dir=raw, engine=engine, cache=cache)
    return cache.summary()


def made(exports: Exports) -> dict[str, str]:
    """Fingerprint the log, the quarantine and the report."""
    return {name: md5_of(path) for name, path in asdict(exports.outputs).items()}


def on_one_machine(exports: Exports, folder: Path) -> dict[str, str]:
    """Fingerprint what one machine makes of the same exports, with nothing kept."""
    elsewhere = Exports(folder)
    folder.mkdir()
    (folder / "raw").symlink_to((exports.folder / "raw").absolute())
    update(elsewhere, EngineSettings(threads=2))
    return made(elsewhere)


@pytest.fixture
def hard(tmp_path: Path) -> Exports:
    """Several files of three formats: merges, copies, scanners, late rows and rejected rows."""
    exports, random = Exports(tmp_path / "hard"), Random(7)
    for day in range(3):
        exports.write(f"web{day}.jsonl", "\n".join(calls(random)))
        mail = [
            {"email": f"{random.choice('abcd')}@mail.example", "ip": "192.0.2.7",
             "timestamp": FIRST + random.randrange(3 * 86_400), "sg_message_id": "m1",
             "event": random.choice(["delivered", "open", "click", "click"]),
             "url": f"https://shop.example/{random.choice('xyz')}"}
            for _ in range(80)
        ]  # fmt: skip
        exports.write(f"mail{day}.jsonl", "\n".join(map(json.dumps, mail)))
        exports.write(
            f"table{day}.csv", f"who,when,what\nada,2024-01-0{day + 1}T00:00:00Z,won\n,,\n"
        )
    exports.write("table3.csv", "what;when;more;who\nvisit;2024-01-09T00:00:00Z;x;ada\n")
    return exports


def test_spark_writes_the_log_of_one_machine(hard: Exports, tmp_path: Path) -> None:
    """At first, after a file was added and one changed, and after one went: only those are read."""
    assert update(hard, SPARK).startswith("read all 10 exports")
    assert made(hard) == on_one_machine(hard, tmp_path / "first")
    hard.write("web1.jsonl", "\n".join(calls(Random(8))))
    hard.write("mail9.jsonl", json.dumps({"email": "e@mail.example", "event": "click",
                                          "timestamp": FIRST + 9 * 86_400}))  # fmt: skip
    assert update(hard, SPARK) == "read 2 of 11 exports; the others had not changed"
    assert made(hard) == on_one_machine(hard, tmp_path / "again")
    (hard.folder / "raw" / "web2.jsonl").unlink()
    assert update(hard, SPARK) == "read 0 of 10 exports; the others had not changed"
    assert made(hard) == on_one_machine(hard, tmp_path / "less")
    assert len(hard.rejected()) > 6


def test_one_machine_uses_the_cache_that_spark_wrote(hard: Exports) -> None:
    """And vice versa: a cache key depends on what the rows depend on, not on who read them."""
    update(hard, SPARK)
    hard.write("table9.csv", "who,when,what\nbob,2024-01-05T00:00:00Z,visit\n")
    assert update(hard, EngineSettings()).startswith("read 1 of 11")
    hard.write("table9.csv", "who,when,what\nbob,2024-01-06T00:00:00Z,visit\n")
    assert update(hard, SPARK).startswith("read 1 of 11")


def test_tasks_that_die_are_run_again_to_the_same_log(
    hard: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading and each sorting is done twice, as the first process ends before it reports."""
    marks, job = tmp_path / "tried", count()
    marks.mkdir()

    def dying_once(function, encode, driver):  # type: ignore[no-untyped-def]
        number = next(job)

        def work(task):  # type: ignore[no-untyped-def]
            result, mark = function(task), marks / f"{number}-{task}"
            if not mark.exists():
                mark.touch()
                os._exit(1)
            return result

        return bucket_task(work, encode, driver)

    monkeypatch.setattr(spark, "bucket_task", dying_once)
    update(hard, SPARK)
    monkeypatch.undo()
    assert len(list(marks.iterdir())) == 10 + 4
    assert made(hard) == on_one_machine(hard, tmp_path / "one")
    kept = cache_folder(hard.outputs.log)
    left = [*kept.glob(".*.parquet.*"), *(hard.outputs.log / "events").glob(".*")]
    assert left == []


def test_a_file_that_cannot_be_read_is_named_and_the_old_log_stays(hard: Exports) -> None:
    """The error of a task is the error of one machine."""
    update(hard, SPARK)
    before = made(hard)
    hard.write("table4.csv", "who,at,what\nada,2024-01-09T00:00:00Z,visit\n")
    with pytest.raises(SourceError) as error:
        update(hard, SPARK)
    with pytest.raises(SourceError) as local_error:
        update(hard, EngineSettings())
    assert str(error.value) == str(local_error.value)
    assert "table4.csv" in str(error.value)
    assert made(hard) == before
