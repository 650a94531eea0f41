"""Which source wins, and what a ClientConfig says and hides."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

import pytest

from devservers.errors import KubeConfigError
from devservers.transport.auth.credentials import BearerToken, Credentials
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.config.serverurl import parse_server_url
from devservers.transport.config.sources import load, load_config
from devservers.transport.tls.context import InsecureTLSWarning, TLSSettings
from devservers.transport.tls.pem import PEMSource

from .certificates import authority
from .kubeconfigs import document, write


class Machine:
    """A home directory, a service account directory and an environment to load configuration from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.account = root / "serviceaccount"
        self.environ: dict[str, str] = {"HOME": str(self.home)}

    def kubeconfig(self, name: str, token: str, **parts: Mapping[str, str]) -> Path:
        return write(self.root / name, document(user={"token": token}, **parts))  # type: ignore[arg-type]

    def in_pod(self) -> None:
        self.account.mkdir()
        (self.account / "token").write_text("pod-token")
        (self.account / "ca.crt").write_bytes(authority().pem)
        self.environ.update(KUBERNETES_SERVICE_HOST="10.0.0.1", KUBERNETES_SERVICE_PORT="443")

    def load(
        self, kubeconfig: Optional[str] = None, context: Optional[str] = None, namespace: Optional[str] = None
    ) -> ClientConfig:
        return load(self.environ, kubeconfig, context, namespace, str(self.account))

    def token(self, kubeconfig: Optional[str] = None) -> str:
        return dict(self.load(kubeconfig).credentials.identity().headers)["Authorization"].partition(" ")[2]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


