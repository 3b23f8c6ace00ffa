"""The MLflow run log: one run per pipeline run, with parameters, metrics, files and model.

Written only by the stage `track`, from files. Their content decides whether there is
anything new: the same inputs are one run, however often the stage is executed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from microconv.errors import MissingInputError, listed
from microconv.settings import Settings
from microconv.storage.files import md5_of
from microconv.tracking.served import example_of, signature, write_artefact
from microconv.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

FINGERPRINT = "microconv.inputs"
"""Tag of a run: the md5 of all its inputs."""

CHALLENGER = "challenger"
"""Alias of the latest model version; `champion` is set by promotion."""

ARTIFACTS = ("evaluation", "search", "plots", "summary", "manifest", "model_page")
"""Files that the run keeps a copy of; not the list, which names people."""

MAX_PARAM_LENGTH = 500
"""Longer settings are only in params.json."""

MAX_LOGGED_STEPS = 500
"""Of a longer journey only the number of steps is a parameter; params.json has them all."""

PARAMS_PER_CALL, METRICS_PER_CALL = 100, 1000
"""MLflow's limits for one call."""


@dataclass(frozen=True)
class LoggedRun:
    """One pipeline run in MLflow.

    Attributes
    ----------
    run_id : str
    model : str
        The registered model.
    version : str
        The version of this run's model.
    fingerprint : str
        md5 of the settings and of every input.
    """

    run_id: str
    model: str
    version: str
    fingerprint: str


def log_run(settings: Settings, files: Mapping[str, Path], *, store: Store) -> LoggedRun:
    """Log a pipeline run to MLflow and register its model, unless that was done before.

    Parameters
    ----------
    settings : Settings
    files : mapping of str to Path
        Outputs of the run, by the names of the pipeline's stages: `model`, `evaluation`
        and `search` at least.
    store : Store

    Returns
    -------
    LoggedRun

    Raises
    ------
    MissingInputError
        If a file does not exist.
    TrackingError
        If the store fails.
    """
    missing = [path for path in files.values() if not path.exists()]
    if missing:
        raise MissingInputError(f"Nothing to log at {listed(missing)}. Run `dvc repro` first.")
    digests = {name: md5_of(path) for name, path in files.items()}
    # the times of the trials make no difference; the result of the search is in the model
    inputs = {name: digest for name, digest in digests.items() if name != "search"}
    content = json.dumps([_logged_settings(settings), inputs], sort_keys=True)
    fingerprint = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    name = settings.track.registered_model
    with store.open() as client:
        experiment = store.experiment(client, settings.track.experiment)
        found = _find(client, experiment, fingerprint, name)
        if found is None:
            found = _write(
                client, experiment, settings, files, {FINGERPRINT: fingerprint, **digests}
            )
        run_id, number = found
        client.set_registered_model_alias(name, CHALLENGER, number)
    return LoggedRun(run_id, name, number, fingerprint)


def _find(
    client: MlflowClient, experiment: str, fingerprint: str, name: str
) -> tuple[str, str] | None:
    """Find a finished run with the same inputs, and its model version."""
    same = f"tags.`{FINGERPRINT}` = '{fingerprint}' and attributes.status = 'FINISHED'"
    for run in client.search_runs([experiment], filter_string=same):
        for version_ in client.search_model_versions(f"run_id = '{run.info.run_id}'"):
            if version_.name == name:
                return str(run.info.run_id), str(version_.version)
    return None


