"""The `microconv` command. Libraries are imported only by the command that needs them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from microconv.errors import SettingsError
from microconv.stages.runner import exit_fast, one_line, one_sentence_errors, print_line

if TYPE_CHECKING:
    from microconv.settings import EngineSettings

app = typer.Typer(
    help="Rank prospects by the micro-conversions they make.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Inputs = Annotated[
    Path | None,
    typer.Option("--input", help="Folder of the exports, instead of `ingest.input_dir`."),
]
Params = Annotated[Path, typer.Option(help="The params.yaml.")]
EngineName = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="`local` or `spark`, instead of what params.yaml says. Results are the same.",
    ),
]
Master = Annotated[
    str | None, typer.Option(help="Spark's master: local[2], spark://host:7077, yarn, …")
]


def main() -> None:
    """Run the command line; an error that the user can fix is one sentence and exit code 2."""
    exit_fast()
    with one_sentence_errors("microconv"):
        try:
            code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        except typer.TyperException as error:  # a mistyped command line
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "microconv"
            problem = one_line(error.format_message()).rstrip(".")
            raise SettingsError(f"{problem}. See `{command} --help`.") from None
        raise SystemExit(code or 0)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_line(version("microconv"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


@app.command()
def run(
    params: Params,
    root: Annotated[Path, typer.Option(help="Folder that all outputs are written below.")],
    inputs: Annotated[
        Path | None,
        typer.Option("--input", help="Folder of the exports, instead of `ingest.input_dir`."),
    ] = None,
    engine: EngineName = None,
    master: Master = None,
) -> None:
    """Run the whole pipeline without DVC: exports in, ranked list out."""
    from microconv.stages.pipeline import run_pipeline

    chosen = _engine(engine, master)
    for summary in run_pipeline(params, inputs=inputs, root=root, engine=chosen):
        print_line(summary)


@app.command()
def validate(
    params: Params,
    inputs: Annotated[
        Path | None,
        typer.Option("--input", help="Folder of the exports, instead of `ingest.input_dir`."),
    ] = None,
    log: Annotated[
        Path, typer.Option(help="Event log of an earlier run, to count the rows of each fold.")
    ] = Path("data/log"),
) -> None:
    """Check params.yaml and the exports, and show the training and test dates."""
    from microconv.settings import read_settings
    from microconv.stages import validate as checks

    for line in checks.validate(read_settings(params), inputs=inputs, log=log):
        print_line(line)


@app.command()
def migrate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Each a params.yaml.")],
) -> None:
    """Rename the keys of a params.yaml that had other names in an earlier version."""
    from microconv.stages.migrate import migrate as rewrite

    for file in files:
        renamed = rewrite(file)
        print_line("\n  ".join([f"{file}: {len(renamed)} keys renamed", *renamed]))


@app.command()
def extract(
    params: Params,
    inputs: Annotated[
        Path | None,
        typer.Option("--input", help="Folder of the exports, instead of `ingest.input_dir`."),
    ] = None,
) -> None:
    """Copy new rows of the database tables in `extract.tables` into the folder of the exports."""
    from microconv.stages.extract_tables import extract_tables

    for line in extract_tables(params, inputs=inputs):
        print_line(line)


@app.command()
def score(
    events: Annotated[
        Path,
        typer.Option(help="Event log, Parquet file of events, or raw exports (with --params)."),
    ],
    model: Annotated[str, typer.Option(help="Folder of the model, or `models:/NAME@ALIAS`.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the list (CSV, XLSX, Parquet) and its manifest.")
    ],
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Instant to score at, with time zone; by default where the log's outcomes end."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Length of the list.")] = None,
    params: Annotated[
        Path | None,
        typer.Option(help="A params.yaml: grades, list length, how to read raw exports."),
    ] = None,
    complete_until: Annotated[
        str | None,
        typer.Option(help="Until when raw exports are complete, instead of `complete_until`."),
    ] = None,
    deliver: Annotated[
        bool, typer.Option(help="Also write the list into the database that `deliver` names.")
    ] = True,
    last_list: Annotated[
        Path | None, typer.Option(help="Folder of the previous list, to show what changed since.")
    ] = None,
    journey: Annotated[
        Path | None, typer.Option(help="journey.json of the measurement: evidence for next steps.")
    ] = None,
    prospects: Annotated[
        Path | None,
        typer.Option(help="Parquet file of prospects, beside a Parquet file of events."),
    ] = None,
    missing_attributes: Annotated[
        Literal["refuse", "allow"],
        typer.Option(help="Whether to score without attributes that the model was trained on."),
    ] = "refuse",
    engine: EngineName = None,
    master: Master = None,
) -> None:
    """Rank prospects by their events with a trained model."""
    from microconv.stages.score_events import ScoreRequest, score_events

    request = ScoreRequest(
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
        prospects=prospects,
        missing_attributes=missing_attributes,
    )
    print_line(score_events(request, params=params, out=out))


@app.command()
def deliver(
    folder: Annotated[Path, typer.Option("--list", help="Folder that `microconv score` wrote.")],
    params: Params,
) -> None:
    """Write a finished list into the database that `deliver` names."""
    from microconv.stages.deliver_list import deliver_list

    print_line(deliver_list(folder, params=params, now=datetime.now(UTC)))


@app.command()
def promote(
    params: Params,
    log: Annotated[
        Path | None,
        typer.Option(help="Event log, to count snapshots labelled since the champion was trained."),
    ] = None,
    because: Annotated[
        str | None,
        typer.Option(help="Promote despite objections; the reason is recorded."),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Restore the previous champion.")
    ] = False,
    root: Annotated[
        Path | None, typer.Option(help="Folder of mlflow.db; by default the repository.")
    ] = None,
) -> None:
    """Promote the challenger to champion, unless there are objections."""
    from microconv.stages import promote as promotion

    request = promotion.PromotionRequest(log, because, root)
    print_line(
        promotion.rollback(params, request) if rollback else promotion.promote(params, request)
    )


@app.command()
def audit(
    lists: Annotated[Path, typer.Option(help="Folder of past lists, each in a folder of its own.")],
    log: Annotated[Path, typer.Option(help="The event log as it is today.")],
    params: Params,
    out: Annotated[Path, typer.Option(help="Folder for audit.json and audit.html.")],
    model: Annotated[
        str | None,
        typer.Option(help="Folder or address of the champion, to check for drift."),
    ] = None,
) -> None:
    """Compare past lists with what happened, and recommend whether to retrain."""
    from microconv.stages.audit_lists import AuditRequest, audit_lists

    print_line(audit_lists(AuditRequest(lists, log, model), params=params, out=out))


@app.command()
def simulate(
    params: Params,
    raw: Annotated[Path, typer.Option(help="Folder for the exports; replaced.")],
    truth: Annotated[Path, typer.Option(help="Folder for the planted effects; replaced.")],
) -> None:
    """Write the exports of a simulated company, and the truth behind them."""
    from microconv.stages.runner import call
    from microconv.stages.simulate import simulate as write_world

    print_line(
        call(write_world, ["--params", str(params), "--raw", str(raw), "--truth", str(truth)])
    )


@app.command()
def power(
    baseline: Annotated[float, typer.Option(help="Conversion rate of the control arm.")],
    effect: Annotated[
        float | None, typer.Option(help="Minimum detectable effect, relative: 0.25 is 25 % more.")
    ] = None,
    units: Annotated[int | None, typer.Option(help="Units per arm.")] = None,
    arms: Annotated[int, typer.Option(help="Number of arms, including the control.")] = 2,
    power: Annotated[float, typer.Option(help="Probability of detecting the effect.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="Probability of a false positive.")] = 0.05,
    per_day: Annotated[
        float | None, typer.Option(help="Units assigned per day, over all arms.")
    ] = None,
) -> None:
    """Compute the sample size of an A/B test, or the effect that a sample size can detect."""
    from microconv.measurement.experiments.power import Design, power_report

    design = Design(baseline, arms, power, alpha)
    for line in power_report(design, effect=effect, units=units, per_day=per_day):
        print_line(line)


def _engine(name: str | None, master: str | None) -> EngineSettings | None:
    if name is None and master is None:
        return None
    from microconv.settings import engine_named

    return engine_named(name, master)
