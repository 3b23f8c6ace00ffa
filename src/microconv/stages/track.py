"""Stage `track`: log the run to MLflow and register its model, once for the same inputs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from microconv.settings import Settings
from microconv.stages.runner import run
from microconv.storage.files import atomic_write
from microconv.tracking.run_log import log_run
from microconv.tracking.store import Store


def track(
    settings: Settings,
    *,
    log: Path,
    summary: Path,
    search: Path,
    evaluation: Path,
    plots: Path,
    model: Path,
    manifest: Path,
    model_page: Path,
    receipt: Path,
    store: Path | None = None,
) -> str:
    """Log the outputs of the other stages to MLflow, and write a receipt.

    Parameters
    ----------
    settings : Settings
    log, summary, search, evaluation, plots, model, manifest, model_page : Path
        What it reads.
    receipt : Path
        What it writes.
    store : Path, optional
        Folder of the MLflow database; by default the repository.
    """
    files = {
        "log": log,
        "summary": summary,
        "search": search,
        "evaluation": evaluation,
        "plots": plots,
        "model": model,
        "manifest": manifest,
        "model_page": model_page,
    }
    entry = log_run(settings, files, store=Store.find(store))
    with atomic_write(receipt) as fresh:
        fresh.write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")
    return f"run {entry.run_id}, {entry.model} version {entry.version} is the challenger"


if __name__ == "__main__":
    run(track)
