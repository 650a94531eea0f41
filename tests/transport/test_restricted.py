"""Places where little is allowed: each test runs a child interpreter that is denied something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from .certificates import authority, server_context
from .childpython import ROOT, run_python
from .kubeconfigs import document, write
from .plugins import exec_credential, printing
from .tlsserver import Server, serving

HEAVY = (
    "ssl", "socket", "_socket", "urllib.request", "http.client", "yaml", "subprocess", "logging", "tempfile",
    "websocket", "tarfile", "asyncio",
)  # fmt: skip

CONNECT = """
from {package}.transport import load_config
from {package}.transport.http.dial import connect
from {package}.transport.deadline import Deadline
config = load_config({path!r})
with connect(config, Deadline(20)) as sock:
    sock.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    answer = b"".join(iter(lambda: sock.recv(4096), b""))
print(answer[-2:].decode(), config.credentials.identity().headers)
"""
CONNECTED = "ok [('Authorization', 'Bearer abc')]"

SANDBOX = """
def refuse_processes(event, arguments):
    if event == "subprocess.Popen":
        raise {error}
sys.addaudithook(refuse_processes)
"""

READ_ONLY = """
import errno, os
def refuse_writing(event, arguments):
    if event in ("os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink"):
        raise OSError(errno.EROFS, "Read-only file system")
    if event == "open" and not isinstance(arguments[0], int) and arguments[0] != os.devnull:
        flags = arguments[2] or 0
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
sys.addaudithook(refuse_writing)
try:
    open("/tmp/devservers-must-not-exist", "w")
except OSError:
    pass
else:
    raise SystemExit("this test's file system is writable")
"""


@pytest.fixture
def api() -> Iterator[Server]:
    """A TLS server that demands a client certificate."""
    context = server_context(authority().issue("127.0.0.1"), client_ca=authority("clients").pem)
    with serving(context=context) as server:
        yield server


@pytest.fixture
def kubeconfig(api: Server, tmp_path: Path) -> Path:
    """A JSON kubeconfig for it: CA, client certificate and key as data, and a token."""
    client = authority("clients").issue("alice@x.example")
    cluster = {
        "server": f"https://127.0.0.1:{api.port}",
        "certificate-authority-data": b64encode(authority().pem).decode(),
    }
    user = {
        "token": "abc",
        "client-certificate-data": b64encode(client.certificate).decode(),
        "client-key-data": b64encode(client.key).decode(),
    }
    return write(tmp_path / "config", document(cluster=cluster, user=user))


def connect_code(path: Path, package: str = "devservers") -> str:
    return CONNECT.format(path=str(path), package=package)


def failing(code: str) -> str:
    """``code`` that loads a configuration, made to print the class and the message of the error it raises."""
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    return (
        "from devservers.errors import *\ntry:\n" + body + "except DevServersError as error:\n"
        "    print(type(error).__name__, isinstance(error, KubeConfigError), error)\n"
    )


class TestImports:
    def test_loading_a_json_kubeconfig_imports_nothing_heavy(self, kubeconfig: Path) -> None:
        code = (
            "before = set(sys.modules)\n"
            "import devservers.transport.auth.plugin, devservers.transport.config.sources\n"
            "from devservers.transport import load_config\n"
            f"config = load_config({str(kubeconfig)!r})\n"
            "config.proxy(); config.credentials.identity().headers\n"
            f"print(sorted(set({HEAVY!r}) & set(sys.modules) - before))"
        )
        assert run_python(code, options=["-S"]) == "[]"

    def test_without_socket_and_ssl_everything_but_connecting_works(self, kubeconfig: Path) -> None:
        code = (
            "for name in ('socket', '_socket', 'ssl', '_ssl'): sys.modules[name] = None\n"
            "from devservers.transport import load_config\n"
            f"print(load_config({str(kubeconfig)!r}).credentials.identity().headers)"
        )
        assert run_python(code) == "[('Authorization', 'Bearer abc')]"

    def test_a_bare_interpreter_without_site_packages_connects(self, kubeconfig: Path) -> None:
        assert run_python(connect_code(kubeconfig), options=["-I", "-S"]) == CONNECTED

    def test_without_yaml_a_yaml_kubeconfig_names_the_package_and_the_way_out(self, tmp_path: Path) -> None:
        (tmp_path / "config").write_text("kind: Config\n")
        code = f"from devservers.transport import load_config\nload_config({str(tmp_path / 'config')!r})"
        said = run_python(failing(code), options=["-I", "-S"])
        assert "True kubeconfig" in said  # a KubeConfigError, too
        assert "PyYAML" in said
        assert "pip install pyyaml" in said
        assert "-o json" in said

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("raise ModuleNotFoundError('No module named websocket', name='websocket')", "which is not installed: pip"),
            ("import nosuchmodule", "which cannot be imported (No module named 'nosuchmodule')"),
            ("raise ImportError('cannot import name x')", "which cannot be imported (cannot import name x)"),
            ("", "but the module websocket that is found is another one ("),
        ],
    )
    def test_without_websocket_client_only_what_exists_is_spoken_of(
        self, tmp_path: Path, source: str, said: str
    ) -> None:
        (tmp_path / "websocket.py").write_text(source)
        code = f"sys.path.insert(0, {str(tmp_path)!r})\nimport devservers.transport.exec.websocket"
        message = run_python(failing(code))
        assert message.startswith("MissingDependencyError False exec and file sync need the package websocket-client, ")
        assert said in message
        assert ("pip install" in message) == ("cannot" not in message)

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("import nosuchmodule", "which reads YAML, cannot be imported (No module named 'nosuch"),
            ("", "but the module yaml is another one ("),
        ],
    )
    def test_a_yaml_module_that_is_not_pyyaml_is_reported_as_such(self, tmp_path: Path, source: str, said: str) -> None:
        (tmp_path / "yaml.py").write_text(source)
        (tmp_path / "config").write_text("kind: Config\n")
        code = f"sys.path.insert(0, {str(tmp_path)!r})\nfrom devservers.transport import load_config\n"
        assert said in run_python(failing(f"{code}load_config({str(tmp_path / 'config')!r})"))

    @pytest.mark.parametrize("option", ["-O", "-OO"])
    def test_without_asserts_and_docstrings_it_connects(self, kubeconfig: Path, option: str) -> None:
        assert run_python(connect_code(kubeconfig), options=[option]) == CONNECTED

    def test_from_a_zip_file_it_connects(self, kubeconfig: Path, tmp_path: Path) -> None:
        archive = tmp_path / "bundle.zip"
        with zipfile.ZipFile(archive, "w") as bundle:
            for path in sorted((ROOT / "devservers").rglob("*.py")):
                bundle.write(path, path.relative_to(ROOT))
        code = f"{connect_code(kubeconfig)}\nimport devservers; assert 'bundle.zip' in devservers.__file__"
        assert run_python(code, options=["-I", "-S"], path=archive) == CONNECTED

    def test_under_another_name_it_connects(self, kubeconfig: Path, tmp_path: Path) -> None:
        shutil.copytree(ROOT / "devservers", tmp_path / "acme" / "_vendor" / "devservers")
        code = f"{connect_code(kubeconfig, 'acme._vendor.devservers')}\nassert 'devservers' not in sys.modules"
        assert run_python(code, options=["-I", "-S"], path=tmp_path) == CONNECTED

    def test_frozen_without_a_file_to_its_name_it_connects(self, kubeconfig: Path) -> None:
        sources = {
            ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text()
            for path in sorted((ROOT / "devservers").rglob("*.py"))
        }
        freezer = f"""
