"""What every stage shares: its command line, error messages, progress and job log.

A stage is a function ``stage(settings, *, log, features, …) -> str``. Each keyword is a
path and becomes an option of the same name; the returned summary is printed.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from microconv.errors import MicroconvError
from microconv.storage.files import atomic_write

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from microconv.settings import EngineSettings

Stage = Callable[..., str]

CURRENT_TASK: ContextVar[tuple[Progress, TaskID] | None] = ContextVar("current", default=None)
"""What :func:`progress` shows; None where there is no terminal."""

USER_ERROR = 2
"""Exit code of a run that stopped because of something the user can fix."""

TRY_AGAIN = 75
"""Exit code of a temporary failure, after which a later run may succeed (EX_TEMPFAIL)."""

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def run(stage: Stage) -> None:
    """Run a stage as the program ``python -m microconv.stages.NAME``."""
    exit_fast()
    with one_sentence_errors(stage.__name__):
        print_line(call(stage, sys.argv[1:]))


def exit_fast() -> None:
    """Skip the garbage collection at the end of this process, which takes a second.

    Not where DuckDB is loaded: it reports as leaked what only that collection releases.
    """
    atexit.register(lambda: None if "duckdb" in sys.modules else gc.freeze())


def call(stage: Stage, arguments: Sequence[str], *, engine: EngineSettings | None = None) -> str:
    """Parse a stage's arguments, read the settings, run the stage and return its summary.

    Parameters
    ----------
    stage : callable
        Takes the settings and one keyword-only path per option.
    arguments : sequence of str
        As on the command line: ``["--params", "params.yaml", "--log", "data/log"]``.
    engine : EngineSettings, optional
        Its name and master replace those of the section `engine`.

    Raises
    ------
    MicroconvError
        If the settings or an input are not accepted.
    """
    from microconv.settings import read_settings  # pydantic: 0.3 s that --help need not wait for

    options = vars(_parser(stage).parse_args(arguments))
    settings = read_settings(options.pop("params"))
    if engine is not None:
        engine = engine.model_copy(update={"threads": settings.engine.threads})
        settings = settings.model_copy(update={"engine": engine})
    with progress(stage.__name__):
        return f"{stage.__name__}: {stage(settings, **options)}"


@contextmanager
def one_sentence_errors(name: str) -> Iterator[None]:
    """Report an error that a user can fix in one sentence on stderr, and exit with 2 or 75."""
    try:
        yield
    except KeyboardInterrupt:
        print_line(f"{name}: interrupted; the outputs of before are unchanged", error=True)
        raise SystemExit(INTERRUPTED) from None
    except MicroconvError as error:
        print_line(f"{name}: {one_line(str(error))}", error=True)
        raise SystemExit(TRY_AGAIN if error.temporary else USER_ERROR) from None
    except OSError as error:  # a file that may not be read, a disk that went away
        if error.errno == errno.EPIPE:  # `--help | head`
            raise SystemExit(0) from None
        place = f": {error.filename}" if error.filename else ""
        print_line(f"{name}: {one_line(f'{error.strerror or error}{place}')}", error=True)
        raise SystemExit(USER_ERROR) from None


def print_line(text: str, *, error: bool = False) -> None:
    """Write text to stdout or stderr with control characters escaped.

    A stream that is closed, or whose reader has gone away (``| head``), is ignored: the work
    of a run does not depend on anybody reading its messages.

    Parameters
    ----------
    text : str
        One line or several.
    error : bool
        Whether to write to stderr.
    """
    stream = sys.stderr if error else sys.stdout
    if stream is None or stream.closed:
        return
    try:
        stream.write(f"{inert(text)}\n")
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _is_terminal() -> bool:
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


def one_line(text: str) -> str:
    r"""Join the lines of a message.

    Examples
    --------
    >>> one_line("mapping values\n  in line 3")
    'mapping values in line 3'
    """
    return " ".join(line.strip() for line in text.splitlines())


def inert(text: str) -> str:
    r"""Escape control characters: names come from data, and terminals obey them.

    Line feeds stay: a summary may have several lines.

    Examples
    --------
    >>> inert("caf\u00e9 \x1b[31m\u202e\nnext")
    'caf\xe9 \\x1b[31m\\u202e\nnext'
    """
    return "".join(
        character
        if character in "\n\xa0" or character.isprintable()
        else character.encode("unicode_escape").decode()
        for character in text
    )


@contextmanager
def progress(name: str) -> Iterator[None]:
    """Show on a terminal what is running and for how long."""
    if not _is_terminal():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = CURRENT_TASK.set((bar, bar.add_task(name, total=None)))
        try:
            yield
        finally:
            CURRENT_TASK.reset(shown)


def count_steps(total: int) -> Callable[[], None]:
    """Add a progress bar of `total` steps, and return the function that advances it by one."""
    shown = CURRENT_TASK.get()
    if shown is None:
        return lambda: None
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    bar, task = shown
    bar.columns = (*bar.columns, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar.update(task, total=total)
    return lambda: bar.advance(task)


@contextmanager
def phase(job: str, name: str) -> Iterator[dict[str, object]]:
    """Write one JSON line to stderr when a phase of a job has ended; nothing on a terminal.

    ::

        {"at": "2024-06-03T04:00:12Z", "job": "score", "phase": "rank", "state": "done",
         "seconds": 8.1, "listed": 200}

    Parameters
    ----------
    job, name : str
        The command, and its phase.

    Yields
    ------
    dict
        Further entries of the line. Never put a value there that came from data.
    """
    facts: dict[str, object] = {}
    started, state = perf_counter(), "failed"
    try:
        yield facts
        state = "done"
    finally:
        if not _is_terminal():
            line = {
                "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "job": job,
                "phase": name,
                "state": state,
                "seconds": round(perf_counter() - started, 3),
                **facts,
            }
            print_line(json.dumps(line), error=True)


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces `path` on success.

    Raises
    ------
    MicroconvError
        If the disk is full or not writable, named as `path`, not as the temporary folder.
        The old folder stays as it was.
    """
    with atomic_write(path) as fresh:
        fresh.mkdir()
        try:
            yield fresh
        except MicroconvError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from None
            raise


def _parser(stage: Stage) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m microconv.stages.{stage.__name__}", description=inspect.getdoc(stage)
    )
    parser.add_argument("--params", type=Path, required=True)
    for name, parameter in inspect.signature(stage).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            required = parameter.default is parameter.empty
            default = None if required else parameter.default
            option = "--" + name.replace("_", "-")
            parser.add_argument(option, type=Path, required=required, default=default)
    return parser
