"""A Spark session for one run: Java checked, logging reduced, stopped at the end."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from microconv.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA, NEWEST_JAVA = 17, 23
"""Versions that Spark 4.0 runs on: from Java 24 on, the login of its Hadoop libraries fails."""

INSTALL_JAVA = "Install Java 17 (Debian: openjdk-17-jre-headless), or point JAVA_HOME at it"


@contextmanager
def spark_session(master: str) -> Iterator[SparkSession]:
    """Open a session on a master and stop it afterwards; reuse an active one and leave it running.

    Other settings of the cluster (memory, queues, packages) are read from
    `spark-defaults.conf` in `SPARK_CONF_DIR`, as with any Spark program. The
    executors run the Python that `PYSPARK_PYTHON` names, by default this one.

    Raises
    ------
    EngineError
        If pyspark or Java is missing, or the master does not answer.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise EngineError(
            "The engine `spark` needs pyspark, which is not installed. Install the extra: pip "
            "install 'microconv[spark]'."
        ) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        _check_master(running, master)
        yield running
        return
    check_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("microconv").master(master)
    for name, value in _options(master).items():
        builder = builder.config(name, value)
    with spark_errors(f"No Spark session could be opened on {master!r}"):
        session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


def _options(master: str) -> dict[str, str]:
    options = {"spark.ui.showConsoleProgress": "false"}
    if master.startswith("local"):  # no web page, no look-up of this machine's name
        options |= {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1",
                    "spark.driver.bindAddress": "127.0.0.1"}  # fmt: skip
    if "SPARK_CONF_DIR" not in os.environ:
        quiet = Path(str(files("microconv.engines") / "log4j2.properties"))
        options["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile={quiet.as_uri()}"
    return options


def _check_master(running: SparkSession, master: str) -> None:
    found = running.conf.get("spark.master")
    if found != master:
        raise EngineError(
            f"A Spark session on {found!r} is already running, but the settings name {master!r}. "
            "Name the same master, or stop that session first."
        )


def check_java() -> None:
    """Check that a Java that Spark can run on is where Spark looks for it.

    Raises
    ------
    EngineError
        If there is none, or only one that is too old or too new.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    where = f"in JAVA_HOME ({home})" if home else "on the PATH"
    try:
        output = subprocess.run([java or "java", "-version"], capture_output=True, text=True)
    except OSError:
        raise EngineError(f"Spark needs Java, and there is none {where}. {INSTALL_JAVA}.") from None
    release = _java_release(output.stderr)
    if release is None or not OLDEST_JAVA <= release <= NEWEST_JAVA:
        found = "an unknown version" if release is None else f"Java {release}"
        raise EngineError(
            f"Spark 4.0 runs on Java {OLDEST_JAVA} to {NEWEST_JAVA}, but {found} was found "
            f"{where}. {INSTALL_JAVA}."
        )


def _java_release(output: str) -> int | None:
    """Parse the release from the output of ``java -version``; None if it has none.

    Examples
    --------
    >>> _java_release('openjdk version "17.0.15" 2025-04-15')
    17
    >>> _java_release('java version "1.8.0_202"')
    8
    """
    found = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(found.group(1)) if found else None


@contextmanager
def spark_errors(what: str) -> Iterator[None]:
    """Replace the long reports of Spark by one sentence: what failed and why.

    Raises
    ------
    EngineError
        In place of any error of Spark or of the connection to it.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        raise EngineError(
            f"{what}: {_reason(str(error))} For a longer report, set SPARK_CONF_DIR to a folder "
            "with a log4j2.properties of your own."
        ) from error


def _reason(report: str) -> str:
    r"""Find the one line of a Spark report that gives the reason: the last of a Python error.

    Examples
    --------
    >>> _reason('An exception was thrown from the Python worker.\nTraceback (most recent call '
    ...           'last):\n  File "x.py", line 1, in f\nOSError: no such mount\n\n')
    'OSError: no such mount.'
    >>> _reason("Py4JJavaError: calling o1.count.\n: org.apache.spark.SparkException: "
    ...           "Could not parse Master URL: 'x'\n\tat org.apache.spark.SparkContext")
    "Could not parse Master URL: 'x'."
    """
    stripped = [line.strip() for line in report.splitlines() if line.strip()]
    lines = [line for line in stripped if not re.match(r"at |\.\.\. \d+ more", line)]
    python = [n for n, line in enumerate(lines) if line.startswith("Traceback")]
    if python:
        inside = (
            line for line in lines[python[0] :] if re.match(r"[\w.]+(Error|Exception)\b", line)
        )
        line = next(inside, lines[-1])
    else:
        line = next((line for line in lines if line.startswith(": ")), lines[0] if lines else "")
    return re.sub(r"^(: )?([a-z]\w*\.)+\w+: ", "", line).rstrip(".") + "."
