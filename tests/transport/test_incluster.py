"""Configuration from the service account of a pod."""

from __future__ import annotations

from pathlib import Path

import pytest

from devservers.errors import KubeConfigError
from devservers.transport.config.incluster import in_cluster_config, missing_pieces
from devservers.transport.deadline import Clock

from .certificates import authority


class StoppedClock(Clock):
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def account(tmp_path: Path) -> Path:
    directory = tmp_path / "serviceaccount"
    directory.mkdir()
    (directory / "token").write_text("pod-token\n")
    (directory / "ca.crt").write_bytes(authority().pem)
    (directory / "namespace").write_text("team\n")
    return directory


def environ(host: str = "10.0.0.1", port: str = "443") -> dict[str, str]:
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


def test_server_token_ca_and_namespace_come_from_the_pod(account: Path) -> None:
    config = in_cluster_config(environ(), directory=str(account))
    assert config.server == "https://10.0.0.1:443"
    assert config.namespace == "team"
    assert config.credentials.identity().headers == [("Authorization", "Bearer pod-token")]
    assert config.tls.ca is not None
    assert config.tls.ca.path == str(account / "ca.crt")
    assert config.source == "in-cluster service account"


@pytest.mark.parametrize("host", ["fd00::1", "[fd00::1]"])
def test_an_ipv6_host_gets_brackets(account: Path, host: str) -> None:
    assert in_cluster_config(environ(host, "6443"), directory=str(account)).server == "https://[fd00::1]:6443"


def test_a_variable_may_name_the_pods_namespace(account: Path) -> None:
    told = {**environ(), "POD_NAMESPACE": "told"}
    assert in_cluster_config(told, directory=str(account)).namespace == "told"
    assert in_cluster_config(told, "asked", directory=str(account)).namespace == "asked"


def test_a_namespace_that_cannot_be_one_is_an_error_that_names_its_source(account: Path) -> None:
    told = {**environ(), "POD_NAMESPACE": "../secrets"}
    with pytest.raises(KubeConfigError, match=r'POD_NAMESPACE: Invalid value: "../secrets": .*; correct it'):
        in_cluster_config(told, directory=str(account))
    assert in_cluster_config(told, "asked", directory=str(account)).namespace == "asked"
    (account / "namespace").write_text("Team A")
    with pytest.raises(KubeConfigError, match=f'{account}/namespace: Invalid value: "Team A"'):
        in_cluster_config(environ(), directory=str(account))


def test_no_namespace_file_means_no_namespace(account: Path) -> None:
    (account / "namespace").unlink()
    assert in_cluster_config(environ(), directory=str(account)).namespace is None


def test_every_missing_piece_is_named(account: Path) -> None:
    assert missing_pieces(environ(), str(account)) == []
    (account / "ca.crt").unlink()
    (account / "token").unlink()
    assert missing_pieces({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, str(account)) == [
        "KUBERNETES_SERVICE_PORT is not set",
        f"{account}/token: No such file or directory",
        f"{account}/ca.crt: No such file or directory",
    ]


def test_a_broken_host_variable_is_an_error(account: Path) -> None:
    with pytest.raises(KubeConfigError, match="in-cluster service account: the server's URL names no valid host"):
        in_cluster_config(environ("-not-a-host!"), directory=str(account))


def test_an_empty_token_is_an_error(account: Path) -> None:
    (account / "token").write_text("\n")
    with pytest.raises(KubeConfigError, match=r"serviceaccount/token\): the token is empty"):
        in_cluster_config(environ(), directory=str(account))


def test_a_rotated_token_is_seen_after_fifty_seconds(account: Path) -> None:
    clock = StoppedClock()
    config = in_cluster_config(environ(), directory=str(account), clock=clock)
    (account / "token").write_text("rotated")
    clock.time += 49.9
    assert config.credentials.identity().headers == [("Authorization", "Bearer pod-token")]
    clock.time += 0.1
    assert config.credentials.identity().headers == [("Authorization", "Bearer rotated")]


def test_the_environments_proxy_never_applies(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert in_cluster_config(environ(), directory=str(account)).proxy() is None