class TestOrder:
    def test_an_explicit_path_goes_before_everything(self, machine: Machine) -> None:
        machine.environ["KUBECONFIG"] = str(machine.kubeconfig("env", "from-env"))
        assert machine.token(str(machine.kubeconfig("given", "from-argument"))) == "from-argument"

    def test_kubeconfig_goes_before_the_home_directory(self, machine: Machine) -> None:
        machine.kubeconfig("home/.kube/config", "from-home")
        machine.environ["KUBECONFIG"] = str(machine.kubeconfig("env", "from-env"))
        assert machine.token() == "from-env"

    def test_the_home_directory_goes_before_the_service_account(self, machine: Machine) -> None:
        machine.kubeconfig("home/.kube/config", "from-home")
        machine.in_pod()
        assert machine.token() == "from-home"

    def test_the_service_account_comes_last(self, machine: Machine) -> None:
        machine.root.mkdir()
        machine.in_pod()
        assert machine.token() == "pod-token"

    def test_empty_and_absent_entries_of_kubeconfig_are_skipped(self, machine: Machine) -> None:
        there = machine.kubeconfig("env", "from-env")
        machine.environ["KUBECONFIG"] = f":{machine.root}/absent::{there}:"
        assert machine.token() == "from-env"

    def test_kubeconfig_with_nothing_in_it_is_as_good_as_unset(self, machine: Machine) -> None:
        machine.kubeconfig("home/.kube/config", "from-home")
        machine.environ["KUBECONFIG"] = "::"
        assert machine.token() == "from-home"

    def test_kubeconfig_that_names_only_absent_files_does_not_fall_back_to_the_home_directory(
        self, machine: Machine
    ) -> None:
        machine.kubeconfig("home/.kube/config", "from-home")
        machine.environ["KUBECONFIG"] = f"{machine.root}/absent"
        with pytest.raises(KubeConfigError, match=r"/absent: no such file\n.*not read, because KUBECONFIG is set"):
            machine.load()

    def test_a_malformed_file_is_an_error_even_if_another_would_do(self, machine: Machine) -> None:
        there = machine.kubeconfig("env", "from-env")
        broken = machine.root / "broken"
        broken.write_text("users: [")
        machine.environ["KUBECONFIG"] = f"{there}:{broken}"
        with pytest.raises(KubeConfigError, match="broken: is not valid YAML"):
            machine.load()

    def test_an_explicit_path_must_exist(self, machine: Machine) -> None:
        machine.kubeconfig("home/.kube/config", "from-home")
        with pytest.raises(KubeConfigError, match=r"kubeconfig /no/such/file: there is no such file"):
            machine.load("/no/such/file")

    def test_files_without_a_current_context_leave_it_to_the_service_account(self, machine: Machine) -> None:
        write(machine.home / ".kube" / "config", {**document(), "current-context": ""})
        machine.in_pod()
        assert machine.token() == "pod-token"

    def test_without_a_service_account_they_ask_for_a_context(self, machine: Machine) -> None:
        write(machine.home / ".kube" / "config", {**document(), "current-context": ""})
        with pytest.raises(KubeConfigError, match=r"has no current-context \(contexts there: dev\)"):
            machine.load()

    def test_a_context_is_never_looked_for_in_the_service_account(self, machine: Machine) -> None:
        machine.root.mkdir()
        machine.in_pod()
        with pytest.raises(KubeConfigError, match="it has no contexts, and 'dev' was asked for"):
            machine.load(context="dev")

    def test_a_namespace_argument_goes_before_the_contexts_own(self, machine: Machine) -> None:
        path = str(write(machine.root / "config", document(namespace="team")))
        assert machine.load(path).namespace == "team"
        assert machine.load(path, namespace="mine").namespace == "mine"

    def test_in_a_pod_a_context_without_a_namespace_means_that_of_the_pod(self, machine: Machine) -> None:
        kubeconfig = str(machine.kubeconfig("given", "from-argument"))
        assert machine.load(kubeconfig).namespace is None
        machine.in_pod()
        (machine.account / "namespace").write_text("mounted")
        assert machine.load(kubeconfig).namespace == "mounted"
        machine.environ["POD_NAMESPACE"] = "told"
        assert machine.load(kubeconfig).namespace == "told"
        assert machine.load(kubeconfig, namespace="asked-for").namespace == "asked-for"
        machine.environ["KUBECONFIG"] = str(write(machine.root / "own", document(namespace="own")))
        assert machine.load().namespace == "own"

    def test_outside_of_a_pod_the_variable_of_its_namespace_says_nothing(self, machine: Machine) -> None:
        machine.environ["POD_NAMESPACE"] = "told"
        assert machine.load(str(machine.kubeconfig("given", "x"))).namespace is None

    def test_a_namespace_of_a_context_that_cannot_be_one_is_named(self, machine: Machine) -> None:
        path = str(write(machine.root / "config", document(namespace="Team_A")))
        with pytest.raises(KubeConfigError, match=rf"context 'dev' in {path}: namespace: Invalid value: \"Team_A\""):
            machine.load(path)
        assert machine.load(path, namespace="team-a").namespace == "team-a"

    def test_an_empty_path_is_no_path(self, machine: Machine) -> None:
        machine.environ["KUBECONFIG"] = str(machine.kubeconfig("own", "x"))
        with pytest.raises(KubeConfigError, match="must be the path of a file or a dict, not an empty path"):
            machine.load("")

    def test_the_environment_is_read_at_call_time(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("one", "two"):
            path = write(machine.root / name, document(cluster={"server": f"https://{name}.example"}))
            monkeypatch.setenv("KUBECONFIG", str(path))
            assert load_config().server == f"https://{name}.example"

    def test_an_explicit_path_may_be_a_path_object_and_begin_at_home(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(machine.home))
        path = write(machine.home / "mine", document())
        assert load_config(path).server == load_config("~/mine").server == "https://api.example:6443"


class TestNothingFound:
    def test_the_error_lists_every_place_and_what_to_do(self, machine: Machine) -> None:
        with pytest.raises(KubeConfigError) as caught:
            machine.load()
        said = str(caught.value)
        assert "KUBECONFIG: not set" in said
        assert f"~/.kube/config ({machine.home}/.kube/config): no such file" in said
        assert "KUBERNETES_SERVICE_HOST is not set" in said
        assert "Set KUBECONFIG to a kubeconfig file" in said

    def test_an_empty_home_is_no_home(self, machine: Machine) -> None:
        machine.environ["HOME"] = ""
        with pytest.raises(KubeConfigError, match=r"~/\.kube/config: HOME is not set"):
            machine.load()

    def test_every_error_can_be_printed_whatever_the_directories_are_called(self, machine: Machine) -> None:
        """Names of files are bytes; those that are no text stand in str as halves of surrogate pairs."""
        home = machine.root / "no-\udcff-text"
        machine.environ["HOME"] = str(home)
        problems = []
        for content in (None, "users: [", "[]", "kind: Pod", "contexts: [{name: c, context: {}}]\ncurrent-context: c"):
            if content is not None:
                (home / ".kube").mkdir(parents=True, exist_ok=True)
                (home / ".kube" / "config").write_text(content)
            with pytest.raises(KubeConfigError) as caught:
                machine.load()
            problems.append(str(caught.value))
        files = {"client-certificate": "crt", "client-key": "key"}
        users: list[dict[str, object]] = [{"tokenFile": "none"}, {**files}, {"exec": {}}, {"auth-provider": {}}]
        for user in users:
            write(home / ".kube" / "config", document(user=user))
            with pytest.raises(KubeConfigError) as caught:
                machine.load()
            problems.append(str(caught.value))
        assert all("no-\\udcff-text" in problem for problem in problems)
        assert all(problem.encode() for problem in problems)

    def test_a_file_without_contexts_is_reported_as_that(self, machine: Machine) -> None:
        write(machine.home / ".kube" / "config", {"kind": "Config"})
        with pytest.raises(KubeConfigError, match="contains no contexts"):
            machine.load()

    def test_it_is_a_value_error_too(self, machine: Machine) -> None:
        with pytest.raises(ValueError, match="no Kubernetes configuration found"):
            machine.load()


class TestClientConfig:
    def test_repr_shows_server_namespace_and_source_and_nothing_else(self) -> None:
        config = ClientConfig(
            "https://api.example",
            "team",
            Credentials(BearerToken("s3cret")),
            proxy_url="http://u:pa55@proxy.example:3128",
            source="a test",
        )
        assert repr(config) == "ClientConfig(server='https://api.example', namespace='team', source='a test')"

    @pytest.mark.parametrize(
        ("url", "normal"),
        [
            ("https://api.example:6443/", "https://api.example:6443"),
            ("HTTPS://API.example", "https://api.example"),
            ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
            ("https://[2001:db8::1]:6443", "https://[2001:db8::1]:6443"),
            ("https://rancher.example/k8s/clusters/c-x1//", "https://rancher.example/k8s/clusters/c-x1"),
            ("https://api.example/a//b/./c/../d", "https://api.example/a/b/d"),
            ("https://api.example/../..", "https://api.example"),
            ("https://api.example/a%2Fb%20c/d e", "https://api.example/a/b%20c/d%20e"),
            ("https://api.example/\u00fc", "https://api.example/%C3%BC"),
            ("https://[fe80::1%25eth0]:6443", "https://[fe80::1%25eth0]:6443"),
            ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
            (" https://api.example?x=1#y ", "https://api.example"),
        ],
    )
    def test_the_server_is_brought_into_one_form(self, url: str, normal: str) -> None:
        assert ClientConfig(url).server == normal

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://x",
            "file:///etc/passwd",
            "https://",
            "https://:6443",
            "https://a b",
            "https://a\r\nHost: b",
            "https://a:0",
            "https://a:99999",
            "https://a:port",
            "https://[::1",
            "https://a%2eb",
            "https://a/%zz",
            "https://a/\x01",
            "https://-a",
            "",
            "data:,x",
        ],
    )
    def test_anything_but_an_http_or_https_url_is_refused(self, url: str) -> None:
        with pytest.raises(KubeConfigError, match="https://HOST:PORT"):
            ClientConfig(url)

    def test_credentials_in_the_servers_url_are_refused_unshown(self) -> None:
        with pytest.raises(KubeConfigError) as caught:
            ClientConfig("https://bob:hunter2@api.example")
        assert "hunter2" not in str(caught.value)

    def test_its_parts_are_at_hand(self) -> None:
        config = ClientConfig("https://[::1]/prefix")
        assert (config.scheme, config.host, config.port, config.path) == ("https", "::1", 443, "/prefix")

    def test_the_zone_of_an_address_is_at_hand_as_the_system_knows_it(self) -> None:
        assert ClientConfig("https://[fe80::1%25eth0]:6443").host == "fe80::1%eth0"

    def test_a_server_url_says_its_port_only_if_it_was_given(self) -> None:
        assert parse_server_url("https://api.example", "x").port is None


