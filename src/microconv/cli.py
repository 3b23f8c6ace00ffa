"""The `microconv` command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microconv.errors import SettingsError
from microconv.stages.shell import end_at_once, inert, one_line, one_sentence_errors

if TYPE_CHECKING:
    from microconv.settings import EngineSettings

app = typer.Typer(
    help="Rank prospects by the micro-conversions they make.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Params = Annotated[Path, typer.Option(help="The params.yaml to go by.")]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="`local` or `spark`; by default what params.yaml says. Changes no value.",
    ),
]
Master = Annotated[
    str | None, typer.Option(help="Spark's master: local[2], spark://host:7077, yarn, …")
]


def main() -> None:
    """Run the command line: a user's mistake ends in one sentence and exit code 2."""
    end_at_once()
    with one_sentence_errors("microconv"):
        try:
            code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        except typer.TyperException as error:  # a mistyped command line
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "microconv"
            says = one_line(error.format_message()).rstrip(".")
            raise SettingsError(f"{says}. `{command} --help` lists what there is.") from None
        raise SystemExit(code or 0)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        _say(version("microconv"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    params: Params,
    root: Annotated[Path, typer.Option(help="Folder below which every output is written.")],
    inputs: Annotated[
        Path | None, typer.Option("--input", help="Instead of `ingest.input_dir`.")
    ] = None,
    engine: EngineName = None,
    master: Master = None,
) -> None:
    """Run every stage in order, without DVC: exports in, ranked list out."""
    from microconv.stages.pipeline import run_pipeline

    asked = _engine(engine, master)
    for sentence in run_pipeline(params, inputs=inputs, root=root, engine=asked):
        _say(sentence)


@app.command()
def validate(
    params: Params,
    inputs: Annotated[
        Path | None, typer.Option("--input", help="Instead of `ingest.input_dir`.")
    ] = None,
    log: Annotated[
        Path, typer.Option(help="The log of an earlier run, to count each fold's rows.")
    ] = Path("data/log"),
) -> None:
    """Check params and sources and say on which dates models are trained and tested."""
    from microconv.settings import read_settings
    from microconv.stages import validate as checks

    for sentence in checks.validate(read_settings(params), inputs=inputs, log=log):
        _say(sentence)


@app.command()
def migrate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Each a params.yaml.")],
) -> None:
    """Rename the keys of a params.yaml that had other names in an earlier version."""
    from microconv.stages.migrate import migrate as rewrite

    for file in files:
        renamed = rewrite(file)
        _say("\n  ".join([f"{file}: {len(renamed)} keys renamed", *renamed]))


@app.command()
def extract(
    params: Params,
    inputs: Annotated[
        Path | None, typer.Option("--input", help="Instead of `ingest.input_dir`.")
    ] = None,
) -> None:
    """Copy what is new in the databases of `extract.tables` into the folder of the exports."""
    from microconv.stages.extract_tables import extract_tables

    for sentence in extract_tables(params, inputs=inputs):
        _say(sentence)


@app.command()
def score(
    events: Annotated[
        Path, typer.Option(help="A log, a Parquet file of events, or with --params raw exports.")
    ],
    model: Annotated[str, typer.Option(help="A model's folder, or `models:/NAME@ALIAS`.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the list as CSV and Parquet, and its manifest.")
    ],
    as_of: Annotated[
        str | None,
        typer.Option(help="Instant with its zone; by default where the log's outcomes end."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="How many to list.")] = None,
    params: Annotated[
        Path | None, typer.Option(help="Grades, reasons, limit; and how to read raw exports.")
    ] = None,
    complete_until: Annotated[
        str | None,
        typer.Option(help="Until when raw exports are complete, instead of what the sources say."),
    ] = None,
    deliver: Annotated[
        bool, typer.Option(help="Write the list into the database that `deliver` names, too.")
    ] = True,
    last_list: Annotated[
        Path | None, typer.Option(help="Folder of the list before: say what has changed since.")
    ] = None,
    journey: Annotated[
        Path | None, typer.Option(help="The measurement, journey.json: evidence for next steps.")
    ] = None,
    engine: EngineName = None,
    master: Master = None,
) -> None:
    """Rank the prospects of new events with a model that was trained before."""
    from microconv.stages.score_events import Request, score_events

    request = Request(
        events,
        model,
        now=datetime.now(UTC),
        as_of=as_of,
        limit=limit,
        complete_until=complete_until,
        deliver=deliver,
        last_list=last_list,
        journey=journey,
        engine=_engine(engine, master),
    )
    _say(score_events(request, params=params, out=out))


