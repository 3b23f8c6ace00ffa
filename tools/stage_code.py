"""Which files of the package each DVC stage runs, found from its imports.

``python tools/stage_code.py`` says where a `dvc.yaml` is wrong;
``python tools/stage_code.py --write`` puts it right (only the code among the
deps; data, params and outs are for a person to declare).

A stage runs its module, whatever that imports (inside functions too), the
`__init__` of every package on the way, and the files other than Python
(templates, tables of words) that lie in a package it uses.
"""

from __future__ import annotations

import argparse
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import grimp
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path("src")
PACKAGE = "microconv"
DVC_FILES = (Path("dvc.yaml"), Path("data/demo/dvc.yaml"))
MODULE = re.compile(r"-m (microconv[\w.]+)")
NOT_CODE = {"__pycache__", "py.typed"}


def code_of(module: str) -> set[Path]:
    """List the files that running a module depends on, relative to the repository."""
    modules = _closure(module)
    files = {_file_of(name) for name in modules}
    used = {file.parent for file in files if file.name != "__init__.py"}
    return files | {file for file in _data_files() if _package_of(file) in used}


def declared(stage: Any) -> set[Path]:
    """List the files of the package that a stage of a `dvc.yaml` declares, folders unfolded."""
    files: set[Path] = set()
    for dep in map(Path, stage["deps"]):
        if dep.is_relative_to(SOURCE):
            files |= set(_files_below(dep)) if (ROOT / dep).is_dir() else {dep}
    return files


def folded(files: set[Path]) -> list[str]:
    """Name a folder in place of its files wherever most of them are meant.

    DVC reads and writes its whole lock around every stage: file by file, that alone took
    half a minute of a run. A stage that runs most of a room runs again when any of it changes.
    """

    def fold(folder: Path) -> list[Path]:
        inside = set(_files_below(folder))
        if 2 * len(inside & files) > len(inside):
            return [folder]
        names: list[Path] = []
        for entry in sorted({folder / file.relative_to(folder).parts[0] for file in inside}):
            names += fold(entry) if (ROOT / entry).is_dir() else [entry] * (entry in files)
        return names

    return [path.as_posix() for path in fold(SOURCE / PACKAGE)]


def stages_of(dvc_file: Path) -> dict[str, Any]:
    """Read the stages of a `dvc.yaml` that run a module of the package."""
    content = YAML().load(ROOT / dvc_file)
    return {name: s for name, s in content["stages"].items() if MODULE.search(s["cmd"])}


def module_of(stage: Any) -> str:
    """Name the module that a stage runs."""
    found = MODULE.search(stage["cmd"])
    assert found is not None
    return found.group(1)


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)


def _closure(module: str) -> set[str]:
    """Follow imports; what the package's own `__init__` offers lazily is not followed."""
    found: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        parts = name.split(".")
        parents = {".".join(parts[:k]) for k in range(1, len(parts))}
        imported = set() if name == PACKAGE else _graph().find_modules_directly_imported_by(name)
        waiting |= (imported | parents) - found
    return found


def _file_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    package = path / "__init__.py"
    return package if (ROOT / package).exists() else path.with_suffix(".py")


def _files_below(folder: Path) -> list[Path]:
    return [
        file.relative_to(ROOT)
        for file in sorted((ROOT / folder).rglob("*"))
        if file.is_file() and not NOT_CODE.intersection(file.parts)
    ]


def _data_files() -> list[Path]:
    return [file for file in _files_below(SOURCE / PACKAGE) if file.suffix != ".py"]


def _package_of(file: Path) -> Path:
    return next(folder for folder in file.parents if (ROOT / folder / "__init__.py").exists())


def _write(dvc_file: Path) -> None:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(ROOT / dvc_file)
    for stage in content["stages"].values():
        if MODULE.search(stage["cmd"]):
            data = [dep for dep in stage["deps"] if not Path(dep).is_relative_to(SOURCE)]
            stage["deps"] = data + folded(code_of(module_of(stage)))
    yaml.dump(content, ROOT / dvc_file)


def main() -> None:
    """Compare or write."""
    parser = argparse.ArgumentParser(description="Compare the code deps of each dvc.yaml.")
    parser.add_argument("--write", action="store_true", help="put the code deps right")
    wrong = 0
    for dvc_file in DVC_FILES if not parser.parse_args().write else ():
        for name, stage in stages_of(dvc_file).items():
            wanted = set(folded(code_of(module_of(stage))))
            says = {dep for dep in stage["deps"] if Path(dep).is_relative_to(SOURCE)}
            lines = [f"  to be declared: {path}" for path in sorted(wanted - says)]
            lines += [f"  to be taken out: {path}" for path in sorted(says - wanted)]
            wrong += len(lines)
            sys.stdout.write("\n".join([f"{dvc_file} {name}", *lines]) + "\n")
    if parser.parse_args().write:
        for dvc_file in DVC_FILES:
            _write(dvc_file)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