def _write(
    client: MlflowClient,
    experiment: str,
    settings: Settings,
    files: Mapping[str, Path],
    digests: dict[str, str],
) -> tuple[str, str]:
    import mlflow

    evaluation = json.loads(files["evaluation"].read_text(encoding="utf-8"))
    fingerprint = digests.pop(FINGERPRINT)
    tags = {f"microconv.md5.{name}": digest for name, digest in digests.items()} | _commit()
    with mlflow.start_run(experiment_id=experiment, tags=tags) as run:
        run_id = run.info.run_id
        _log_params(client, run_id, settings)
        _log_metrics(client, run_id, evaluation["models"][evaluation["candidate"]])
        _log_files(client, run_id, files, digests)
        for name, model in evaluation["models"].items():
            with mlflow.start_run(
                experiment_id=experiment, run_name=name, nested=True
            ) as candidate:
                _log_metrics(client, candidate.info.run_id, model)
        for trial in json.loads(files["search"].read_text(encoding="utf-8"))["trials"]:
            _log_trial(client, experiment, trial)
        number = _register(settings, files["model"])
        client.set_tag(run_id, FINGERPRINT, fingerprint)  # last: an interrupted run does not count
    return str(run_id), number


def _log_params(client: MlflowClient, run_id: str, settings: Settings) -> None:
    from mlflow.entities import Param

    logged = _logged_settings(settings)
    params = [
        Param(key, text)
        for key, value in _leaves(_shortened(logged))
        if len(text := value if isinstance(value, str) else json.dumps(value)) <= MAX_PARAM_LENGTH
    ]
    for first in range(0, len(params), PARAMS_PER_CALL):
        client.log_batch(run_id, params=params[first : first + PARAMS_PER_CALL])
    client.log_dict(run_id, logged, "params.json")


def _shortened(logged: dict[str, Any]) -> dict[str, Any]:
    """Replace very many steps by their number: each would be seven parameters."""
    journey = logged["journey"]
    n_steps = len(journey["steps"])
    if n_steps <= MAX_LOGGED_STEPS:
        return logged
    return {**logged, "journey": {**journey, "steps": f"{n_steps:,} steps, in params.json"}}


def _log_metrics(client: MlflowClient, run_id: str, model: dict[str, Any]) -> None:
    """Log the pooled metrics, and those of each fold as a step of `fold.…`."""
    from mlflow.entities import Metric

    metrics = [Metric(key, value, 0, 0) for key, value in _numbers(model["pooled"])]
    for step, fold in enumerate(sorted(model["folds"])):
        metrics += [
            Metric(f"fold.{key}", value, 0, step) for key, value in _numbers(model["folds"][fold])
        ]
    for first in range(0, len(metrics), METRICS_PER_CALL):
        client.log_batch(run_id, metrics=metrics[first : first + METRICS_PER_CALL])


def _log_trial(client: MlflowClient, experiment: str, trial: Mapping[str, Any]) -> None:
    """Log one trial of the search as a child of the open run; a pruned one has no loss."""
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


def _log_files(
    client: MlflowClient, run_id: str, files: Mapping[str, Path], digests: Mapping[str, str]
) -> None:
    """Log every file with its digest, and copies of the reports."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(name, digests[name], "local", json.dumps({"uri": str(path)})),
            tags=[InputTag("mlflow.data.context", name)],
        )
        for name, path in files.items()
    ]
    client.log_inputs(run_id, inputs)
    for path in (files[name] for name in ARTIFACTS):
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        else:
            client.log_artifact(run_id, str(path))


def _register(settings: Settings, model: Path) -> str:
    """Register the model with the score settings of the run, and the function that scores."""
    import mlflow

    with TemporaryDirectory(prefix="microconv-") as folder:
        artefact = Path(folder, "scoring")
        write_artefact(artefact, model, settings.score)
        logged = mlflow.pyfunc.log_model(
            name="model",
            loader_module="microconv.tracking.served",
            data_path=str(artefact),
            signature=signature(),
            input_example=example_of(model),
            pip_requirements=[
                f"microconv=={version('microconv')}",
                f"mlflow=={mlflow.__version__}",
            ],
            registered_model_name=settings.track.registered_model,
        )
    return str(logged.registered_model_version)


def _logged_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that can change a result."""
    left_out = {"engine", "simulate", "extract", "deliver"}
    return settings.model_dump(mode="json", exclude=left_out)


def _commit() -> dict[str, str]:
    """Return the commit of the code as a tag, where there is a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"mlflow.source.git.commit": done.stdout.strip()}


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _numbers(tree: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in _leaves(tree):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield key.removesuffix(".value"), float(value)
