"""What every stage shares: its command line, its errors, its progress.

A stage is a function ``stage(settings, *, log, features, …) -> str``. Each
keyword is a path and becomes an option of the same name; the sentence that it
returns is printed. Nothing else about a stage is hidden here.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from microconv.errors import MicroconvError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from microconv.settings import EngineSettings

Stage = Callable[..., str]

UNDER_WAY: ContextVar[tuple[Progress, TaskID] | None] = ContextVar("under_way", default=None)
"""What :func:`progress` shows; None where there is no terminal."""

USER_ERROR = 2
"""Exit code of a run that stopped because of something the user can mend."""

TRY_AGAIN = 75
"""Exit code where nothing needs mending and a later run may succeed: sysexits' EX_TEMPFAIL."""


def run(stage: Stage) -> None:
    """Run a stage as the program ``python -m microconv.stages.NAME`` and leave."""
    end_at_once()
    with one_sentence_errors(stage.__name__):
        sys.stdout.write(f"{inert(call(stage, sys.argv[1:]))}\n")


def end_at_once() -> None:
    """Spare the end of this process a last search for cycles: the libraries' take it a second.

    Not where DuckDB is loaded, which would report as leaked what only that search releases.
    """
    atexit.register(lambda: None if "duckdb" in sys.modules else gc.freeze())


def call(stage: Stage, arguments: Sequence[str], *, engine: EngineSettings | None = None) -> str:
    """Parse a stage's arguments, read its settings and run it.

    Parameters
    ----------
    stage : callable
        Takes the settings and one keyword-only path per option.
    arguments : sequence of str
        As on the command line: ``["--params", "params.yaml", "--log", "data/log"]``.
    engine : EngineSettings, optional
        Name and master in place of those of the section `engine`.

    Returns
    -------
    str
        What the stage has to say about what it did.

    Raises
    ------
    MicroconvError
        Whatever the settings or the stage refuse.
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
    """Turn what a user can mend into one sentence on stderr and exit code 2, or 75."""
    try:
        yield
    except MicroconvError as error:
        sys.stderr.write(f"{name}: {inert(one_line(str(error)))}\n")
        raise SystemExit(TRY_AGAIN if error.temporary else USER_ERROR) from None
    except OSError as error:  # a file that may not be read, a disk that went away
        place = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"{name}: {inert(one_line(f'{error.strerror or error}{place}'))}\n")
        raise SystemExit(USER_ERROR) from None


def one_line(text: str) -> str:
    r"""Join the lines of a message that a library has laid out over several.

    Examples
    --------
    >>> one_line("mapping values\n  in line 3")
    'mapping values in line 3'
    """
    return " ".join(line.strip() for line in text.splitlines())


def inert(text: str) -> str:
    r"""Write control characters as escapes: names come from data, terminals obey them.

    Line feeds stay: a stage says more than one line.

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
def progress(says: str) -> Iterator[None]:
    """Show on a terminal that something is under way, and for how long; else nothing."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = UNDER_WAY.set((bar, bar.add_task(says, total=None)))
        try:
            yield
        finally:
            UNDER_WAY.reset(shown)


def count_steps(total: int) -> Callable[[], None]:
    """Make a bar of so many steps of what is under way; call what is returned after each."""
    shown = UNDER_WAY.get()
    if shown is None:
        return lambda: None
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    bar, task = shown
    bar.columns = (*bar.columns, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar.update(task, total=total)
    return lambda: bar.advance(task)


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
