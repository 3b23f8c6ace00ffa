"""The stages in their order: what each reads, writes and is set by.

The one table behind ``microconv run``. `dvc.yaml` says the same in DVC's words,
with the code of each stage besides; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from microconv.errors import MissingInputError
from microconv.ingest.input_files import expand
from microconv.settings import EngineSettings, Settings, read_settings
from microconv.stages.shell import call

INPUT = "${ingest.input_dir}"
"""Stands for the folder of the exports, in the words of `dvc.yaml`."""

UNRECORDED = ("simulate", "engine", "extract", "deliver")
"""Sections that change neither model nor list, and so have no place in the diary."""


@dataclass(frozen=True)
class PipelineStage:
    """One stage: option → path, below the root, for what it reads and what it writes.

    Attributes
    ----------
    name : str
        Of the stage, and of its module in :mod:`microconv.stages`.
    reads, writes : mapping of str to str
    sections : tuple of str
        The sections of params.yaml that change what it writes.
    """

    name: str
    reads: Mapping[str, str]
    writes: Mapping[str, str]
    sections: tuple[str, ...] = field(default=())

    def arguments(self, params: Path, *, inputs: Path, root: Path) -> list[str]:
        """Write the stage's command line, without the module."""
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
METRICS = {"metrics": "reports/metrics.json"}
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
PAGES = {
    "page": "reports/prospects.html",
    **MODEL_PAGE,
    "journey_page": "reports/journey.html",
}
RECEIPT = {"receipt": "reports/tracking.json"}

STAGES = (
    PipelineStage(
        "ingest",
        {"inputs": INPUT},
        {**LOG, "quarantine": "data/quarantine.parquet", **SUMMARY},
        ("ingest",),
    ),
    PipelineStage("snapshot", LOG, SNAPSHOTS, ("journey", "snapshots")),
    PipelineStage("featurize", {**LOG, **SNAPSHOTS}, FEATURES, ("journey", "features")),
    PipelineStage(
        "search",
        {**LOG, **SNAPSHOTS, **FEATURES},
        SEARCH,
        ("journey", "snapshots", "features", "backtest", "model"),
    ),
    PipelineStage(
        "backtest",
        {**LOG, **SNAPSHOTS, **FEATURES, **SEARCH},
        PREDICTIONS,
        ("journey", "snapshots", "features", "backtest", "model"),
    ),
    PipelineStage("evaluate", PREDICTIONS, {**EVALUATION, **METRICS, **PLOTS}, ("evaluate",)),
    PipelineStage(
        "train",
        {**LOG, **SNAPSHOTS, **FEATURES, **SEARCH, **PREDICTIONS},
        MODEL,
        ("journey", "snapshots", "features", "backtest", "model"),
    ),
    PipelineStage(
        "measure",
        LOG,
        {**JOURNEY, "tables": "reports/journey"},
        ("journey", "measure", "experiments", "audit", "benchmarks", "bottlenecks"),
    ),
    PipelineStage(
        "score", {**LOG, **MODEL, **JOURNEY}, {**PROSPECTS, **CSV, **MANIFEST}, ("journey", "score")
    ),
    PipelineStage(
        "report", {**PROSPECTS, **MANIFEST, **EVALUATION, **PLOTS, **MODEL, **JOURNEY}, PAGES
    ),
    PipelineStage(
        "track",
        {**LOG, **SUMMARY, **SEARCH, **EVALUATION, **PLOTS, **MODEL, **MANIFEST, **MODEL_PAGE},
        RECEIPT,
        tuple(name for name in Settings.model_fields if name not in UNRECORDED),
    ),
)


def run_pipeline(
    params: Path, *, inputs: Path | None, root: Path, engine: EngineSettings | None = None
) -> Iterator[str]:
    """Run every stage in order, in this process, and yield what each has to say.

    One process reads the libraries once: as nine programs the stages would
    spend most of a small run on imports.

    Parameters
    ----------
    params : Path
        The params.yaml.
    inputs : Path or None
        Takes the place of `ingest.input_dir`.
    root : Path
        Folder below which every output is written.
    engine : EngineSettings, optional
        Name and master in place of those of the section `engine`.

    Raises
    ------
    MissingInputError
        If the folder of the exports does not exist.
    """
    folder = inputs or expand(read_settings(params).ingest.input_dir)
    if not folder.is_dir():
        raise MissingInputError(
            f"There is no folder {folder} to read exports from. Name it with --input, or set "
            f"`ingest.input_dir` in {params}."
        )
    for stage in STAGES:
        function = getattr(import_module(f"microconv.stages.{stage.name}"), stage.name)
        arguments = stage.arguments(params, inputs=folder, root=root)
        if stage.name == "track":  # no repository says where the diary is
            arguments += ["--store", str(root)]
        yield call(function, arguments, engine=engine)
