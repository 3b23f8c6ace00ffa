"""evaluate: predictions → figures with intervals, beside every baseline's."""

from __future__ import annotations

import json
from pathlib import Path

from microconv.evaluation.backtest import Backtest
from microconv.evaluation.evaluate import evaluate as measure_all
from microconv.settings import Settings
from microconv.stages.shell import run
from microconv.storage.files import atomic_write


def evaluate(
    settings: Settings, *, predictions: Path, evaluation: Path, metrics: Path, plots: Path
) -> str:
    """Measure every model; nothing is fitted again."""
    done = measure_all(Backtest.read(predictions), settings.evaluate)
    done.write(evaluation, plots)
    with atomic_write(metrics) as fresh:
        fresh.write_text(json.dumps(done.report["headline"], indent=1) + "\n", encoding="utf-8")
    return str(done.report["verdict"]["says"])


if __name__ == "__main__":
    run(evaluate)
