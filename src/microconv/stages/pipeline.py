"""The pipeline: its stages in order, with what each reads, writes and is configured by.

``microconv run`` runs this table; `dvc.yaml` is generated from it (``make dvc.yaml``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from microconv.errors import MissingInputError
from microconv.ingest.input_files import expand
from microconv.settings import EngineSettings, Settings, read_settings
from microconv.stages.runner import call
from microconv.storage.files import folder_lock

INPUT = "${ingest.input_dir}"
"""The folder of the exports, as `dvc.yaml` refers to it."""

NOT_LOGGED = ("simulate", "engine", "extract", "deliver")
"""Sections that change neither model nor list, and so are not logged to MLflow."""


@dataclass(frozen=True)
class PipelineStage:
    """One stage of the pipeline, as `microconv run` runs it and `dvc.yaml` declares it.

    Attributes
    ----------
    name : str
        Of the stage, and of its module in :mod:`microconv.stages`.
    description : str
        One line for `dvc.yaml`.
    reads, writes : mapping of str to str
        Option of the stage's command → path below the root.
    sections : tuple of str
        The sections of params.yaml that change what it writes.
    metrics : tuple of str
        Those of its outputs that `dvc metrics` shows.
    uncached : tuple of str
        Those of its outputs that DVC neither caches nor pushes.
    """

    name: str
    description: str
    reads: Mapping[str, str]
    writes: Mapping[str, str]
    sections: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    uncached: tuple[str, ...] = ()

    def arguments(self, params: Path, *, inputs: Path, root: Path) -> list[str]:
        """Return the stage's command line, without the module.

        Parameters
        ----------
        params : Path
            The params.yaml.
        inputs : Path
            The folder of the exports.
        root : Path
            The folder that all other paths are below.
        """
        words = ["--params", str(params)]
        for option, path in {**self.reads, **self.writes}.items():
            place = inputs if path == INPUT else root / path
            words += [f"--{option.replace('_', '-')}", str(place)]
        return words


LOG = {"log": "data/log"}
SNAPSHOTS = {"snapshots": "data/snapshots"}
FEATURES = {"features": "data/features"}
SEARCH = {"search": "models/search.json"}
PREDICTIONS = {"predictions": "data/predictions.parquet"}
MODEL = {"model": "models/prospect_model"}
SUMMARY = {"summary": "reports/ingest.json"}
EVALUATION = {"evaluation": "reports/evaluation.json"}
METRICS = "reports/metrics.json"
PLOTS = {"plots": "reports/plots"}
MANIFEST = {"manifest": "reports/prospects_manifest.json"}
PROSPECTS = {"prospects": "reports/prospects.parquet"}
CSV = {
    "csv": "reports/prospects.csv",
    "xlsx": "reports/prospects.xlsx",
    "json_lines": "reports/prospects.jsonl",
}
JOURNEY = {"journey": "reports/journey.json"}
MODEL_PAGE = {"model_page": "reports/model.html"}
RECEIPT = "reports/tracking.json"

LEARNING = ("journey", "snapshots", "features", "backtest", "model")
MEASUREMENT = ("journey", "measure", "experiments", "audit", "benchmarks", "bottlenecks")

STAGES = (
    PipelineStage(
        "ingest",
        "read the exports into one sorted event log",
        {"inputs": INPUT},
        {**LOG, "quarantine": "data/quarantine.parquet", **SUMMARY},
        ("ingest",),
    ),
    PipelineStage(
        "snapshot",
        "find the cohort at each as_of and label closed outcome windows",
        LOG,
        SNAPSHOTS,
        ("journey", "snapshots"),
    ),
    PipelineStage(
        "featurize",
        "compute the features of every snapshot",
        {**LOG, **SNAPSHOTS},
        FEATURES,
        ("journey", "features"),
    ),
    PipelineStage(
        "search",
        "tune hyper-parameters on data from before the backtest, if params.yaml asks for it",
        {**LOG, **SNAPSHOTS, **FEATURES},
        SEARCH,
        LEARNING,
    ),
    PipelineStage(
        "backtest",
        "write the out-of-time predictions of every model on every fold",
        {**LOG, **SNAPSHOTS, **FEATURES, **SEARCH},
        PREDICTIONS,
        LEARNING,
    ),
    PipelineStage(
        "evaluate",
        "compute metrics with confidence intervals, for the model and every baseline",
        PREDICTIONS,
        {**EVALUATION, "metrics": METRICS, **PLOTS},
        ("evaluate",),
        metrics=(METRICS,),
    ),
    PipelineStage(
        "train",
        "fit the model on every snapshot whose outcome window has closed",
        {**LOG, **SNAPSHOTS, **FEATURES, **SEARCH, **PREDICTIONS},
        MODEL,
        LEARNING,
    ),
    PipelineStage(
        "measure",
        "measure completion, velocity, paths, impact and experiments",
        LOG,
        {**JOURNEY, "tables": "reports/journey"},
        MEASUREMENT,
    ),
    PipelineStage(
        "score",
        "rank the prospects; the list is a preview until the model is promoted",
        {**LOG, **MODEL, **JOURNEY},
        {**PROSPECTS, **CSV, **MANIFEST},
        ("journey", "score"),
    ),
    PipelineStage(
        "report",
        "write the pages for sales, data science and marketing",
        {**PROSPECTS, **MANIFEST, **EVALUATION, **PLOTS, **MODEL, **JOURNEY},
        {
            "page": "reports/prospects.html",
            **MODEL_PAGE,
            "journey_page": "reports/journey.html",
        },
    ),
    PipelineStage(
        "track",
        "log the run to MLflow and register the model",
        {**LOG, **SUMMARY, **SEARCH, **EVALUATION, **PLOTS, **MODEL, **MANIFEST, **MODEL_PAGE},
        {"receipt": RECEIPT},
        tuple(name for name in Settings.model_fields if name not in NOT_LOGGED),
        uncached=(RECEIPT,),
    ),
)

PLOT_DEFINITIONS = {
    "Cumulative gains": (
        "by_model",
        "reports/plots/gain.csv",
        "share_of_rows",
        "share_of_conversions",
    ),
    "Calibration": ("by_model", "reports/plots/reliability.csv", "predicted", "observed"),
    "AUC by fold": ("by_fold", "reports/plots/folds.csv", "fold", "auc"),
}
"""Title of a plot of `dvc plots` → its template, its file, and the columns of its axes."""

SIMULATE = PipelineStage(
    "simulate",
    "write the exports of a simulated company, and the truth behind them",
    {},
    {"raw": "data/demo/raw", "truth": "data/demo/truth"},
    ("simulate",),
)
"""The stage of `data/demo/dvc.yaml`: it makes the demo's exports."""