@app.command()
def deliver(
    folder: Annotated[Path, typer.Option("--list", help="The folder that `score --out` wrote.")],
    params: Params,
) -> None:
    """Write a list that was made earlier into the database that `deliver` names."""
    from microconv.stages.deliver_list import deliver_list

    _say(deliver_list(folder, params=params, now=datetime.now(UTC)))


@app.command()
def promote(
    params: Params,
    log: Annotated[
        Path | None,
        typer.Option(help="An event log: what matured since the champion was trained counts too."),
    ] = None,
    because: Annotated[
        str | None,
        typer.Option(help="Promote whatever speaks against it; the reason is written down."),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Make the previous champion the champion again.")
    ] = False,
    root: Annotated[
        Path | None, typer.Option(help="Folder of mlflow.db; by default the repository.")
    ] = None,
) -> None:
    """Make the challenger the champion, or say why not."""
    from microconv.stages import promote as promotion

    ask = promotion.Ask(log, because, root)
    _say(promotion.rollback(params, ask) if rollback else promotion.promote(params, ask))


@app.command()
def audit(
    lists: Annotated[Path, typer.Option(help="Folder that holds past lists, each in its own.")],
    log: Annotated[Path, typer.Option(help="The event log as it is today.")],
    params: Params,
    out: Annotated[Path, typer.Option(help="Folder for audit.json and audit.html.")],
    model: Annotated[
        str | None,
        typer.Option(help="The champion's folder or address: what has shifted since it learnt?"),
    ] = None,
) -> None:
    """Hold past lists against what happened, and say whether a new model is due."""
    from microconv.stages.audit_lists import Ask, audit_lists

    _say(audit_lists(Ask(lists, log, model), params=params, out=out))


@app.command()
def simulate(
    params: Params,
    raw: Annotated[Path, typer.Option(help="Folder for the exports; replaced as a whole.")],
    truth: Annotated[Path, typer.Option(help="Folder for what was planted; replaced too.")],
) -> None:
    """Write the exports of a made-up company, and the truth behind them."""
    from microconv.stages.shell import call
    from microconv.stages.simulate import simulate as write_world

    _say(call(write_world, ["--params", str(params), "--raw", str(raw), "--truth", str(truth)]))


@app.command()
def power(
    baseline: Annotated[float, typer.Option(help="Share of the control that does the step.")],
    effect: Annotated[
        float | None, typer.Option(help="Relative effect worth finding: 0.25 is a quarter more.")
    ] = None,
    units: Annotated[int | None, typer.Option(help="Units an arm: what can they show?")] = None,
    arms: Annotated[int, typer.Option(help="Arms, the control included.")] = 2,
    power: Annotated[float, typer.Option(help="Probability of finding it if it is there.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="Probability of finding what is not there.")] = 0.05,
    per_day: Annotated[
        float | None, typer.Option(help="Units that can be assigned a day, over all arms.")
    ] = None,
) -> None:
    """Say how many units a test (A/B) needs before it is started, or what it can show."""
    from microconv.measurement.experiments.power import Design, plan

    design = Design(baseline, arms, power, alpha)
    for sentence in plan(design, effect=effect, units=units, per_day=per_day):
        _say(sentence)


def _engine(name: str | None, master: str | None) -> EngineSettings | None:
    if name is None and master is None:
        return None
    from microconv.settings import engine_named

    return engine_named(name, master)


def _say(sentence: str) -> None:
    sys.stdout.write(f"{inert(sentence)}\n")
    sys.stdout.flush()
