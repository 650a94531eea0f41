"""The layers of the fake: imports between its folders point down, form no circles, and use no private names."""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.fakeapiserver
from tests.sourcetree import Module, circles, foreign_underscores, imports, modules

PACKAGE = "tests.fakeapiserver"
DIRECTORY = Path(tests.fakeapiserver.__file__).parent

# Highest first. Parts in one line do not import each other.
LAYERS = (
    ("__main__", ""),
    ("cli",),
    ("demo", "server"),
    ("router", "operator"),
    ("pods",),
    ("backbone",),
    ("compat", "faults"),
    ("core",),
    ("access", "apply"),
    ("schema",),
    ("forms",),
    ("vocabulary",),
    ("serving", "goish"),
)
HEIGHT = {part: -depth for depth, layer in enumerate(LAYERS) for part in layer}


@pytest.fixture(scope="module")
def known() -> dict[str, Module]:
    return modules(DIRECTORY, PACKAGE)


def part(name: str) -> str:
    """The folder of a module, or the module itself if it is in none; empty for the package's own ``__init__``."""
    return name[len(PACKAGE) + 1 :].partition(".")[0]


def test_each_folder_and_each_module_outside_has_its_layer(known: dict[str, Module]) -> None:
    assert {part(name) for name in known} == set(HEIGHT)


def test_imports_point_down(known: dict[str, Module]) -> None:
    upward = [
        f"{name} imports {target}"
        for name, module in known.items()
        for target in imports(module, known)
        if part(target) != part(name) and HEIGHT[part(target)] >= HEIGHT[part(name)]
    ]
    assert not upward


def test_imports_run_in_no_circles(known: dict[str, Module]) -> None:
    assert circles(known) == []


def test_no_module_uses_a_private_name_of_another(known: dict[str, Module]) -> None:
    assert {name: used for name, module in known.items() if (used := foreign_underscores(module, known))} == {}


def test_the_map_of_each_folder_names_all_its_modules(known: dict[str, Module]) -> None:
    for name, module in known.items():
        if not module.is_package or name == PACKAGE:
            continue
        lines = (module.docstring or "").splitlines()
        listed = {line.split("   ")[0].split()[0] for line in lines if "  " in line}
        assert listed == {other.rpartition(".")[2] for other in known if other.startswith(f"{name}.")}, name
