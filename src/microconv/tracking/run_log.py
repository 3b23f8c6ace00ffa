"""The diary: one run per pipeline run, with its parameters, figures, files and model.

Written by the stage `track` alone, from files. What is in the files decides
whether there is anything new: the same inputs are the same entry, however
often the stage is run.
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
from microconv.tracking.trials import log_trial

if TYPE_CHECKING:
    from mlflow import MlflowClient

FINGERPRINT = "microconv.inputs"
"""The tag that holds the md5 of all that an entry was made from."""

CHALLENGER = "challenger"
"""The alias of the latest model version; `champion` is given by people."""

KEPT = ("evaluation", "search", "plots", "summary", "manifest", "model_page")
"""Files that the entry keeps a copy of. The list is not among them: it names people."""

LONGEST_PARAM = 500
"""Settings longer than this, like a journey, are kept as a file and not as a parameter."""

MANY_STEPS = 500
"""Of a longer journey the parameters say how many steps it has; params.json has them all."""

MANY_PARAMS = 100
"""As many parameters as MLflow takes in one call."""


@dataclass(frozen=True)
class Entry:
    """One entry of the diary.

    Attributes
    ----------
    run_id : str
    model : str
        The registered model.
    version : str
        Its version that this run's model is.
    fingerprint : str
        md5 of the settings and of every input.
    """

    run_id: str
    model: str
    version: str
    fingerprint: str


def log_run(settings: Settings, files: Mapping[str, Path], *, store: Store) -> Entry:
    """Write a pipeline run into the diary, unless it is there already.

    Parameters
    ----------
    settings : Settings
    files : mapping of str to Path
        What the run left behind, by the names of the pipeline's table: `model`,
        `evaluation` and `search` at least.
    store : Store

    Raises
    ------
    MissingInputError
        If one of the files is not there.
    TrackingError
        If the store refuses.
    """
    missing = [path for path in files.values() if not path.exists()]
    if missing:
        raise MissingInputError(f"There is nothing to track at {listed(missing)}. Run `dvc repro`.")
    digests = {name: md5_of(path) for name, path in files.items()}
    # how long a trial took is no difference; what the search found is in the model
    same = {name: digest for name, digest in digests.items() if name != "search"}
    content = json.dumps([_said(settings), same], sort_keys=True)
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
    return Entry(run_id, name, number, fingerprint)


def _find(
    client: MlflowClient, experiment: str, fingerprint: str, name: str
) -> tuple[str, str] | None:
    """Find a finished entry of the same inputs, and its model version."""
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
        _log_figures(client, run_id, evaluation["models"][evaluation["candidate"]])
        _log_files(client, run_id, files, digests)
        for name, figures in evaluation["models"].items():
            with mlflow.start_run(
                experiment_id=experiment, run_name=name, nested=True
            ) as candidate:
                _log_figures(client, candidate.info.run_id, figures)
        for trial in json.loads(files["search"].read_text(encoding="utf-8"))["trials"]:
            log_trial(client, experiment, trial)
        number = _register(settings, files["model"])
        client.set_tag(run_id, FINGERPRINT, fingerprint)  # last: an entry cut short is none
    return str(run_id), number


def _log_params(client: MlflowClient, run_id: str, settings: Settings) -> None:
    from mlflow.entities import Param

    said = _said(settings)
    params = [
        Param(key, text)
        for key, value in _leaves(_in_short(said))
        if len(text := value if isinstance(value, str) else json.dumps(value)) <= LONGEST_PARAM
    ]
    for first in range(0, len(params), MANY_PARAMS):
        client.log_batch(run_id, params=params[first : first + MANY_PARAMS])
    client.log_dict(run_id, said, "params.json")


def _in_short(said: dict[str, Any]) -> dict[str, Any]:
    """Leave very many steps to the file: each is seven parameters, and a row of each is slow."""
    journey = said["journey"]
    n_steps = len(journey["steps"])
    if n_steps <= MANY_STEPS:
        return said
    return {**said, "journey": {**journey, "steps": f"{n_steps:,} steps, in params.json"}}


def _log_figures(client: MlflowClient, run_id: str, figures: dict[str, Any]) -> None:
    """Write pooled figures as they are, and each fold's as a step of `fold.…`."""
    from mlflow.entities import Metric

    metrics = [Metric(key, value, 0, 0) for key, value in _numbers(figures["pooled"])]
    for step, fold in enumerate(sorted(figures["folds"])):
        metrics += [
            Metric(f"fold.{key}", value, 0, step) for key, value in _numbers(figures["folds"][fold])
        ]
    for first in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics=metrics[first : first + 1000])


def _log_files(
    client: MlflowClient, run_id: str, files: Mapping[str, Path], digests: Mapping[str, str]
) -> None:
    """Name every file by its digest, and keep copies of the reports."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    named = [
        DatasetInput(
            Dataset(name, digests[name], "local", json.dumps({"uri": str(path)})),
            tags=[InputTag("mlflow.data.context", name)],
        )
        for name, path in files.items()
    ]
    client.log_inputs(run_id, named)
    for path in (files[name] for name in KEPT):
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


def _said(settings: Settings) -> dict[str, Any]:
    """Say what can change a result: threads and databases cannot, a demo is its exports."""
    left_out = {"engine", "simulate", "extract", "deliver"}
    return settings.model_dump(mode="json", exclude=left_out)


def _commit() -> dict[str, str]:
    """Find the commit that the code is of, where there is a repository."""
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
