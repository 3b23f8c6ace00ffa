"""All lists below a folder, each once, in time; those that nobody can vouch for are named."""

from __future__ import annotations

from pathlib import Path

from microconv.errors import ListError, MissingInputError
from microconv.ranking.output.past_lists import MANIFEST, PastList, read_list


def read_past_lists(folder: Path) -> tuple[list[PastList], dict[str, str]]:
    """Read every list below a folder, expired ones too.

    Parameters
    ----------
    folder : Path
        Holds lists, each in a folder of its own at any depth.

    Returns
    -------
    lists : list of PastList
        The earliest first; a list that lies there twice counts once.
    refused : dict of str to str
        Folder → why its list cannot be used.

    Raises
    ------
    MissingInputError
        If there is no list at all.
    """
    lists: dict[str, PastList] = {}
    refused: dict[str, str] = {}
    for at in sorted(folder.rglob(MANIFEST)):
        try:
            found = read_list(at.parent, at=None)
            lists.setdefault(found.manifest["list_id"], found)
        except (ListError, MissingInputError) as error:
            refused[str(at.parent.relative_to(folder))] = str(error)
    if not lists and not refused:
        raise MissingInputError(
            f"There is no list below {folder} (no {MANIFEST}). Keep each list that "
            "`microconv score` writes in a folder of its own, and name the folder that holds them."
        )
    return sorted(lists.values(), key=lambda past: (past.as_of, past.manifest["list_id"])), refused
