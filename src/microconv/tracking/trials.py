"""The trials of a search in the diary: a run each, below the run of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient


def log_trial(client: MlflowClient, experiment: str, trial: Mapping[str, Any]) -> None:
    """Write one trial below the run that is open.

    Parameters
    ----------
    client : MlflowClient
    experiment : str
        Its id.
    trial : mapping
        As in `search.json`: `number`, `settings`, `running`, `loss`, `pruned`, `chosen`,
        `seconds`. A pruned trial has no `loss`.
    """
    import mlflow
    from mlflow.entities import Metric, Param

    tags = {f"microconv.{name}": str(trial[name]).lower() for name in ("pruned", "chosen")}
    params = [
        Param(f"{part}.{name}", str(value))
        for part, settings in trial["settings"].items()
        for name, value in settings.items()
    ]
    metrics = [Metric("running_log_loss", v, 0, step) for step, v in enumerate(trial["running"])]
    metrics.append(Metric("seconds", trial["seconds"], 0, 0))
    if trial["loss"] is not None:
        metrics.append(Metric("log_loss", trial["loss"], 0, 0))
    name = f"trial {trial['number']:03d}"
    with mlflow.start_run(experiment_id=experiment, run_name=name, nested=True, tags=tags) as run:
        client.log_batch(run.info.run_id, metrics=metrics, params=params)
