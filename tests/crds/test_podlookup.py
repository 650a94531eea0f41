"""Which pod is a DevServer's own, which of those is meant, and which container of it."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from devservers import errors
from devservers.crds.lifecycle import pods as podlookup
from devservers.crds.lifecycle.pods import PodOwner
from devservers.transport import RESTClient

from .builders import created, requests_of
from .staged import StagedServer

UID = "11111111-1111-1111-1111-111111111111"


def pod(name: str = "dev-0", owner: Optional[dict[str, Any]] = None, **metadata: Any) -> dict[str, Any]:
    owners = {"ownerReferences": [{"apiVersion": "v1", "uid": "other", "controller": True, **owner}]} if owner else {}
    return {
        "metadata": {"name": name, "labels": {"app": "dev"}, **owners, **metadata},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
        "status": {"phase": "Running"},
    }


def at(minute: int) -> dict[str, Any]:
    return {"creationTimestamp": f"2026-01-02T03:{minute:02}:00Z"}


def state(phase: str, ready: Optional[bool] = None) -> dict[str, Any]:
    conditions = [] if ready is None else [{"type": "Ready", "status": str(ready)}]
    return {"phase": phase, "conditions": conditions}


def find(name: str = "dev", uid: Optional[str] = None) -> Optional[str]:
    with RESTClient() as client:
        found = podlookup.look_up_pods(client, PodOwner("default", name, uid)).live
    return None if found is None else found["metadata"]["name"]


# which are its own

HASHED = {"app": "dev", "pod-template-hash": "6b5d9"}


@pytest.mark.parametrize(
    ("candidate", "own"),
    [
        (pod(owner={"kind": "DevServer", "name": "dev", "uid": UID}), True),
        (pod(owner={"kind": "DevServer", "name": "dev", "uid": "another"}), False),
        (pod(owner={"kind": "DevServer", "name": "dev", "uid": "another", "controller": False}), False),
        (pod(owner={"kind": "Anything", "name": "x", "uid": UID}), True),
        (pod(owner={"kind": "StatefulSet", "name": "dev"}), True),
        (pod(owner={"kind": "StatefulSet", "name": "web"}), False),
        (pod(owner={"kind": "ReplicaSet", "name": "dev-6b5d9"}, labels=HASHED), True),
        (pod(owner={"kind": "ReplicaSet", "name": "web-6b5d9"}, labels=HASHED), False),
        (pod(owner={"kind": "ReplicaSet", "name": "dev-server-6b5d9"}, labels=HASHED), False),
        (pod(owner={"kind": "ReplicaSet", "name": "dev-other"}, labels=HASHED), False),
        (pod(owner={"kind": "ReplicaSet", "name": "dev-6b5d9"}), False),
        (pod(owner={"kind": "ReplicaSet", "name": "dev-None"}), False),
        (pod(owner={"kind": "Job", "name": "dev"}), False),
        (pod(owner={"kind": "Node", "name": "n", "controller": False}), True),
        (pod("anything"), True),
        (pod("dev-0", labels=None), True),
        (pod("dev-1", labels={}), False),
        (pod(ownerReferences=None), True),
    ],
)
def test_its_controller_tells_whose_a_pod_is(candidate: dict[str, Any], own: bool) -> None:
    assert PodOwner("default", "dev", UID).owns(candidate) is own


def test_of_a_server_that_was_never_read_the_name_must_do() -> None:
    owner = PodOwner("default", "dev")
    assert owner.owns(pod(owner={"kind": "DevServer", "name": "dev", "uid": "any"}))
    assert not owner.owns(pod(owner={"kind": "DevServer", "name": "other", "uid": "any"}))


@pytest.mark.parametrize(("minute", "own"), [(4, False), (5, True), (6, True)])
def test_a_pod_that_is_older_than_the_server_was_made_for_one_before(minute: int, own: bool) -> None:
    owner = PodOwner("default", "dev", UID, created="2026-01-02T03:05:00Z")
    made_by_deployment = pod(owner={"kind": "ReplicaSet", "name": "dev-6b5d9"}, labels=HASHED, **at(minute))
    assert owner.owns(made_by_deployment) is own
    assert owner.owns(pod(owner={"kind": "StatefulSet", "name": "dev"}, **at(minute))) is own
    assert owner.owns(pod(owner={"kind": "DevServer", "name": "dev", "uid": UID}, **at(minute)))


def test_clocks_of_api_servers_may_differ_by_a_moment() -> None:
    owner = PodOwner("default", "dev", UID, created="2026-01-02T03:05:02Z")
    assert owner.owns(pod(owner={"kind": "StatefulSet", "name": "dev"}, **at(5)))


def test_a_newer_stranger_of_the_same_label_is_never_taken(cluster: StagedServer) -> None:
    server = created()
    mine = {"kind": "DevServer", "name": "dev", "uid": server.metadata.uid}
    cluster.store.create("pods", pod("dev-abc-1", owner=mine, **at(1)))
    cluster.store.create("pods", pod("web-6b5d9-x", owner={"kind": "ReplicaSet", "name": "web-6b5d9"}, **at(2)))
    assert server.pod_name == "dev-abc-1"
    cluster.store.delete("pods", "dev-abc-1", "default")
    with pytest.raises(errors.ExecError) as caught:
        server.exec("ls")
    assert "only pods that belong to something else: web-6b5d9-x (ReplicaSet web-6b5d9)" in str(caught.value)


def test_a_pod_of_an_earlier_server_of_that_name_is_told_as_such(cluster: StagedServer) -> None:
    server = created()
    before = {"kind": "DevServer", "name": "dev", "uid": "another"}
    replicaset = {"kind": "ReplicaSet", "name": "dev-6b5d9"}
    cluster.store.create("pods", pod("dev-1", owner=before))
    cluster.store.create("pods", pod("dev-6b5d9-x", owner=replicaset, labels=HASHED, **at(1)))
    with pytest.raises(errors.ExecError) as caught:
        server.exec("ls")
    assert "dev-1 (DevServer dev, made for an earlier DevServer of this name)" in str(caught.value)
    assert "dev-6b5d9-x (ReplicaSet dev-6b5d9, made for an earlier DevServer of this name)" in str(caught.value)


def test_strangers_do_not_hide_the_pod_that_is_found_by_its_name(cluster: StagedServer) -> None:
    cluster.store.create("pods", pod("web-1", owner={"kind": "Job", "name": "web"}))
    cluster.store.create("pods", pod("dev-0", labels={}))
    assert find() == "dev-0"


def test_of_many_strangers_three_are_named() -> None:
    strangers = [pod(f"web-{n}", owner={"kind": "Job", "name": "web"}) for n in range(5)]
    assert str(podlookup.Pods([], strangers)).endswith("web-2 (Job web) and 2 more")


# which of them is meant


def test_ready_goes_before_running_and_that_before_pending_and_then_the_newest(cluster: StagedServer) -> None:
    ready, running, pending = (state("Running", True), state("Running", False), state("Pending", False))
    order = [("pending", at(9), pending), ("running", at(8), running), ("old", at(1), ready), ("new", at(2), ready)]
    for name, age, status in order:
        cluster.store.create("pods", {**pod(name, **age), "status": status})
    for name in ("new", "old", "running", "pending"):
        assert find() == name
        cluster.store.delete("pods", name, "default")
    assert find() is None


def test_the_newest_labelled_pod_that_is_not_terminating_is_meant(cluster: StagedServer) -> None:
    cluster.store.create("pods", pod("old", **at(1)))
    cluster.store.create("pods", pod("new", **at(2)))
    cluster.store.create("pods", pod("going", **at(3), deletionTimestamp="2026-01-02T03:05:00Z"))
    cluster.store.create("pods", {**pod("done", **at(4)), "status": state("Succeeded")})
    cluster.store.create("pods", pod("dev-0", **at(5), labels={}))
    assert find() == "new"


@pytest.mark.parametrize("label", [{}, {"app": "other"}])
def test_without_a_labelled_pod_the_one_called_name_0_is_meant(cluster: StagedServer, label: dict[str, str]) -> None:
    cluster.store.create("pods", pod("dev-0", labels=label))
    assert find() == "dev-0"


def test_a_pod_that_is_terminating_is_none(cluster: StagedServer) -> None:
    cluster.store.create("pods", pod("dev-0", deletionTimestamp="2026-01-02T03:05:00Z"))
    assert find() is None


def test_a_pod_of_a_namesake_of_before_is_none(cluster: StagedServer) -> None:
    cluster.store.create("pods", pod("dev-0", owner={"kind": "DevServer", "name": "dev", "uid": "u-1"}))
    assert find(uid="u-2") is None
    assert find(uid="u-1") == find(uid=None) == "dev-0"


def test_a_name_too_long_for_a_label_is_looked_for_by_name_alone(cluster: StagedServer) -> None:
    name = "d" * 64
    cluster.store.create("pods", pod(f"{name}-0", labels={}))
    assert find(name) == f"{name}-0"
    assert find("d" * 253) is None
    assert not requests_of(cluster, "GET", "labelSelector")


def test_its_name_is_looked_up_each_time(cluster: StagedServer) -> None:
    server = created()
    with pytest.raises(errors.ExecError, match="has no running pod"):
        _ = server.pod_name
    cluster.store.create("pods", pod("dev-a"))
    assert server.pod_name == "dev-a"


@pytest.mark.parametrize("there", [True, False])
def test_where_pods_may_not_be_listed_a_conventional_one_that_is_not_there_is_no_advice(
    cluster: StagedServer, there: bool
) -> None:
    server = created()
    cluster.rules.deny("admin", "list", "pods")
    if there:
        cluster.store.create("pods", {**pod("dev-0"), "status": {"phase": "Pending"}})
    with pytest.raises(errors.APIError) as caught:
        server.exec("ls")
    assert isinstance(caught.value, errors.ForbiddenError) is not there


def test_a_name_that_was_guessed_and_is_wrong_is_said_to_be_guessed_and_why(cluster: StagedServer) -> None:
    server = created()
    for verb in ("list", "get"):
        cluster.rules.deny("admin", verb, "pods")
    with pytest.raises(errors.NotFoundError) as caught:
        server.exec("ls")
    text = str(caught.value)
    assert "; the name dev-0 was guessed, because pods may not be listed: list pods in namespace" in text
    assert 'with the rule {apiGroups: [""], resources: ["pods"], verbs: ["list"]}' in text


# which container


@pytest.mark.parametrize(
    ("containers", "annotation", "chosen"),
    [
        (["sidecar", "main"], "main", "main"),
        (["sidecar", "devserver"], None, "devserver"),
        (["sidecar", "devserver"], "nosuch", "devserver"),
        (["first", "second"], None, "first"),
        ([], None, None),
    ],
)
def test_the_container_is_the_annotated_one_else_devserver_else_the_first(
    containers: list[str], annotation: Optional[str], chosen: Optional[str]
) -> None:
    annotations = {"kubectl.kubernetes.io/default-container": annotation} if annotation else None
    raw = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": name} for name in containers]}}
    assert podlookup.default_container(raw) == chosen
