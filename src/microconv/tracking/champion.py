"""The champion in the registry: read it, set it, roll it back.

The alias in the registry decides; it is moved by one call, the last one. The list of
former champions is a tag, written before. A process that is killed in between leaves the
old champion and a list whose last entry is not the champion: that entry is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from microconv.errors import PromotionError, TrackingError
from microconv.model.prospect_model import ProspectModel
from microconv.tracking.fetch_model import CHAMPION, SCHEME, fetched
from microconv.tracking.run_log import CHALLENGER
from microconv.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPIONS = "microconv.champions"
"""Tag of the registered model: the versions that have been champion, the latest last."""

BECAUSE = "microconv.because"
"""Tag of a version: why it was promoted despite its blockers."""

BLOCKERS = "microconv.blockers"
"""Tag of a version: the codes of its blockers when it was promoted."""

EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model with its evaluation.

    Attributes
    ----------
    number : str
        Its version.
    model : ProspectModel
    evaluation : dict or None
        The evaluation of its run, if it has one.
    """

    number: str
    model: ProspectModel = field(repr=False)
    evaluation: dict[str, Any] | None = field(repr=False)


@dataclass(frozen=True)
class RegistryStatus:
    """Challenger, champion and former champions of a registered model.

    Attributes
    ----------
    challenger, champion : str or None
        Versions.
    former : tuple of str
        Champions before the current one, the latest last.
    """

    challenger: str | None
    champion: str | None
    former: tuple[str, ...]


def registry_status(name: str, store: Store) -> RegistryStatus:
    """Read challenger, champion and former champions of a registered model.

    Parameters
    ----------
    name : str
        Of the registered model.
    store : Store

    Raises
    ------
    TrackingError
        If no model is registered under that name.
    """
    with store.open() as client:
        return _standing(client, name)


def _standing(client: MlflowClient, name: str) -> RegistryStatus:
    found = [m for m in client.search_registered_models(f"name = '{name}'") if m.name == name]
    if not found:
        raise TrackingError(
            f"No model is registered under the name `{name}`. Run the stage `track` first, or "
            "check `track.registered_model`."
        )
    registered = client.get_registered_model(name)
    aliases = {alias: str(number) for alias, number in registered.aliases.items()}
    champion = aliases.get(CHAMPION)
    written = tuple(json.loads(registered.tags.get(CHAMPIONS, "[]")))
    return RegistryStatus(aliases.get(CHALLENGER), champion, former_champions(written, champion))


def former_champions(written: tuple[str, ...], champion: str | None) -> tuple[str, ...]:
    """Return the champions before the current one.

    Entries after the current champion never took effect, or were rolled back. A champion
    that is not in the list was set by hand: all entries were champions before it.

    Parameters
    ----------
    written : tuple of str
        The list in the tag, the latest last.
    champion : str or None
        The current one.

    Examples
    --------
    >>> former_champions(("1", "2"), "2"), former_champions(("1", "2"), "1")
    (('1',), ())
    >>> former_champions(("1",), "5"), former_champions((), None)
    (('1',), ())
    """
    if champion is None:
        return ()
    if champion not in written:
        return written
    last = len(written) - 1 - written[::-1].index(champion)
    return written[:last]


@contextmanager
def fetch_version(name: str, number: str, store: Store) -> Iterator[ModelVersion]:
    """Fetch a version's model and evaluation.

    Parameters
    ----------
    name, number : str
        Registered model and version.
    store : Store
    """
    with fetched(f"{SCHEME}{name}/{number}", store) as at:
        model = ProspectModel.load(at.folder)
    with store.open() as client:
        evaluation = _evaluation(client, client.get_model_version(name, number).run_id)
    yield ModelVersion(number, model, evaluation)


def _evaluation(client: MlflowClient, run_id: str | None) -> dict[str, Any] | None:
    if not run_id or EVALUATION not in {file.path for file in client.list_artifacts(run_id)}:
        return None
    with TemporaryDirectory(prefix="microconv-") as folder:
        file = Path(client.download_artifacts(run_id, EVALUATION, folder))
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def set_champion(
    name: str, number: str, *, store: Store, because: str | None, blockers: tuple[str, ...] = ()
) -> RegistryStatus:
    """Make a version the champion; the alias moves last.

    Parameters
    ----------
    name, number : str
    store : Store
    because : str or None
        Reason to promote despite the blockers; kept as a tag of the version.
    blockers : tuple of str
        Codes, kept as another tag.

    Returns
    -------
    RegistryStatus
        Afterwards.
    """
    with store.open() as client:
        now = _standing(client, name)
        before = (*now.former, *([] if now.champion is None else [now.champion]))
        client.set_registered_model_tag(name, CHAMPIONS, json.dumps([*before, number]))
        client.set_model_version_tag(name, number, BECAUSE, because or "")
        client.set_model_version_tag(name, number, BLOCKERS, json.dumps(blockers))
        client.set_registered_model_alias(name, CHAMPION, number)
        return _standing(client, name)


def roll_back(name: str, *, store: Store) -> tuple[str, str]:
    """Make the previous champion the champion again.

    Parameters
    ----------
    name : str
        Of the registered model.
    store : Store

    Returns
    -------
    tuple of str
        The version that was the champion, and the one that is now.

    Raises
    ------
    PromotionError
        If there is no previous champion.
    """
    with store.open() as client:
        now = _standing(client, name)
        if now.champion is None:
            raise PromotionError(
                f"No version of `{name}` was ever promoted, so there is nothing to roll back."
            )
        if not now.former:
            raise PromotionError(
                f"Version {now.champion} of `{name}` is the first champion, so there is no "
                "previous one. Promote another version instead."
            )
        previous = now.former[-1]
        client.set_registered_model_alias(name, CHAMPION, previous)
        client.set_registered_model_tag(name, CHAMPIONS, json.dumps(now.former))
    return now.champion, previous
