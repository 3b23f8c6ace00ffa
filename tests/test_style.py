"""Names and texts: the field's terms instead of private ones, and docstrings that can be used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OLD_NAMES = ("test_style.py", "renamed.py", "test_migrate.py")
"""Files that have to name what is gone."""

READ = [
    path
    for folder in ("src", "docs", "tests", "examples", "benchmarks", "tools", "data", "models")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".md", ".yaml", ".yml", ".j2", ".js", ".css", ".csv", ".json"}
    and "__pycache__" not in path.parts
    and path.name not in OLD_NAMES
] + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "params.yaml", "dvc.yaml")]
SOURCE = sorted((ROOT / "src").rglob("*.py"))

PRIVATE = re.compile(
    r"""
    \b(
        voices | lessons? | lore | doings | told[ _]apart | beliefs | diary | diaries
      | crown(s|ed)? | fates? | arena | outlines | shortlist(s|ed)? | mend(s|ed|ing)?
      | dealt | thinning | cautious | robots | small[ ]steps? | weak[ ]asks?
      | near[ ]end | same[ ]bits | exploration[ ]places? | speaks?[ ](for|against)
      | called[ ]and[ ]met | promised[ ]and | how[ ]it[ ]was[ ]mixed | asked[ ]about
      | asked(?![ ]for)\b | asks(?![ ](for|too))\b | asked_at
    )\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Words of an earlier vocabulary that nobody outside would understand."""

VERB = re.compile(r"(Say|Tell|Ask|Give|Let|Hold|Put|Hand|Spare|Mend)\b")


@pytest.mark.parametrize("path", READ, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_texts_use_the_terms_of_the_field(path):
    """A word that a reader has to ask about is the wrong word."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [
        f"{number}: {match.group(0)}: {line.strip()[:100]}"
        for number, line in enumerate(lines, 1)
        for match in PRIVATE.finditer(line)
    ]
    assert not found, "\n".join(found)


def _functions(tree):
    """Yield functions and methods with whether they are public."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node, not node.name.startswith("_")
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    public = not (inner.name.startswith("_") or node.name.startswith("_"))
                    yield inner, public


@pytest.mark.parametrize("path", SOURCE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docstrings_start_with_a_plain_verb_and_describe_parameters(path):
    """A public function is used from its docstring: what it does, and what it takes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    faults = [] if ast.get_docstring(tree) else ["no module docstring"]
    for node, public in _functions(tree):
        text = ast.get_docstring(node) or ""
        decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
        if VERB.match(text):
            faults.append(f"{node.lineno} {node.name}: starts with {text.split()[0]!r}")
        if not public or re.search(
            r"njit|validator|property|overload|command|callback", decorators
        ):
            continue
        every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        arguments = [argument.arg for argument in every]
        arguments = [name for name in arguments if name not in ("self", "cls")]
        if len(arguments) >= 2 and "Parameters\n----------" not in text:
            faults.append(f"{node.lineno} {node.name}({', '.join(arguments)}): no Parameters")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_test_modules_say_what_they_are_about(path):
    """A reader looks for the test of a thing by the first line of the module."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
