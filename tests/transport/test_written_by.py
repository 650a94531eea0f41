"""kubeconfigs as the common tools write them load as they stand (``written_by/*.yaml``; names and values invented)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Optional

import pytest

from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.config.sources import load_config

from .certificates import authority
from .plugins import Plugin, exec_credential

WRITTEN = Path(__file__).parent / "written_by"


@dataclass(frozen=True)
class Expected:
    server: str
    namespace: Optional[str] = None
    plugin: str = ""
    certificate: bool = False


EXPECTED = {
    "kind": Expected("https://127.0.0.1:43657", certificate=True),
    "minikube": Expected("https://192.168.49.2:8443", "default", certificate=True),
    "k3s": Expected("https://127.0.0.1:6443", certificate=True),
    "eks": Expected("https://0a1b2c3d4e5f60718293a4b5c6d7e8f9.gr7.eu-west-9.eks.example", plugin="aws"),
    "gke": Expected("https://203.0.113.10", plugin="gke-gcloud-auth-plugin"),
    "aks": Expected("https://dev-dns-0a1b2c3d.hcp.europe9.aks.example:443", plugin="kubelogin"),
    "openshift": Expected("https://api.dev.openshift.example:6443", "team-a"),
}


def loaded(tool: str, home: Path) -> ClientConfig:
    """The configuration from what ``tool`` wrote, on a machine with its files in place."""
    pair = authority().issue("kubernetes-admin@x.example")
    files = {
        ".minikube/ca.crt": authority().pem,
        ".minikube/profiles/minikube/client.crt": pair.certificate,
        ".minikube/profiles/minikube/client.key": pair.key,
    }
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    data = {"CA": authority().pem, "CLIENT_CERTIFICATE": pair.certificate, "CLIENT_KEY": pair.key}
    values = {f"{name}_DATA": b64encode(content).decode() for name, content in data.items()}
    path = home / "config"
    path.write_text(Template((WRITTEN / f"{tool}.yaml").read_text()).substitute(values, HOME=str(home)))
    return load_config(path)


@pytest.mark.parametrize("tool", sorted(EXPECTED))
def test_it_loads_and_its_certificates_can_be_used(tool: str, tmp_path: Path) -> None:
    config, expected = loaded(tool, tmp_path), EXPECTED[tool]
    assert (config.server, config.namespace) == (expected.server, expected.namespace)
    assert config.tls.ca is not None
    if not expected.plugin:
        assert (config.credentials.client_certificate() is not None) is expected.certificate
        assert config.ssl_context().cert_store_stats()["x509"] == 1


@pytest.mark.parametrize("tool", [tool for tool in sorted(EXPECTED) if EXPECTED[tool].plugin])
def test_its_plugin_is_run_from_path_with_its_arguments(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"echo \"$*\" > '{tmp_path}/arguments'; echo '{exec_credential('v1beta1', token='abc')}'"
    plugin = Plugin(tmp_path / "bin", script)
    plugin.path.rename(tmp_path / "bin" / EXPECTED[tool].plugin)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert loaded(tool, tmp_path).credentials.headers() == [("Authorization", "Bearer abc")]
    expected = {"eks": "--region eu-west-9 eks get-token --cluster-name dev --output json\n", "gke": "\n"}
    arguments = (tmp_path / "arguments").read_text()
    assert arguments == expected.get(tool, arguments)
    assert tool != "aks" or arguments.startswith("get-token --login devicecode --server-id ")


def test_all_that_were_written_are_expected() -> None:
    assert {path.stem for path in WRITTEN.glob("*.yaml")} == set(EXPECTED)


def test_an_openshift_token_is_a_bearer_token(tmp_path: Path) -> None:
    ((name, value),) = loaded("openshift", tmp_path).credentials.headers()
    assert name == "Authorization"
    assert value.startswith("Bearer sha256~")
