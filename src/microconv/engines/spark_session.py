"""A Spark session for one run: found Java, few words, closed at the end."""

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
"""What Spark 4.0 runs on: from Java 24 the login of its Hadoop libraries fails."""

INSTALL_JAVA = "Install Java 17 (Debian: openjdk-17-jre-headless), or point JAVA_HOME at it"


@contextmanager
def spark_session(master: str) -> Iterator[SparkSession]:
    """Open a session on a master, and stop it; one that runs already is used and left running.

    What else the cluster needs (memory, queues, packages) is read from
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
        _require_master(running, master)
        yield running
        return
    require_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("microconv").master(master)
    for name, value in _options(master).items():
        builder = builder.config(name, value)
    with in_one_sentence(f"No Spark session could be opened on {master!r}"):
        session = builder.getOrCreate()
    try:
        yield session
    finally:
        session.stop()


def _options(master: str) -> dict[str, str]:
    options = {"spark.ui.showConsoleProgress": "false"}
    if master.startswith("local"):  # no page, and no name of this machine to be looked up
        options |= {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1",
                    "spark.driver.bindAddress": "127.0.0.1"}  # fmt: skip
    if "SPARK_CONF_DIR" not in os.environ:
        quiet = Path(str(files("microconv.engines") / "log4j2.properties"))
        options["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile={quiet.as_uri()}"
    return options


def _require_master(running: SparkSession, master: str) -> None:
    found = running.conf.get("spark.master")
    if found != master:
        raise EngineError(
            f"A Spark session on {found!r} runs already, and the settings ask for {master!r}. "
            "Name the same master, or stop that session first."
        )


def require_java() -> None:
    """Look for a Java that Spark runs on, where Spark will look for it.

    Raises
    ------
    EngineError
        If there is none, or only one that is too old or too new.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    where = f"in JAVA_HOME ({home})" if home else "on the PATH"
    try:
        said = subprocess.run([java or "java", "-version"], capture_output=True, text=True)
    except OSError:
        raise EngineError(f"Spark needs Java, and there is none {where}. {INSTALL_JAVA}.") from None
    release = java_release(said.stderr)
    if release is None or not OLDEST_JAVA <= release <= NEWEST_JAVA:
        found = "something else" if release is None else f"Java {release}"
        raise EngineError(
            f"Spark 4.0 runs on Java {OLDEST_JAVA} to {NEWEST_JAVA}, and what is found {where} is "
            f"{found}. {INSTALL_JAVA}."
        )


def java_release(said: str) -> int | None:
    """Read the release out of what ``java -version`` says; None if it says none.

    Examples
    --------
    >>> java_release('openjdk version "17.0.15" 2025-04-15')
    17
    >>> java_release('java version "1.8.0_202"')
    8
    """
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found.group(1)) if found else None


@contextmanager
def in_one_sentence(what: str) -> Iterator[None]:
    """Turn the pages that Spark writes about a failure into what failed and why.

    Raises
    ------
    EngineError
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        raise EngineError(
            f"{what}: {reason_of(str(error))} SPARK_CONF_DIR, pointing at a folder with a "
            "log4j2.properties of your own, makes Spark say more."
        ) from error


def reason_of(report: str) -> str:
    r"""Find the one line of a Spark report that says why: of a Python error the last one.

    Examples
    --------
    >>> reason_of('An exception was thrown from the Python worker.\nTraceback (most recent call '
    ...           'last):\n  File "x.py", line 1, in f\nOSError: no such mount\n\n')
    'OSError: no such mount.'
    >>> reason_of("Py4JJavaError: calling o1.count.\n: org.apache.spark.SparkException: "
    ...           "Could not parse Master URL: 'x'\n\tat org.apache.spark.SparkContext")
    "Could not parse Master URL: 'x'."
    """
    said = [line.strip() for line in report.splitlines() if line.strip()]
    lines = [line for line in said if not re.match(r"at |\.\.\. \d+ more", line)]
    python = [n for n, line in enumerate(lines) if line.startswith("Traceback")]
    if python:
        inside = (
            line for line in lines[python[0] :] if re.match(r"[\w.]+(Error|Exception)\b", line)
        )
        line = next(inside, lines[-1])
    else:
        line = next((line for line in lines if line.startswith(": ")), lines[0] if lines else "")
    return re.sub(r"^(: )?([a-z]\w*\.)+\w+: ", "", line).rstrip(".") + "."