import importlib.abc, importlib.util
SOURCES = {sources!r}
class Frozen(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name + '.__init__' in SOURCES:
            return importlib.util.spec_from_loader(name, self, is_package=True)
        return importlib.util.spec_from_loader(name, self) if name in SOURCES else None
    def exec_module(self, module):
        name = module.__name__
        source = SOURCES.get(name + '.__init__', SOURCES.get(name))
        exec(compile(source, '<frozen>', 'exec', dont_inherit=True, optimize=2), module.__dict__)
sys.meta_path.insert(0, Frozen())
"""
        code = f"{freezer}{connect_code(kubeconfig)}\nimport devservers; assert not hasattr(devservers, '__file__')"
        script = kubeconfig.parent / "frozen.py"
        script.write_text(code)
        assert run_python(f"exec(open({str(script)!r}).read())", path=kubeconfig.parent) == CONNECTED


class TestIdentity:
    def test_without_home_the_password_database_tells_the_home_directory(self, kubeconfig: Path) -> None:
        home = kubeconfig.parent / "from-passwd"
        (home / ".kube").mkdir(parents=True)
        kubeconfig.rename(home / ".kube" / "config")
        code = f"""
import pwd
entry = pwd.struct_passwd(("x", "x", 1, 1, "", {str(home)!r}, ""))
pwd.getpwuid = lambda uid: entry
from devservers.transport import load_config
print(load_config().source)
"""
        assert run_python(code) == f"kubeconfig {home}/.kube/config, context 'dev'"

    def test_an_unknown_uid_without_home_reads_that_home_is_not_set(self) -> None:
        code = """
import pwd
def unknown(uid): raise KeyError(uid)
pwd.getpwuid = unknown
from devservers.transport import load_config
load_config()
"""
        assert "~/.kube/config: HOME is not set" in run_python(failing(code))

    def test_a_deleted_working_directory_does_no_harm(self, kubeconfig: Path, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        code = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n{connect_code(kubeconfig)}"
        assert run_python(code, options=["-I"]) == CONNECTED


class TestReadOnlyFileSystem:
    def test_client_keys_reach_openssl_without_a_writable_directory(self, kubeconfig: Path) -> None:
        assert run_python(READ_ONLY + connect_code(kubeconfig)) == CONNECTED

    def test_without_memory_files_either_the_error_says_what_is_missing(self, kubeconfig: Path) -> None:
        code = f"{READ_ONLY}\ndel os.memfd_create\n{failing(connect_code(kubeconfig))}"
        said = run_python(code)
        assert said.startswith("TLSError False client-certificate-data of user 'alice'")
        assert "neither in-memory files (memfd and /proc) nor a writable temporary directory" in said

    def test_a_file_size_limit_of_zero_is_reported_in_the_same_way(self, kubeconfig: Path) -> None:
        limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        assert "nor a writable temporary directory" in run_python(limit + failing(connect_code(kubeconfig)))


class TestProcesses:
    def plugin_config(self, tmp_path: Path) -> str:
        plugin = printing(tmp_path / "plugin", exec_credential(token="abc"))
        return str(write(tmp_path / "with-plugin", document(user={"exec": plugin.stanza})))

    @pytest.mark.parametrize(
        "denial",
        [
            "sys.modules['subprocess'] = None",
            SANDBOX.format(error="RuntimeError('no processes')"),
            SANDBOX.format(error="PermissionError(1, 'Operation not permitted')"),
        ],
        ids=["no module", "sandbox", "not permitted"],
    )
    def test_a_plugin_where_no_process_may_be_started_says_so(self, tmp_path: Path, denial: str) -> None:
        code = (
            "from devservers.transport import load_config\n"
            f"load_config({self.plugin_config(tmp_path)!r}).credentials.identity().headers"
        )
        said = run_python(denial + "\n" + failing(code))
        assert said.startswith("KubeConfigError True exec plugin 'plugin'")
        assert "the command could not be started here" in said
        assert "use credentials that need no plugin" in said

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
    def test_with_standard_streams_closed_a_plugin_runs(self, tmp_path: Path, closed: str) -> None:
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
            "from devservers.transport import load_config\n"
            f"headers = load_config({self.plugin_config(tmp_path)!r}).credentials.identity().headers\n"
            f"open({str(tmp_path / 'outcome')!r}, 'w').write(str(headers))"
        )
        (tmp_path / "code.py").write_text(code)
        subprocess.run(
            f"exec {sys.executable} {tmp_path}/code.py {closed}", shell=True, timeout=60, check=True,
            env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        assert (tmp_path / "outcome").read_text() == "[('Authorization', 'Bearer abc')]"

    @pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
    def test_with_standard_streams_closed_it_connects(self, kubeconfig: Path, tmp_path: Path, closed: str) -> None:
        code = connect_code(kubeconfig).replace("print(", f"print(file=open({str(tmp_path / 'outcome')!r}, 'w'), *(")
        (tmp_path / "code.py").write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code.rstrip()})")
        subprocess.run(
            f"exec {sys.executable} {tmp_path}/code.py {closed}", shell=True, timeout=60, check=True,
            env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        assert (tmp_path / "outcome").read_text().strip() == CONNECTED


class TestInPod:
    def test_a_bare_interpreter_in_a_pod_connects(self, tmp_path: Path) -> None:
        account = tmp_path / "serviceaccount"
        account.mkdir()
        (account / "token").write_text("abc\n")
        (account / "ca.crt").write_bytes(authority().pem)
        with serving(context=server_context(authority().issue("127.0.0.1"))) as server:
            code = (
                "from devservers.transport.config import incluster\n"
                f"incluster.SERVICE_ACCOUNT = {str(account)!r}\n"
                + connect_code(account).replace(repr(str(account)), "")
                + "\nassert not {'yaml', 'subprocess', 'tempfile'} & set(sys.modules)"
            )
            env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
            assert run_python(READ_ONLY + code, options=["-I", "-S"], env=env) == CONNECTED


def test_a_json_kubeconfig_with_a_plugin_needs_no_yaml(tmp_path: Path) -> None:
    plugin = printing(tmp_path / "plugin", exec_credential(token="abc"))
    path = write(tmp_path / "config", document(user={"exec": plugin.stanza}))
    code = (
        "from devservers.transport import load_config\n"
        f"print(load_config({str(path)!r}).credentials.identity().headers)"
    )
    assert run_python(code, options=["-I", "-S"]) == "[('Authorization', 'Bearer abc')]"
