"""A package read as source: which module imports which, where imports run in circles, who uses another's private names.

Nothing is imported: imports for type checkers and those within functions count like the others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

NAMEDTUPLE = {"_replace", "_asdict", "_fields", "_make"}  # documented, underscore and all
PYTHON = {"os._exit", "sys._xoptions", "sys._getframe"}  # documented likewise


@dataclass(frozen=True)
class Module:
    """One module: its dotted name, and its syntax tree."""

    name: str
    tree: ast.Module
    is_package: bool

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def docstring(self) -> Optional[str]:
        return ast.get_docstring(self.tree)


def modules(directory: Path, name: str) -> dict[str, Module]:
    """All modules of the package in a directory, by their names."""
    found = {}
    for path in sorted(directory.rglob("*.py")):
        parts = path.relative_to(directory).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        dotted = ".".join([name, *(parts[:-1] if is_package else parts)])
        found[dotted] = Module(dotted, ast.parse(path.read_text(), str(path)), is_package)
    return found


def imports(module: Module, known: Mapping[str, Module]) -> set[str]:
    """The modules of ``known`` that a module imports, or imports something from."""
    return {name for name, _ in _imported(module, known) if name != module.name}


def _imported(module: Module, known: Mapping[str, Module]) -> Iterator[tuple[str, str]]:
    """Each import: the module, and the name taken from it (empty: the module itself)."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names:
                if f"{base}.{alias.name}" in known:
                    yield f"{base}.{alias.name}", ""
                elif base in known:
                    yield base, alias.name


def _base(module: Module, node: ast.ImportFrom) -> str:
    """The dotted name between ``from`` and ``import``, with a relative import resolved."""
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def circles(known: Mapping[str, Module]) -> list[list[str]]:
    """Groups of modules that import each other in a circle."""
    reached = {name: _reachable(name, known) for name in known}
    groups = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in known
        if name in reached[name]
    }
    return [list(group) for group in sorted(groups)]


def _reachable(start: str, known: Mapping[str, Module]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in imports(known[waiting.pop()], known) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def foreign_underscores(module: Module, known: Mapping[str, Module]) -> set[str]:
    """The private names that a module uses though they are not its own.

    A name is private that begins with one underscore; it is a module's own if the module binds it anywhere. ``self``
    is no excuse: a base class of another module keeps its private names to itself.
    """
    own = set(_bound(module.tree))
    taken = {name for _, name in _imported(module, known) if _is_private(name)}
    used = {
        node.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) not in PYTHON
    }
    return taken | {name for name in used if _is_private(name) and name not in own}


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_" and name not in NAMEDTUPLE


def _bound(tree: ast.Module) -> Iterator[str]:
    """Every name that a module defines or assigns: functions, classes, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            yield node.attr


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
