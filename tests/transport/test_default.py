"""The process-wide default client: what it is made from, when it is made anew, and what a failure leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import devservers
from devservers import DevServer, KubeConfigError, ObjectMeta
from devservers.transport.default import default_client
from tests.fakeapiserver import FakeAPIServer

ROOT = Path(__file__).parent.parent.parent
SPEC = {"flavor": "cpu-small"}
CONTEXTS = [
    {"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "default"}},
    {"name": "staging", "context": {"cluster": "fake", "user": "fake", "namespace": "stage"}},
]


@pytest.fixture
def other(server: FakeAPIServer, tmp_path: Path) -> Path:
    """A kubeconfig of two contexts, which is not the one that KUBECONFIG names."""
    for namespace in ("stage", "team"):
        server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    return server.write_kubeconfig(tmp_path / "other", contexts=CONTEXTS)


def test_there_is_one_client_until_the_environment_leads_elsewhere(
    server: FakeAPIServer, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = default_client()
    assert default_client() is first
    monkeypatch.setenv("KUBECONFIG", os.fspath(other))
    assert default_client() is not first


def test_configure_chooses_file_and_context(server: FakeAPIServer, other: Path) -> None:
    devservers.configure(other, context="staging")
    assert DevServer.create(ObjectMeta(name="a"), SPEC).metadata.namespace == "stage"


def test_configure_chooses_a_namespace_over_that_of_the_context(server: FakeAPIServer, other: Path) -> None:
    devservers.configure(other, context="staging", namespace="team")
    assert DevServer.create(ObjectMeta(name="a"), SPEC).metadata.namespace == "team"


def test_what_was_configured_stays_whatever_the_environment_says(
    server: FakeAPIServer, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devservers.configure(other)
    configured = default_client()
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert default_client() is configured


def test_a_configuration_that_is_not_usable_leaves_the_client_of_before(server: FakeAPIServer) -> None:
    before = default_client()
    with pytest.raises(KubeConfigError, match=r"/no/such/file: there is no such file"):
        devservers.configure("/no/such/file")
    assert default_client() is before


def test_reset_forgets_what_was_configured(server: FakeAPIServer, other: Path) -> None:
    devservers.configure(other, context="staging")
    devservers.reset()
    assert default_client().config.namespace == "default"


def test_a_forked_child_is_not_held_up_by_a_lock_that_its_parent_held() -> None:
    code = (
        "import os; from devservers.transport import default as client\n"
        "client._lock.acquire(); child = os.fork()\n"
        "if child == 0: os._exit(0 if client._lock.acquire(timeout=5) else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
