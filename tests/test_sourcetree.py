"""Imports and private names, read from source; and that ``devservers`` keeps private names private."""

from __future__ import annotations

from pathlib import Path

import pytest

import devservers
from tests.sourcetree import circles, foreign_underscores, imports, modules

KNOWN_VIOLATIONS: dict[str, set[str]] = {"devservers.crds.devserver": {"_live"}}
"""Violations still to be fixed: this may only shrink, and goes when it is empty."""


def test_no_module_of_devservers_uses_a_private_name_of_another() -> None:
    known = modules(Path(devservers.__file__).parent, "devservers")
    found = {name: used for name, module in known.items() if (used := foreign_underscores(module, known))}
    assert found == KNOWN_VIOLATIONS, "fix new violations; remove fixed ones from KNOWN_VIOLATIONS"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "inner" / "__init__.py").write_text("")
    return tmp_path


def test_imports_are_found_wherever_they_stand(package: Path) -> None:
    (package / "inner" / "a.py").write_text(
        "import house.top\n"
        "if TYPE_CHECKING:\n    from ..top import Thing\n"
        "def f():\n    from . import b\n    from house.inner.c import x\n"
    )
    for name in ("top", "inner/b", "inner/c"):
        (package / f"{name}.py").write_text("import os\n")
    known = modules(package, "house")
    assert imports(known["house.inner.a"], known) == {"house.top", "house.inner.b", "house.inner.c"}


def test_a_circle_is_found_over_several_modules(package: Path) -> None:
    (package / "a.py").write_text("from .inner.b import x\n")
    (package / "inner" / "b.py").write_text("from . import c\n")
    (package / "inner" / "c.py").write_text("if TYPE_CHECKING:\n    from ..a import y\n")
    (package / "d.py").write_text("from . import a\n")
    assert circles(modules(package, "house")) == [["house.a", "house.inner.b", "house.inner.c"]]


@pytest.mark.parametrize(
    "source",
    [
        "from .b import _secret\n",
        "from . import b\nprint(b._secret)\n",
        "def f(thing): return thing._secret\n",
        "class Derived(Base):\n    def f(self): return self._secret\n",
    ],
)
def test_a_private_name_of_another_module_is_found(package: Path, source: str) -> None:
    (package / "a.py").write_text(source)
    (package / "b.py").write_text("_secret = 1\n")
    known = modules(package, "house")
    assert foreign_underscores(known["house.a"], known) == {"_secret"}


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def __init__(self): self._own = 1\ndef f(a): return a._own\n",
        "class A:\n    def _own(self): pass\n    def f(self, other): return other._own()\n",
        "class A(NamedTuple):\n    x: int\nA(1)._replace(x=2)\n",
        "import os\nos._exit(1)\nprint(f.__name__)\n",
    ],
)
def test_what_a_module_binds_itself_and_what_is_documented_may_be_used(package: Path, source: str) -> None:
    (package / "a.py").write_text(source)
    known = modules(package, "house")
    assert foreign_underscores(known["house.a"], known) == set()
