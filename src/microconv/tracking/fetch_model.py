"""The model registry: from the address of a registered model to its folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from microconv.errors import TrackingError
from microconv.settings import ScoreSettings
from microconv.tracking.served import MODEL, read_score_settings
from microconv.tracking.store import Store

SCHEME = "models:/"
"""Prefix of the address of a registered model."""

CHAMPION = "champion"
"""Alias of the model that is used for calling lists."""

ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class Registered:
    """A model in a local folder.

    Attributes
    ----------
    folder : Path
        What :meth:`ProspectModel.load` reads.
    version : str
        Name and version, like `major-conversion/3`.
    promoted : bool
        Whether the address was that of the champion.
    score_settings : ScoreSettings or None
        Those of the run that registered it; None for a model in a folder.
    """

    folder: Path
    version: str
    promoted: bool
    score_settings: ScoreSettings | None = None


@contextmanager
def fetched(address: str, store: Store) -> Iterator[Registered]:
    """Fetch a registered model into a temporary folder.

    Parameters
    ----------
    address : str
        `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
    store : Store

    Yields
    ------
    Registered

    Raises
    ------
    TrackingError
        If the address is invalid, or there is no such model or no registry.
    """
    parts = ADDRESS.fullmatch(address)
    if parts is None:
        raise TrackingError(
            f"`{address}` is not the address of a registered model. Write it like "
            f"`{SCHEME}major-conversion@challenger` or `{SCHEME}major-conversion/3`."
        )
    name, alias = parts["name"], parts["alias"]
    store.require_there()
    with TemporaryDirectory(prefix="microconv-") as folder:
        with store.open() as client:
            import mlflow

            number = parts["version"] or client.get_model_version_by_alias(name, alias).version
            place = mlflow.artifacts.download_artifacts(f"{SCHEME}{name}/{number}", dst_path=folder)
            flavor = mlflow.models.Model.load(place).flavors["python_function"]
        artefact = Path(place, flavor["data"])
        if not (artefact / MODEL).is_dir():
            raise TrackingError(
                f"{name} version {number} was registered by an earlier microconv. Train the model "
                "again and register it with the stage `track`."
            )
        yield Registered(
            artefact / MODEL,
            f"{name}/{number}",
            alias == CHAMPION,
            read_score_settings(artefact),
        )


@contextmanager
def model_at(address: str) -> Iterator[Registered]:
    """Find a model by its folder, or in the registry by its address.

    Raises
    ------
    TrackingError
        If there is no such model in the registry, or no registry.
    """
    if address.startswith(SCHEME):
        with fetched(address, Store.find()) as model:
            yield model
    else:
        yield Registered(Path(address), version="", promoted=False)
