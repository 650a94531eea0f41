"""Vendored under another parent, in a bare interpreter, the package works in a cluster."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakeapiserver import FakeAPIServer

ROOT = Path(__file__).parent.parent

CRUD = """
import os
import sys
sys.path.insert(0, {path!r})
from acme._vendor.devservers.transport.config import incluster
from acme._vendor.devservers.crds.devserver import DevServer
from acme._vendor.devservers.crds.base import ObjectMeta
from acme._vendor.devservers.crds.errors import NotFoundError
from acme._vendor.devservers.transport import RESTClient

client = RESTClient(incluster.in_cluster_config(os.environ, directory={account!r}))
server = DevServer.create(ObjectMeta(name="vendored", labels={{"a": "b"}}), {{"flavor": "cpu-small"}}, client=client)
assert server.metadata.namespace == "team", server
server.spec["image"] = "y"
server.update()
server.patch({{"spec": {{"lifecycle": {{"timeToLive": "8h"}}}}}})
for event in server.wait_for_status({{"phase": "Running"}}, timeout=20):
    pass
assert [s.metadata.name for s in DevServer.list(client=client)] == ["vendored"]
server.delete(wait=True, timeout=20)
try:
    DevServer.get("vendored", client=client)
except NotFoundError:
    print("done")
assert not set(sys.modules) & {{"yaml", "websocket", "devservers"}}, sorted(sys.modules)
"""


@pytest.fixture
def vendored(tmp_path: Path) -> Path:
    """A directory that contains the package as ``acme._vendor.devservers``."""
    home = tmp_path / "site" / "acme" / "_vendor"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "devservers", home / "devservers", ignore=ignored)
    (home / "__init__.py").touch()
    (home.parent / "__init__.py").touch()
    return tmp_path / "site"


def _account(server: FakeAPIServer, directory: Path) -> dict[str, str]:
    """A pod's service account for ``server``, and the variables that lead there."""
    directory.mkdir()
    assert server.ca_pem is not None
    (directory / "token").write_text(server.token + "\n")
    (directory / "ca.crt").write_bytes(server.ca_pem)
    (directory / "namespace").write_text("team")
    return {"KUBERNETES_SERVICE_HOST": server.host, "KUBERNETES_SERVICE_PORT": str(server.port)}


def _run(code: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_in_cluster_use_needs_neither_yaml_nor_websocket(vendored: Path, tls_server: FakeAPIServer) -> None:
    tls_server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    account = vendored.parent / "account"
    environment = _account(tls_server, account)
    code = CRUD.format(path=str(vendored), account=str(account))
    assert _run(code, environment) == "done\n"


def test_exec_without_websocket_client_says_what_to_install(vendored: Path, server: FakeAPIServer) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(vendored)!r})
from acme._vendor.devservers.crds.devserver import DevServer
from acme._vendor.devservers.transport import ClientConfig, RESTClient
from acme._vendor.devservers.transport.auth.credentials import BearerToken, Credentials
from acme._vendor.devservers.errors import MissingDependencyError
client = RESTClient(ClientConfig({server.url!r}, "default", Credentials(BearerToken({server.token!r}))))
with DevServer({{"name": "a"}}, {{"flavor": "cpu-small"}}, client=client) as server:
    try:
        server.exec("ls")
    except MissingDependencyError as error:
        assert isinstance(error, ImportError)
        print(error)
"""
    assert "pip install websocket-client" in _run(code, dict(os.environ))


def test_no_module_imports_the_package_by_its_own_name() -> None:
    for path in (ROOT / "devservers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not any(name.partition(".")[0] == "devservers" for name in names), path
