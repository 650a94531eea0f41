"""Vendored under another parent, in a bare interpreter, the package works in a cluster."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devservers.errors import MissingDependencyError
from devservers.parts import PARTS, needed_by
from tests.fakeapiserver import FakeAPIServer

ROOT = Path(__file__).parent.parent

CRUD = """
import os
import sys
sys.path.insert(0, {path!r})
from acme._vendor.devservers.transport.config import sources
from acme._vendor.devservers.crds.devserver import DevServer
from acme._vendor.devservers.crds.base import ObjectMeta
from acme._vendor.devservers.crds.errors import NotFoundError
from acme._vendor.devservers.transport import RESTClient

client = RESTClient(sources.load(os.environ, None, None, None, {account!r}))
server = DevServer.create(ObjectMeta(name="vendored", labels={{"a": "b"}}), {{"flavor": "cpu-small"}}, client=client)
assert server.metadata.namespace == "team", server
server.spec["image"] = "y"
server.update()
server.patch({{"spec": {{"lifecycle": {{"timeToLive": "8h"}}}}}})
for event in server.wait_for_status({{"phase": "Running"}}, timeout=20):
    pass
server.wait_for_ready(20)
assert server.pod_name.startswith("vendored-")
assert [s.metadata.name for s in DevServer.list(client=client)] == ["vendored"]
with DevServer.watch_all(timeout=20, client=client) as events:
    assert next(events)["object"]["metadata"]["name"] == "vendored"
server.delete(wait=True, timeout=20)
try:
    DevServer.get("vendored", client=client)
except NotFoundError:
    pass
with DevServer({{"name": "entered"}}, {{"flavor": "cpu-small"}}, client=client) as server:
    assert server.status["phase"] == "Running"
assert DevServer.list(client=client) == []
assert not set(sys.modules) & {{"yaml", "websocket", "devservers"}}, sorted(sys.modules)
print("done")
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


# without some of its parts


def _leave_out(site: Path, *parts: str) -> None:
    package = site / "acme" / "_vendor" / "devservers"
    for part in parts:
        for path in PARTS[part]:
            if (package / path).is_dir():
                shutil.rmtree(package / path)
            else:
                (package / path).unlink()


def _zipped(site: Path) -> Path:
    """An archive of what is in that directory."""
    return Path(shutil.make_archive(str(site.parent / "zipped"), "zip", site))


@pytest.mark.parametrize("zipped", [False, True], ids=["files", "zip"])
@pytest.mark.parametrize("parts", [*([part] for part in PARTS), list(PARTS)], ids=[*PARTS, "all"])
def test_what_remains_without_a_part_does_its_in_cluster_work(
    vendored: Path, tls_server: FakeAPIServer, parts: list[str], zipped: bool
) -> None:
    tls_server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    _leave_out(vendored, *parts)
    account = vendored.parent / "account"
    environment = _account(tls_server, account)
    site = _zipped(vendored) if zipped else vendored
    assert _run(CRUD.format(path=str(site), account=str(account)), environment) == "done\n"


def test_no_part_is_imported_before_it_is_used(vendored: Path) -> None:
    _leave_out(vendored, *PARTS)
    package = vendored / "acme" / "_vendor" / "devservers"
    names = [".".join(path.relative_to(vendored).with_suffix("").parts) for path in package.rglob("*.py")]
    code = f"import sys; sys.path.insert(0, {str(vendored)!r})\nfrom importlib import import_module\n"
    assert _run(f"{code}for name in {names!r}: import_module(name)\nprint(len({names!r}))", {}) == f"{len(names)}\n"


