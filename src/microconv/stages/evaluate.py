"""Stage `evaluate`: metrics with confidence intervals, for the model and every baseline."""

from __future__ import annotations

import json
from pathlib import Path

from microconv.evaluation.backtest import Backtest
from microconv.evaluation.evaluate import evaluate as compute_metrics
from microconv.settings import Settings
from microconv.stages.runner import run
from microconv.storage.files import atomic_write


def evaluate(
    settings: Settings, *, predictions: Path, evaluation: Path, metrics: Path, plots: Path
) -> str:
    """Compute the metrics of every model from its predictions; nothing is fitted again.

    Parameters
    ----------
    settings : Settings
    predictions : Path
        What it reads.
    evaluation, metrics, plots : Path
        What it writes.
    """
    done = compute_metrics(Backtest.read(predictions), settings.evaluate)
    done.write(evaluation, plots)
    with atomic_write(metrics) as fresh:
        fresh.write_text(json.dumps(done.report["headline"], indent=1) + "\n", encoding="utf-8")
    return str(done.report["verdict"]["summary"])


if __name__ == "__main__":
    run(evaluate)
