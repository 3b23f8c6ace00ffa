"""What `microconv migrate` does: a params.yaml with old keys → the same file with today's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from microconv.errors import MissingInputError, SettingsError
from microconv.settings.renamed import new_name
from microconv.storage.files import atomic_write


def migrate(path: Path) -> list[str]:
    """Rewrite a params.yaml so that it uses today's keys; everything else stays as it is.

    Parameters
    ----------
    path : Path
        Replaced as a whole, or left alone if nothing in it was renamed.

    Returns
    -------
    list of str
        What was renamed, one line per key; empty if the file is up to date.

    Raises
    ------
    MissingInputError
        If there is no such file.
    SettingsError
        If it is not readable YAML, or names a key by its old and its new name.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        root = yaml.compose(text, yaml.CSafeLoader)
    except FileNotFoundError:
        raise MissingInputError(f"There is no parameter file at {path}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not readable YAML: {error}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from None
    found = {key.start_mark.index: (key, name, at) for key, name, at in _renames(root, ())}
    for start, (key, name, _) in sorted(found.items(), reverse=True):
        text = text[:start] + name + text[key.end_mark.index :]
    if found:
        with atomic_write(path) as fresh:
            fresh.write_bytes(text.encode("utf-8"))
    return [
        f"line {key.start_mark.line + 1}: {'.'.join((*at, key.value))} → {name}"
        for _, (key, name, at) in sorted(found.items())
    ]


def _renames(
    node: yaml.Node | None, at: tuple[str, ...]
) -> Iterator[tuple[yaml.ScalarNode, str, tuple[str, ...]]]:
    """Find the keys with an old name below a node of the file."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _renames(item, (*at, "*"))
    if not isinstance(node, yaml.MappingNode):
        return
    present = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
    for key, value in node.value:
        name = new_name(at, key.value) if isinstance(key, yaml.ScalarNode) else None
        if name in present:
            raise SettingsError(
                f"`{'.'.join(at)}` has both `{key.value}` (the old name) and `{name}` (the new "
                f"one), in line {key.start_mark.line + 1}. Remove one of them."
            )
        if name is not None:
            yield key, name, at
        yield from _renames(value, (*at, name or str(key.value)))
