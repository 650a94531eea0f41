"""Importing costs nothing: each module is loaded by the first call that needs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = (
    "ssl", "urllib.request", "http.client", "socket", "yaml", "websocket", "tarfile", "subprocess", "asyncio",
    "logging", "email", "tempfile", "select",
)  # fmt: skip


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {statement}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import devservers",
        "from devservers.crds.devserver import DevServer",
        "from devservers import DevServer, ObjectMeta, DevServerFlavor, DevServerUser, KubeConfigError, configure",
        "from devservers.crds.devserver import PersistentHomeSpec; from devservers.crds.base import ObjectMeta",
        "from devservers.crds.errors import KubeConfigError, NotFoundError",
        "from devservers.crds.devserver import *; DevServer, ExecResult",
        "import devservers.transport.config.sources",
        "from devservers import DevServer, ObjectMeta; DevServer(ObjectMeta(name='a'), {'flavor': 'x'}).spec",
    ],
)
def test_an_import_loads_nothing_heavy(statement: str) -> None:
    assert _loaded_by(statement).isdisjoint(HEAVY)


def test_importing_the_package_loads_none_of_its_modules() -> None:
    assert {name for name in _loaded_by("import devservers") if name.startswith("devservers.")} == set()


def test_every_public_name_can_be_imported() -> None:
    import devservers

    for name in devservers.__all__:
        assert getattr(devservers, name) is not None
    assert set(devservers.__all__) <= set(dir(devservers))
    with pytest.raises(AttributeError, match="nosuch"):
        devservers.nosuch  # noqa: B018


def test_every_public_name_of_the_transport_can_be_imported() -> None:
    from devservers import transport

    for name in transport.__all__:
        assert getattr(transport, name) is not None
    with pytest.raises(AttributeError, match="nosuch"):
        transport.nosuch  # noqa: B018
