"""Reading the outputs of earlier stages, and writing the pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from microconv.errors import MicroconvError, MissingInputError
from microconv.model.prospect_model import ProspectModel
from microconv.report.journey_page import journey_page
from microconv.report.model_page import ModelScope, model_page
from microconv.report.prospects_page import prospects_page
from microconv.storage.files import atomic_write, md5_of

PLOTS = ("gain", "reliability", "folds")
"""Tables in the folder of plots that are drawn."""


@dataclass(frozen=True)
class PageInputs:
    """The files that the pages are made from.

    Attributes
    ----------
    prospects, manifest : Path
        The list as Parquet, and its manifest.
    evaluation, plots : Path
        The evaluation as JSON, and the folder of its tables.
    model : Path
    """

    prospects: Path
    manifest: Path
    evaluation: Path
    plots: Path
    model: Path


def write_pages(inputs: PageInputs, *, page: Path, model_page_at: Path) -> dict[str, Any]:
    """Write the prospect list and the model card.

    Parameters
    ----------
    inputs : PageInputs
    page, model_page_at : Path
        Where the two are written.

    Returns
    -------
    dict
        The manifest of the list.

    Raises
    ------
    MissingInputError
        If a file is missing.
    MicroconvError
        If the list does not match its manifest.
    """
    for path in (inputs.prospects, inputs.manifest, inputs.evaluation, inputs.plots):
        if not path.exists():
            raise MissingInputError(
                f"There is no {path.name} in {path.parent}. Run the stages before `report` first."
            )
    manifest, evaluation = _read_json(inputs.manifest), _read_json(inputs.evaluation)
    if md5_of(inputs.prospects) != manifest["files"]["prospects"]:
        raise MicroconvError(
            f"{inputs.prospects} does not match {inputs.manifest}: its md5 differs. The two belong "
            "to different runs; run the stage `score` again."
        )
    model = ProspectModel.load(inputs.model)
    frame = pd.read_parquet(inputs.prospects)
    tables = {name: pd.read_csv(inputs.plots / f"{name}.csv") for name in PLOTS}
    _write(page, prospects_page(frame, manifest, evaluation, facts=model.facts))
    status = manifest["status"]
    card = model_page(
        evaluation, tables, facts=model.facts, scope=ModelScope.of(model), status=status
    )
    _write(model_page_at, card)
    return manifest


def write_journey_page(journey: Path, *, page: Path) -> None:
    """Write the journey page.

    Parameters
    ----------
    journey : Path
        Output of the stage `measure`.
    page : Path
        Where it is written.

    Raises
    ------
    MissingInputError
        If there is no such file.
    """
    if not journey.exists():
        raise MissingInputError(
            f"There is no {journey.name} in {journey.parent}. Run the stage `measure` first."
        )
    _write(page, journey_page(_read_json(journey)))


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _write(path: Path, content: str) -> None:
    with atomic_write(path) as fresh:
        fresh.write_text(content, encoding="utf-8")