def run_pipeline(
    params: Path, *, inputs: Path | None, root: Path, engine: EngineSettings | None = None
) -> Iterator[str]:
    """Run every stage in order in this process, and yield a sentence about each.

    One process imports the libraries once; as separate programs the stages would
    spend most of a small run on imports.

    Parameters
    ----------
    params : Path
        The params.yaml.
    inputs : Path or None
        Read instead of `ingest.input_dir`.
    root : Path
        Folder below which every output is written.
    engine : EngineSettings, optional
        Its name and master replace those of the section `engine`.

    Raises
    ------
    MissingInputError
        If the folder of the exports does not exist.
    BusyError
        If another run uses the same root.
    """
    folder = inputs or expand(read_settings(params).ingest.input_dir)
    if not folder.is_dir():
        raise MissingInputError(
            f"There is no folder {folder} to read exports from. Name it with --input, or set "
            f"`ingest.input_dir` in {params}."
        )
    with folder_lock(root, "running the pipeline in"):
        for stage in STAGES:
            function = getattr(import_module(f"microconv.stages.{stage.name}"), stage.name)
            arguments = stage.arguments(params, inputs=folder, root=root)
            if stage.name == "track":  # outside a repository the store is below the root
                arguments += ["--store", str(root)]
            yield call(function, arguments, engine=engine)
