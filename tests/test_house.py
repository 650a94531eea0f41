"""The house rules: small files, short lines, a docstring for each module, a map for each folder, true guides.

Layers and purity are held by import-linter (pyproject.toml), private names by test_sourcetree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sourcetree import Module, modules

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "devservers"
MODULES = modules(PACKAGE, "devservers")
FILES = [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]
LINES = 450
COLUMNS = 100

GUIDES = (".github/CONTRIBUTING.md", "tests/README.md")
BASES = (ROOT, PACKAGE, ROOT / "tests", ROOT / "tests/fakeapiserver")
"""A guide names a file by its path below one of these directories."""


def source(name: str) -> str:
    return (PACKAGE / name).read_text(encoding="utf-8")


def docstrings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ""


def children(package: Module) -> set[str]:
    """The modules and folders directly in a package."""
    start = f"{package.name}."
    return {name[len(start) :] for name in MODULES if name.startswith(start) and "." not in name[len(start) :]}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_small_enough_to_be_read_in_one_go(name: str) -> None:
    assert len(source(name).splitlines()) <= LINES


@pytest.mark.parametrize("name", FILES)
def test_no_line_is_longer_than_a_hundred_columns(name: str) -> None:
    long = [number for number, line in enumerate(source(name).splitlines(), 1) if len(line) > COLUMNS]
    assert long == []


@pytest.mark.parametrize("name", FILES)
def test_a_module_opens_with_a_docstring_and_none_leans_on_the_one_before(name: str) -> None:
    tree = ast.parse(source(name))
    assert ast.get_docstring(tree)
    assert [text for text in docstrings(tree) if text.startswith("The same")] == []


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("__init__.py")])
def test_the_map_of_a_folder_names_each_of_its_modules(name: str) -> None:
    package = MODULES[".".join(["devservers", *Path(name).parent.parts])]
    words = set(re.findall(r"\w+", package.docstring or ""))
    assert children(package) - words - {"py"} == set()


def mentions(guide: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The files that a guide names, each with the names said to be in it: ``file.py`` (``name``, ``name``)."""
    text = (ROOT / guide).read_text(encoding="utf-8")
    for path, names in re.findall(r"`([\w./-]+\.(?:py|yaml|json|toml|md))`(?: \(((?:`\w+`(?:, )?)+)\))?", text):
        yield path, tuple(re.findall(r"\w+", names))


def defined(tree: ast.Module) -> set[str]:
    """Everything that a module defines, at the top or in a class."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("guide", GUIDES)
def test_what_a_guide_names_is_there(guide: str) -> None:
    named = list(mentions(guide))
    assert len(named) > 20
    missing = []
    for path, names in named:
        file = next((base / path for base in BASES if (base / path).is_file()), None)
        if file is None:
            missing.append(path)
        elif names:
            missing += [f"{path}: {name}" for name in sorted(set(names) - defined(ast.parse(file.read_text())))]
    assert missing == []


@pytest.mark.parametrize("guide", GUIDES)
def test_a_folder_that_a_guide_names_is_there(guide: str) -> None:
    text = (ROOT / guide).read_text(encoding="utf-8")
    folders = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)*/)`", text))
    assert folders
    assert [folder for folder in sorted(folders) if not any((base / folder).is_dir() for base in BASES)] == []
