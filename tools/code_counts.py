"""Count what makes a codebase hard to find one's way in: ``python tools/code_counts.py [ROOT]``.

Counts the package without the demo: lines, lines of code (without docstrings, comments and
blank lines), files, short files, files with one importer, the largest folder, and public
functions with two or more arguments whose docstring has no Parameters.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

SHORT = 60
EXEMPT = ("njit", "validator", "property", "overload", "command", "callback")


def count(root: Path) -> dict[str, object]:
    """Return the figures of the package below a repository's root."""
    package = root / "src" / "microconv"
    files = [
        file
        for file in sorted(package.rglob("*.py"))
        if not {"demo", "simulate"} & set(file.relative_to(package).parts)
    ]
    text = {file: file.read_text(encoding="utf-8") for file in files}
    trees = {file: ast.parse(content) for file, content in text.items()}
    importers: Counter[str] = Counter()
    for file, tree in trees.items():
        importers.update(_imported(tree) - {_module(file, package)})
    named = {file: _module(file, package) for file in files if file.name != "__init__.py"}
    folders = Counter(file.parent.relative_to(package).as_posix() for file in named)
    (largest, size), *_ = folders.most_common(1)
    return {
        "lines": sum(content.count("\n") for content in text.values()),
        "lines of code": sum(map(_code_lines, text.values())),
        "files": len(files),
        f"files under {SHORT} lines": sum(text[file].count("\n") < SHORT for file in named),
        "files with one importer": sum(importers[module] == 1 for module in named.values()),
        "largest folder": f"{largest or 'microconv'} ({size} files)",
        "public functions without Parameters": sum(map(_undocumented, trees.values())),
    }


def _module(file: Path, package: Path) -> str:
    return ".".join(file.relative_to(package.parent).with_suffix("").parts)


def _imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


def _code_lines(content: str) -> int:
    tree, strings = ast.parse(content), set()
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            strings |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type not in skipped and token.type != tokenize.ENDMARKER:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - strings)


def _undocumented(tree: ast.Module) -> int:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    bodies = [tree.body, *(node.body for node in classes if not node.name.startswith("_"))]
    functions = [node for body in bodies for node in body if isinstance(node, ast.FunctionDef)]
    return sum(map(_lacks_parameters, functions))


def _lacks_parameters(node: ast.FunctionDef) -> bool:
    decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
    if node.name.startswith("_") or any(word in decorators for word in EXEMPT):
        return False
    every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    arguments = [argument.arg for argument in every if argument.arg not in ("self", "cls")]
    return len(arguments) > 1 and "Parameters\n" not in (ast.get_docstring(node) or "")


def main() -> None:
    """Print the figures of each root that is named, or of this repository."""
    here = Path(__file__).resolve().parents[1]
    roots = [Path(word) for word in sys.argv[1:]] or [here]
    figures = [count(root) for root in roots]
    for name in figures[0]:
        values = "".join(f"{value!s:>28}" for value in (row[name] for row in figures))
        sys.stdout.write(f"{name:36}{values}\n")


if __name__ == "__main__":
    main()