class TestTLSContext:
    def test_it_is_made_once(self) -> None:
        config = ClientConfig("https://api.example")
        assert config.ssl_context() is config.ssl_context()

    def test_a_replaced_ca_file_makes_a_new_one(self, tmp_path: Path) -> None:
        (tmp_path / "ca.crt").write_bytes(authority().pem)
        path = write(tmp_path / "config", document(cluster={"certificate-authority": "ca.crt"}))
        config = load_config(path)
        before = config.ssl_context()
        (tmp_path / "new").write_bytes(authority("another").pem)
        (tmp_path / "new").replace(tmp_path / "ca.crt")
        assert config.ssl_context() is not before

    def test_the_insecure_flag_warns_once(self) -> None:
        config = ClientConfig("https://api.example", tls=TLSSettings(insecure=True), source="a test")
        with pytest.warns(InsecureTLSWarning, match=r"\(a test\): the certificate of https://api.example is not"):
            config.ssl_context()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            config.ssl_context()
        assert caught == []


# which cluster


def _id(url: str = "https://a.example", ca: bytes = b"x\ny", name: Optional[str] = None) -> object:
    return ClientConfig(url, tls=TLSSettings(PEMSource("ca", ca), name)).cluster_id()


def test_a_cluster_is_known_by_its_url_and_its_authority() -> None:
    assert _id() == _id()
    assert _id() == _id(ca=b"x\r\ny\n")
    assert len({_id(), _id("https://b.example"), _id(ca=b"z"), _id(name="other.example")}) == 4


def test_an_authority_in_a_file_is_the_same_as_in_place(tmp_path: Path) -> None:
    (tmp_path / "ca").write_bytes(b"x\ny\n")
    ca = PEMSource("ca", path=str(tmp_path / "ca"))
    assert ClientConfig("https://a.example", tls=TLSSettings(ca)).cluster_id() == _id()
    (tmp_path / "ca").unlink()
    assert ClientConfig("https://a.example", tls=TLSSettings(ca)).cluster_id() != _id()
