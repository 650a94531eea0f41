"""Deployments and ReplicaSets: owned pods, rollouts, and pods that never appear."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.operator import Operator
from tests.fakeapiserver.operator.controllers import controller
from tests.fakeapiserver.operator.deployments import template_hash
from tests.fakeapiserver.operator.podstatus import is_ready
from tests.fakeapiserver.vocabulary.objects import Object, Objects

from .plainclient import STRATEGIC, PlainClient
from .watching import (
    create,
    history,
    set_spec,
    until,
    until_event,
    until_gone,
    until_named,
    until_phase,
    until_pod,
    waits_for,
)

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/web"


@pytest.fixture
def fake() -> Iterator[FakeAPIServer]:
    with FakeAPIServer() as server:
        yield server


def pods(fake: FakeAPIServer) -> Objects:
    return fake.store.list("pods")


def image(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def sizes(fake: FakeAPIServer) -> dict[str, int]:
    """The replicas wanted by each ReplicaSet, by image."""
    return {image({"spec": rs["spec"]["template"]["spec"]}): rs["spec"]["replicas"] for rs in replicasets(fake)}


def replicasets(fake: FakeAPIServer) -> Objects:
    return fake.store.list("replicasets")


# whose pods they are


def test_each_object_controls_what_it_creates(fake: FakeAPIServer) -> None:
    devserver = create(fake)
    pod = until_pod(fake)
    replicaset, deployment = replicasets(fake)[0], fake.store.get("deployments", "dev")
    for dependent, owner in ((pod, replicaset), (replicaset, deployment), (deployment, devserver)):
        reference = controller(dependent)
        assert reference is not None
        assert (reference["kind"], reference["uid"]) == (owner["kind"], owner["metadata"]["uid"])


def test_names_are_as_a_deployment_forms_them(fake: FakeAPIServer) -> None:
    create(fake)
    pod, replicaset = until_pod(fake), replicasets(fake)[0]
    digest = pod["metadata"]["labels"]["pod-template-hash"]
    assert pod["metadata"]["labels"]["app"] == "dev"
    assert replicaset["metadata"]["name"] == f"dev-{digest}"
    assert re.fullmatch(rf"dev-{digest}-[a-z0-9]{{5}}", pod["metadata"]["name"])


def test_the_pod_is_what_clients_look_for(fake: FakeAPIServer) -> None:
    create(fake, image="debian:12", volumes=[{"claimName": "c", "mountPath": "/mnt/models"}])
    pod = until_pod(fake)
    metadata, container = pod["metadata"], pod["spec"]["containers"][0]
    assert metadata["annotations"]["kubectl.kubernetes.io/default-container"] == "devserver"
    assert (container["name"], container["image"]) == ("devserver", "debian:12")
    assert {"/workspace", "/home/dev", "/data", "/mnt/models"} == {m["mountPath"] for m in container["volumeMounts"]}


def test_the_statuses_count_ready_pods(fake: FakeAPIServer) -> None:
    create(fake)
    until_named(fake, "deployments", "dev", lambda obj: (obj.get("status") or {}).get("readyReplicas"))
    status, counts = fake.store.get("deployments", "dev")["status"], replicasets(fake)[0]["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (1, 1, 1)
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Available": "True",
        "Progressing": "True",
    }
    assert (counts["replicas"], counts["readyReplicas"]) == (1, 1)


# replaced pods


def test_a_deleted_pod_is_recreated_under_another_name(fake: FakeAPIServer) -> None:
    create(fake)
    old = until_pod(fake)
    fake.store.delete("pods", old["metadata"]["name"], "default")
    new = until_pod(fake, holds=lambda pod: is_ready(pod) and pod["metadata"]["uid"] != old["metadata"]["uid"])
    assert new["metadata"]["name"].rpartition("-")[0] == old["metadata"]["name"].rpartition("-")[0]
    assert new["metadata"]["name"] != old["metadata"]["name"]


def test_a_pod_that_has_failed_is_replaced(fake: FakeAPIServer) -> None:
    create(fake)
    old = until_pod(fake)["metadata"]["name"]
    fake.store.modify("pods", old, "default", lambda pod: pod.update(status={"phase": "Failed", "reason": "Evicted"}))
    until_pod(fake, holds=lambda pod: is_ready(pod) and pod["metadata"]["name"] != old)
    assert fake.store.get("pods", old)["status"]["reason"] == "Evicted"


def test_a_terminating_pod_is_replaced_at_once(fake: FakeAPIServer) -> None:
    create(fake)
    old = until_pod(fake)["metadata"]["name"]
    fake.store.modify("pods", old, "default", lambda pod: pod["metadata"].update(finalizers=["example.io/hold"]))
    with PlainClient(fake) as client:
        client.ask("DELETE", f"/api/v1/namespaces/default/pods/{old}")
    until_pod(fake, holds=lambda pod: is_ready(pod) and pod["metadata"]["name"] != old)
    assert "deletionTimestamp" in fake.store.get("pods", old)["metadata"]
    assert Operator.of(fake).pod_of("dev")["metadata"]["name"] != old


# rollouts


def test_the_old_pod_stays_until_the_new_one_is_ready(fake: FakeAPIServer) -> None:
    create(fake, image="one")
    old = until_pod(fake)["metadata"]["name"]
    set_spec(fake, image="two")
    until_gone(fake, "pods", old)
    assert [(image(pod), is_ready(pod)) for pod in pods(fake)] == [("two", True)]
    assert sizes(fake) == {"one": 0, "two": 1}
    marked = next(pod for pod in history(fake, "pods", old) if "deletionTimestamp" in pod["metadata"])
    ready = next(pod for pod in history(fake, "pods", pods(fake)[0]["metadata"]["name"]) if is_ready(pod))
    assert int(ready["metadata"]["resourceVersion"]) < int(marked["metadata"]["resourceVersion"])


def test_a_rollout_that_never_gets_ready_keeps_the_old_pod(fake: FakeAPIServer) -> None:
    create(fake, image="one")
    old = until_pod(fake)["metadata"]["name"]
    set_spec(fake, image="example/failed")
    until_pod(fake, holds=waits_for("ImagePullBackOff"))
    assert sizes(fake) == {"one": 1, "example/failed": 1}
    assert Operator.of(fake).pod_of("dev")["metadata"]["name"] == old


def test_a_new_rollout_replaces_one_that_is_stuck(fake: FakeAPIServer) -> None:
    create(fake, image="one")
    until_pod(fake)
    set_spec(fake, image="example/failed")
    until_pod(fake, holds=waits_for("ImagePullBackOff"))
    set_spec(fake, image="three")
    until(fake, "replicasets", lambda _: sizes(fake) == {"one": 0, "example/failed": 0, "three": 1})
    until_pod(fake, holds=lambda pod: is_ready(pod) and image(pod) == "three")


def test_going_back_to_an_old_template_reuses_its_replicaset(fake: FakeAPIServer) -> None:
    create(fake, image="one")
    until_pod(fake)
    for wanted in ("two", "one"):
        set_spec(fake, image=wanted)
        until(fake, "replicasets", lambda _: sizes(fake) == {"one": 0, "two": 0, wanted: 1})  # noqa: B023
    revisions = {
        image({"spec": rs["spec"]["template"]["spec"]}): rs["metadata"]["annotations"] for rs in replicasets(fake)
    }
    assert {name: list(each.values()) for name, each in revisions.items()} == {"one": ["3"], "two": ["2"]}


def test_a_change_outside_the_template_starts_no_rollout(fake: FakeAPIServer) -> None:
    create(fake)
    until_pod(fake)
    set_spec(fake, lifecycle={"timeToLive": "8h"}, image="ubuntu:22.04")
    until_named(fake, "devservers", "dev", lambda obj: "timeToLive" in str(obj["metadata"].get("annotations")))
    create(fake, "another")
    until_pod(fake, "another")
    assert len([rs for rs in replicasets(fake) if rs["metadata"]["labels"]["app"] == "dev"]) == 1


def test_empty_fields_do_not_change_the_hash_of_a_template() -> None:
    full = {
        "spec": {"containers": [{"name": "a", "resources": {}, "args": None}]},
        "metadata": {"creationTimestamp": None},
    }
    assert template_hash(full) == template_hash({"spec": {"containers": [{"name": "a"}]}})
    assert template_hash(full) != template_hash(full, 1)


def test_a_taken_replicaset_name_leads_to_another_hash(fake: FakeAPIServer) -> None:
    create(fake)
    taken = until_pod(fake)["metadata"]["ownerReferences"][0]["name"]
    fake.store.modify("replicasets", taken, "default", lambda rs: rs["metadata"].pop("ownerReferences"))
    fake.store.modify("deployments", "dev", "default", lambda obj: obj["metadata"].update(labels={"a": "b"}))
    until(fake, "replicasets", lambda rs: rs["metadata"]["name"] not in (taken, ""))
    until_named(fake, "deployments", "dev", lambda obj: (obj.get("status") or {}).get("collisionCount") == 1)


# pods that never appear


def test_stuck_never_gets_a_pod_and_no_event(fake: FakeAPIServer) -> None:
    create(fake, "stuck", image="example/stuck")
    until_phase(fake, name="stuck")
    create(fake)
    until_pod(fake)
    assert {pod["metadata"]["labels"]["app"] for pod in pods(fake)} == {"dev"}
    assert sizes(fake)["example/stuck"] == 1
    assert [event for event in fake.store.list("events") if event["type"] == "Warning"] == []


def test_quota_never_gets_a_pod_and_an_event_says_why(fake: FakeAPIServer) -> None:
    create(fake, image="example/quota")
    event = until_event(fake, "FailedCreate", "dev-")
    replicaset = replicasets(fake)[0]
    assert (event["type"], event["involvedObject"]["kind"]) == ("Warning", "ReplicaSet")
    assert event["involvedObject"]["uid"] == replicaset["metadata"]["uid"]
    wanted = rf'Error creating: pods "{replicaset["metadata"]["name"]}-\w{{5}}" is forbidden: exceeded quota: '
    assert re.match(wanted, event["message"])
    failure = until_named(fake, "deployments", "dev", lambda obj: "ReplicaFailure" in str(obj.get("status")))
    assert "exceeded quota" in str(failure["status"]["conditions"])
    create(fake, "another")
    until_pod(fake, "another")
    assert len([e for e in fake.store.list("events") if e["reason"] == "FailedCreate"]) == 1


# deployments without a DevServer


def test_any_deployment_gets_its_pods_and_rolls_out(fake: FakeAPIServer) -> None:
    fake.apply(WEB)
    until_named(fake, "deployments", "web", lambda obj: (obj.get("status") or {}).get("readyReplicas") == 3)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:2"}]}}}}
    with PlainClient(fake) as client:
        assert client.ask("PATCH", DEPLOYMENT, patch, STRATEGIC).json()["metadata"]["generation"] == 2
    until(fake, "replicasets", lambda _: sizes(fake) == {"nginx": 0, "nginx:2": 3})
    ready = [state for _, state in counted(fake, "web")]
    assert min(ready[ready.index(3) :]) == 3
    assert max(total for total, _ in counted(fake, "web")) == 4


def counted(fake: FakeAPIServer, name: str) -> list[tuple[int, int]]:
    """The numbers of pods, and of ready ones, that a Deployment's status has shown."""
    statuses = [state.get("status") or {} for state in history(fake, "deployments", name)]
    return [(status.get("replicas", 0), status.get("readyReplicas", 0)) for status in statuses]


def test_replicas_are_scaled(fake: FakeAPIServer) -> None:
    fake.apply(WEB)
    until_named(fake, "deployments", "web", lambda obj: (obj.get("status") or {}).get("readyReplicas") == 3)
    fake.store.modify("deployments", "web", "default", lambda obj: obj["spec"].update(replicas=1))
    until_named(fake, "deployments", "web", lambda obj: (obj.get("status") or {}).get("replicas") == 1)


@pytest.mark.parametrize("spec", [{}, {"template": {}}, {"replicas": "many", "selector": {}, "template": {}}])
def test_an_invalid_deployment_does_not_hold_up_the_others(fake: FakeAPIServer, spec: Object) -> None:
    for kind in ("deployments", "replicasets"):
        fake.store.create(kind, {"metadata": {"name": "broken"}, "spec": spec})
    create(fake)
    assert until_pod(fake)


def test_deployments_are_served_only_with_controllers(fake: FakeAPIServer) -> None:
    with PlainClient(fake) as client, FakeAPIServer(operator=False) as bare, PlainClient(bare) as other:
        listed = client.get("/apis/apps/v1").json()["resources"]
        assert "deployments" in [resource["name"] for resource in listed]
        assert other.get("/apis/apps/v1").status == 404