USES = """
import sys
sys.path.insert(0, {path!r})
from acme._vendor.devservers import DevServer, RESTClient, load_config
from acme._vendor.devservers.errors import MissingDependencyError
from acme._vendor.devservers.transport import ClientConfig
client = RESTClient(ClientConfig("http://127.0.0.1:1"))
server = DevServer({{"name": "a"}}, {{"flavor": "cpu-small"}}, sync_workspace={{".": "x"}}, client=client)
cluster = {{"name": "c", "cluster": {{"server": "http://127.0.0.1:1"}}}}
plugin = {{"name": "u", "user": {{"exec": {{"apiVersion": "client.authentication.k8s.io/v1", "command": "x"}}}}}}
context = {{"name": "x", "context": {{"cluster": "c", "user": "u"}}}}
kubeconfig = {{"clusters": [cluster], "users": [plugin], "contexts": [context], "current-context": "x"}}
try:
    {use}
except MissingDependencyError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("part", "use", "said"),
    [
        ("running commands", "server.exec('ls')", "exec needs crds/commands"),
        ("running commands", "server.sync()", "upload needs crds/commands"),
        ("copying files", "server.sync()", "sync needs crds/files"),
        ("the exec protocol", "server.exec('ls')", "exec needs transport/exec"),
        ("kubeconfig files", "load_config(kubeconfig)", "kubeconfig= needs transport/config/kubeconfig.py and "),
        ("kubeconfig files", "load_config('/nosuch')", "kubeconfig= needs transport/config/kubeconfig.py and "),
        ("kubeconfig files", "load_config()", "KUBECONFIG needs transport/config/kubeconfig.py and "),
        (
            "exec credential plugins",
            "load_config(kubeconfig)",
            "the exec stanza of a kubeconfig needs transport/auth/plugin.py and transport/auth/process.py",
        ),
        (
            "proxies",
            "ClientConfig('http://h', proxy_url='http://p')",
            "a proxy needs transport/config/proxies.py and transport/tls/tunnel.py",
        ),
    ],
)
def test_what_needs_a_part_that_was_left_out_says_so_before_any_request(
    vendored: Path, part: str, use: str, said: str
) -> None:
    _leave_out(vendored, part)
    output = _run(USES.format(path=str(vendored), use=use), {"KUBECONFIG": "/nosuch"})
    assert output.startswith(said)
    assert "which this copy of the package (acme._vendor.devservers) was made without: add it from devservers" in output


def test_a_kubeconfig_in_its_usual_place_is_not_passed_over_for_want_of_its_reader(vendored: Path) -> None:
    _leave_out(vendored, "kubeconfig files")
    home = vendored.parent / "home"
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").write_text("{}")
    output = _run(USES.format(path=str(vendored), use="load_config()"), {"HOME": str(home)})
    assert output.startswith(f"the kubeconfig {home}/.kube/config needs transport/config/kubeconfig.py")


def test_a_proxy_of_the_environment_is_not_passed_over_for_want_of_its_reader(vendored: Path) -> None:
    _leave_out(vendored, "proxies")
    use = "DevServer.list(client=client)"
    output = _run(USES.format(path=str(vendored), use=use), {"http_proxy": "http://127.0.0.1:1"})
    assert output.startswith("a proxy needs transport/config/proxies.py")


def test_a_module_of_somebody_else_that_is_missing_is_not_taken_for_a_part() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        with needed_by("exec"):
            raise ModuleNotFoundError("No module named 'devservers_of_others'", name="devservers_of_others")
    assert not isinstance(caught.value, MissingDependencyError)


# weights


def _kilobytes(*paths: str) -> float:
    files = (ROOT / "devservers").rglob("*.py")
    below = tuple(str(ROOT / "devservers" / path) for path in paths)
    return sum(file.stat().st_size for file in files if str(file).startswith(below)) / 1000


def _promised() -> dict[str, int]:
    """The table of weights in the README: a part (or the whole), and its kB."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return {name: int(size) for name, size in re.findall(r"^\| ([^|`]+?) \|[^|]*\| (\d+) \|$", readme, re.MULTILINE)}


def _weights() -> dict[str, float]:
    parts = {part: _kilobytes(*paths) for part, paths in PARTS.items()}
    whole = _kilobytes("")
    return {**parts, "all of it": whole, "without any of these": whole - sum(parts.values())}


def test_the_readme_says_what_each_part_weighs() -> None:
    promised, weights = _promised(), _weights()
    assert promised.keys() == weights.keys()
    for name, size in weights.items():
        assert size == pytest.approx(promised[name], rel=0.2), name


def test_the_package_stays_small() -> None:
    weights = _weights()
    assert weights["all of it"] < 700
    assert weights["without any of these"] < 450


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
