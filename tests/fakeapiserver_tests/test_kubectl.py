"""kubectl, unmodified, against the fake."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.operator import Operator
from tests.machine import KUBECTL, needs_kubectl

from .watching import until_gone

pytestmark = needs_kubectl

MANIFEST = """
apiVersion: devserver.io/v1
kind: DevServer
metadata: {name: %(name)s}
spec: {flavor: cpu-small, image: "%(image)s"}
"""
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


def manifest(name: str = "a", image: str = "ubuntu:22.04") -> str:
    return MANIFEST % {"name": name, "image": image}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeAPIServer]:
    with FakeAPIServer(tls=True) as server:
        yield server


@pytest.fixture
def kubectl(fake: FakeAPIServer, tmp_path: Path) -> Iterator[Kubectl]:
    """Run kubectl; its output, once it has succeeded (or failed, if ``fails``)."""
    yield kubectl_for(fake, tmp_path)
    for name in {obj["metadata"]["name"] for obj in fake.store.list("devservers", "default")}:
        fake.store.delete("devservers", name, "default")
        until_gone(fake, "deployments", name)


def kubectl_for(server: FakeAPIServer, home: Path) -> Kubectl:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(server.kubeconfig)}

    def run(*arguments: str, stdin: str = "", fails: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [KUBECTL, *arguments], input=stdin, env=environment, capture_output=True, text=True, timeout=20, check=False
        )
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    return run


def test_create_get_and_delete(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", stdin=manifest()).stdout == "devserver.devserver.io/a created\n"
    assert kubectl("get", "devservers").stdout.split()[:3] == ["NAME", "AGE", "a"]
    assert kubectl("get", "devserver", "a", "-o", "jsonpath={.spec.mode}").stdout == "standalone"
    assert kubectl("delete", "devserver", "a").stdout == 'devserver.devserver.io "a" deleted\n'
    assert "NotFound" in kubectl("get", "devserver", "a", fails=True).stderr


def test_kubectl_works_over_plain_http_where_it_sends_no_credentials(tmp_path: Path) -> None:
    with FakeAPIServer() as plain:
        kubectl = kubectl_for(plain, tmp_path)
        kubectl("create", "-f", "-", stdin=manifest())
        kubectl("wait", "devserver/a", "--for=jsonpath={.status.phase}=Running", "--timeout=10s")
        kubectl("wait", "deploy/a", "--for=condition=Available", "--timeout=10s")
        assert kubectl("exec", "deploy/a", "--", "echo", "hi").stdout == "hi\n"


def test_an_unknown_field_is_refused_by_the_server(kubectl: Kubectl) -> None:
    refused = kubectl("create", "-f", "-", stdin=manifest().replace("image:", "imag:"), fails=True)
    assert 'strict decoding error: unknown field "spec.imag"' in refused.stderr


def test_an_invalid_field_is_refused_with_its_cause(kubectl: Kubectl) -> None:
    refused = kubectl("create", "-f", "-", stdin=manifest().replace("cpu-small", "x, mode: solo"), fails=True)
    assert 'spec.mode: Unsupported value: "solo": supported values: "standalone", "distributed"' in refused.stderr


def test_apply_configures_and_a_second_apply_changes_nothing(kubectl: Kubectl) -> None:
    assert "created" in kubectl("apply", "-f", "-", stdin=manifest(image="one")).stdout
    assert "configured" in kubectl("apply", "-f", "-", stdin=manifest(image="two")).stdout
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=manifest(image="two")).stdout
    assert kubectl("get", "devserver", "a", "-o", "jsonpath={.spec.image}").stdout == "two"


def test_server_side_apply_finds_conflicts_and_forces_them(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=manifest(image="one"))
    apply = ("apply", "--server-side", "--field-manager=two", "-f", "-")
    refused = kubectl(*apply, stdin=manifest(image="two"), fails=True)
    assert 'Apply failed with 1 conflict: conflict with "one": .spec.image' in refused.stderr
    assert "serverside-applied" in kubectl(*apply, "--force-conflicts", stdin=manifest(image="two")).stdout


def test_patches_labels_and_annotations(kubectl: Kubectl, fake: FakeAPIServer) -> None:
    kubectl("create", "-f", "-", stdin=manifest())
    kubectl("patch", "devserver", "a", "--type=merge", "-p", '{"spec": {"image": "merged"}}')
    kubectl("patch", "devserver", "a", "--type=json", "-p", '[{"op": "add", "path": "/spec/owner", "value": "me"}]')
    kubectl("label", "devserver", "a", "team=red")
    kubectl("annotate", "devserver", "a", "note=x")
    obj = fake.store.get("devservers", "a", "default")
    assert (obj["spec"]["image"], obj["spec"]["owner"]) == ("merged", "me")
    assert (obj["metadata"]["labels"], obj["metadata"]["annotations"]["note"]) == ({"team": "red"}, "x")


def ready(kubectl: Kubectl, fake: FakeAPIServer) -> str:
    """The name of the pod of a DevServer, which is ready."""
    kubectl("create", "-f", "-", stdin=manifest())
    kubectl("wait", "devserver/a", "--for=jsonpath={.status.phase}=Running", "--timeout=10s")
    kubectl("wait", "deploy/a", "--for=condition=Available", "--timeout=10s")
    return str(Operator.of(fake).pod_of("a")["metadata"]["name"])


def test_wait_describe_logs_and_exec(kubectl: Kubectl, fake: FakeAPIServer) -> None:
    pod = ready(kubectl, fake)
    assert "Phase:" in kubectl("describe", "devserver", "a").stdout
    assert "SuccessfulCreate" in kubectl("describe", "rs", "-l", "app=a").stdout
    assert kubectl("get", "pod", pod, "--no-headers").stdout.split()[:4] == [pod, "1/1", "Running", "0"]
    assert kubectl("logs", pod).stdout == f"{pod}: ready\n"
    assert kubectl("exec", pod, "--", "echo", "hi").stdout == "hi\n"


def test_the_deployment_and_its_replicaset_are_shown(kubectl: Kubectl, fake: FakeAPIServer) -> None:
    ready(kubectl, fake)
    deployments = kubectl("get", "deploy", "a", "-o", "wide").stdout.split()
    assert deployments[:8] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert deployments[8:12] == ["a", "1/1", "1", "1"]
    assert deployments[13:] == ["devserver", "ubuntu:22.04", "app=a"]
    replicasets = kubectl("get", "rs", "-l", "app=a").stdout.split()
    assert replicasets[:5] == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    assert replicasets[6:9] == ["1", "1", "1"]
    assert "deployment.apps/a" in kubectl("get", "all").stdout


def test_a_rollout_is_followed_and_undone(kubectl: Kubectl, fake: FakeAPIServer) -> None:
    ready(kubectl, fake)
    kubectl("patch", "devserver", "a", "--type=merge", "-p", '{"spec": {"image": "debian"}}')
    kubectl("wait", "deploy/a", "--for=jsonpath={.spec.template.spec.containers[0].image}=debian", "--timeout=10s")
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/a", "--timeout=10s").stdout
    kubectl("rollout", "undo", "deploy/a")
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/a", "--timeout=10s").stdout
    assert kubectl("rollout", "history", "deploy/a").stdout.split()[3:] == ["2", "<none>", "3", "<none>"]


def test_delete_waits_until_the_operator_removes_its_finalizer(kubectl: Kubectl, fake: FakeAPIServer) -> None:
    ready(kubectl, fake)
    Operator.of(fake).pause()
    kubectl("delete", "devserver", "a", "--wait=false")
    assert kubectl("get", "devserver", "a", "-o", "jsonpath={.metadata.deletionTimestamp}").stdout
    Operator.of(fake).resume()
    kubectl("wait", "devserver/a", "--for=delete", "--timeout=10s")


def test_cp_brings_files_in_and_out(kubectl: Kubectl, fake: FakeAPIServer, tmp_path: Path) -> None:
    pod = ready(kubectl, fake)
    (tmp_path / "in.txt").write_text("content")
    kubectl("cp", str(tmp_path / "in.txt"), f"{pod}:/tmp/there.txt")
    kubectl("cp", f"{pod}:/tmp/there.txt", str(tmp_path / "out.txt"))
    assert (tmp_path / "out.txt").read_text() == "content"


def test_pods_can_be_changed_by_strategic_merge(kubectl: Kubectl, fake: FakeAPIServer) -> None:
    fake.apply("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: x}]}}")
    kubectl("label", "pod", "p", "team=red")
    kubectl("patch", "pod", "p", "-p", '{"spec": {"containers": [{"name": "c", "image": "y"}]}}')
    pod = fake.store.get("pods", "p", "default")
    assert (pod["metadata"]["labels"], pod["spec"]["containers"][0]["image"]) == ({"team": "red"}, "y")
    kubectl("delete", "pod", "p")


def test_watch_shows_changes_until_its_end(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=manifest())
    assert kubectl("get", "devservers", "--watch", "--request-timeout=1s").stdout.split()[:3] == ["NAME", "AGE", "a"]


def test_typed_clients_send_protobuf(kubectl: Kubectl, fake: FakeAPIServer) -> None:
    kubectl("create", "namespace", "team-a")
    kubectl("create", "configmap", "settings", "--from-literal=key=value", "-n", "team-a")
    assert fake.store.get("configmaps", "settings", "team-a")["data"] == {"key": "value"}
    kubectl("delete", "namespace", "team-a")
    assert "team-a" not in {obj["metadata"]["name"] for obj in fake.store.list("namespaces")}


def test_discovery_names_every_kind(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "--api-group=devserver.io", "-o", "name").stdout.split()
    assert sorted(listed) == ["devserverflavors.devserver.io", "devservers.devserver.io", "devserverusers.devserver.io"]
    assert "flavor\t<string> -required-" in kubectl("explain", "devserver.spec").stdout
    assert json.loads(kubectl("version", "-o", "json").stdout)["serverVersion"]["gitVersion"] == "v1.36.4"


def test_auth_can_i(kubectl: Kubectl, fake: FakeAPIServer) -> None:
    assert kubectl("auth", "can-i", "create", "devservers").stdout == "yes\n"
    fake.rules.deny("admin", "delete", "devservers")
    try:
        assert kubectl("auth", "can-i", "delete", "devservers", fails=True).stdout == "no\n"
        assert "admin" in kubectl("auth", "whoami").stdout
    finally:
        fake.rules.clear()


def test_a_custom_definition_is_served(kubectl: Kubectl) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.io"},
        "spec": {
            "group": "example.io",
            "scope": "Cluster",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wi"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 3}}}
                    },
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".size"}],
                }
            ],
        },
    }
    widget = "apiVersion: example.io/v1\nkind: Widget\nmetadata: {name: w}\nsize: %d\n"
    kubectl("apply", "-f", "-", stdin=json.dumps(crd))
    kubectl("wait", "crd/widgets.example.io", "--for=condition=Established", "--timeout=5s")
    assert "less than or equal to 3" in kubectl("create", "-f", "-", stdin=widget % 4, fails=True).stderr
    kubectl("create", "-f", "-", stdin=widget % 2)
    assert kubectl("get", "wi").stdout.split() == ["NAME", "SIZE", "w", "2"]
    kubectl("delete", "crd", "widgets.example.io")
    assert "could not find the requested resource" in kubectl("get", "--raw", "/apis/example.io/v1", fails=True).stderr
