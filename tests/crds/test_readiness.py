"""wait_for_ready(): phase Running and a ready pod, or an error that tells what was seen last."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from devservers import errors
from devservers.crds import podlookup, readiness
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.transport import RESTClient
from tests.stopwatch import Stopwatch

from .builders import LONG, SHORT, SPEC, created, requests_of, set_status
from .staged import StagedServer

PODS = "/api/v1/namespaces/default/pods"
LOOK = f"{PODS}?labelSelector=app%3Ddev&limit=500"


def pod(name: str = "dev-0", ready: Optional[bool] = None, **more: Any) -> dict[str, Any]:
    conditions = [] if ready is None else [{"type": "Ready", "status": str(ready)}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "dev"}, **more.pop("metadata", {})},
        "spec": {"containers": [{"name": "main", "image": "x"}], **more.pop("spec", {})},
        "status": {"phase": "Running", "conditions": conditions, **more},
    }


def make_ready(cluster: StagedServer, name: str = "dev-0") -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["status"]["conditions"] = [{"type": "Ready", "status": "True"}]

    cluster.store.modify("pods", name, "default", change)


def running(cluster: StagedServer) -> DevServer:
    server = created()
    set_status(cluster, phase="Running")
    return server


# when


def test_a_running_server_with_a_ready_pod_is_ready(operated: StagedServer) -> None:
    server = created()
    assert server.wait_for_ready(timeout=LONG) is server
    assert server.status["phase"] == "Running"


def test_the_default_timeout_is_that_of_the_object(cluster: StagedServer) -> None:
    created()
    server = DevServer(ObjectMeta(name="dev"), SPEC, wait_timeout=SHORT)
    with pytest.raises(errors.WaitTimeoutError, match=r"was not ready within 0\.3 s"):
        server.wait_for_ready()


def test_running_is_not_enough_while_the_pod_is_not_ready(cluster: StagedServer) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=False))
    for _ in range(3):
        cluster.before("GET", LOOK, lambda: None)
    cluster.before("GET", LOOK, lambda: make_ready(cluster))
    server.wait_for_ready(timeout=LONG)
    assert len(requests_of(cluster, "GET", LOOK)) == 4


def test_the_pods_own_word_goes_before_that_of_its_containers(cluster: StagedServer) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=False, containerStatuses=[{"name": "main", "ready": True}]))
    with pytest.raises(errors.WaitTimeoutError):
        server.wait_for_ready(timeout=SHORT)


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({"phase": "Running", "conditions": None, "containerStatuses": [{"ready": True}, {"ready": True}]}, True),
        ({"phase": "Running", "containerStatuses": [{"ready": True}, {"ready": False}]}, False),
        ({"phase": "Running"}, True),
        ({"phase": "Pending"}, False),
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, False),
        (None, False),
    ],
)
def test_a_pod_without_a_ready_condition_is_judged_by_its_containers(status: Any, ready: bool) -> None:
    assert podlookup.containers_ready({"metadata": {"name": "p"}, "status": status}) is ready


def test_a_pod_that_is_not_to_be_seen_holds_the_wait_up_for_a_short_grace_only(cluster: StagedServer) -> None:
    watch = Stopwatch()
    running(cluster).wait_for_ready(timeout=2)
    assert watch.seconds > 0.5
    assert watch.own_seconds < 2


@pytest.mark.parametrize("verb", ["list", "get"])
def test_pods_that_may_not_be_looked_at_do_not_hold_the_wait_up(cluster: StagedServer, verb: str) -> None:
    cluster.rules.deny("admin", verb, "pods")
    watch = Stopwatch()
    running(cluster).wait_for_ready(timeout=LONG)
    assert watch.own_seconds < readiness.POD_GRACE / 2


def test_a_role_without_get_on_devservers_is_enough(cluster: StagedServer) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=False))
    cluster.rules.deny("admin", "get", "devservers")
    cluster.after("GET", LOOK, lambda: make_ready(cluster))
    server.wait_for_ready(timeout=LONG)


def test_a_server_that_stops_running_while_its_pod_is_awaited_is_waited_for_anew(cluster: StagedServer) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=False))

    def restart() -> None:
        set_status(cluster, phase="Restarting")
        make_ready(cluster)

    cluster.after("GET", LOOK, restart)
    cluster.before("GET", "watch=true", lambda: set_status(cluster, phase="Running"))
    server.wait_for_ready(timeout=LONG)
    assert server.status["phase"] == "Running"
    assert len(requests_of(cluster, "GET", "watch=true")) == 1


def test_a_server_that_fails_while_its_pod_is_awaited_is_an_error_at_once(cluster: StagedServer) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=False))
    cluster.after("GET", LOOK, lambda: set_status(cluster, phase="Failed", message="node lost"))
    with pytest.raises(errors.ResourceFailedError, match="message: node lost"):
        server.wait_for_ready(timeout=LONG)


@pytest.mark.parametrize("again", [False, True])
def test_a_server_that_goes_while_its_pod_is_awaited_is_an_error_at_once(cluster: StagedServer, again: bool) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=False))

    def vanish() -> None:
        cluster.store.delete("devservers", "dev", "default")
        if again:
            running(cluster)

    cluster.after("GET", LOOK, vanish)
    with pytest.raises(errors.ResourceDeletedError, match="was deleted while it was waited for"):
        server.wait_for_ready(timeout=LONG)


def test_a_server_that_is_being_deleted_is_not_waited_for(cluster: StagedServer) -> None:
    server = created(finalizers=["x/y"])
    server.delete()
    set_status(cluster, phase="Running")
    with pytest.raises(errors.ResourceDeletedError, match="<DevServer default/dev phase=Running> is being deleted"):
        server.wait_for_ready(timeout=LONG)


def test_an_api_server_that_stumbles_does_not_end_the_wait(cluster: StagedServer) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=True))
    with cluster.fault.reset_before_execution("list", "pods", times=6) as fault:
        server.wait_for_ready(timeout=LONG)
    assert fault.suffered == 6


def test_an_api_server_that_says_nothing_does_not_prolong_the_wait(cluster: StagedServer) -> None:
    server = running(cluster)
    watch = Stopwatch()
    silence = cluster.fault.stall("*", "pods")
    with silence, pytest.raises(errors.WaitTimeoutError, match="pod: cannot be looked at"):
        server.wait_for_ready(timeout=SHORT)
    assert watch.own_seconds < SHORT + 1.2


def test_without_any_time_a_ready_server_is_ready(cluster: StagedServer) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=True))
    server.wait_for_ready(timeout=0)


# which pod


def find(name: str = "dev", uid: Optional[str] = None) -> Optional[str]:
    with RESTClient() as client:
        found = podlookup.find_pod(client, "default", name, uid=uid)
    return None if found is None else found["metadata"]["name"]


def at(minute: int) -> dict[str, Any]:
    return {"creationTimestamp": f"2026-01-02T03:{minute:02}:00Z"}


def test_the_newest_labelled_pod_that_is_not_terminating_is_meant(cluster: StagedServer) -> None:
    cluster.store.create("pods", pod("old", metadata=at(1)))
    cluster.store.create("pods", pod("new", metadata=at(2)))
    going = {**at(3), "deletionTimestamp": "2026-01-02T03:05:00Z"}
    cluster.store.create("pods", pod("going", metadata=going))
    cluster.store.create("pods", pod("done", metadata=at(4), phase="Succeeded"))
    cluster.store.create("pods", pod("dev-0", metadata={**at(5), "labels": {}}))
    assert find() == "new"


@pytest.mark.parametrize("label", [{}, {"app": "other"}])
def test_without_a_labelled_pod_the_one_called_name_0_is_meant(cluster: StagedServer, label: dict[str, str]) -> None:
    cluster.store.create("pods", pod("dev-0", metadata={"labels": label}))
    assert find() == "dev-0"


def test_a_pod_that_is_terminating_is_none(cluster: StagedServer) -> None:
    cluster.store.create("pods", pod("dev-0", metadata={"deletionTimestamp": "2026-01-02T03:05:00Z"}))
    assert find() is None


def test_a_pod_of_a_namesake_of_before_is_none(cluster: StagedServer) -> None:
    owner = {"apiVersion": "devserver.io/v1", "kind": "DevServer", "name": "dev", "uid": "u-1"}
    cluster.store.create("pods", pod("dev-0", metadata={"ownerReferences": [owner]}))
    assert find(uid="u-2") is None
    assert find(uid="u-1") == find(uid=None) == "dev-0"


def test_a_pod_that_something_else_owns_may_be_the_one(cluster: StagedServer) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "dev", "uid": "u-1"}
    cluster.store.create("pods", pod("dev-0", metadata={"ownerReferences": [owner]}))
    assert find(uid="u-2") == "dev-0"


def test_a_name_too_long_for_a_label_is_looked_for_by_name_alone(cluster: StagedServer) -> None:
    name = "d" * 64
    cluster.store.create("pods", pod(f"{name}-0", metadata={"labels": {}}))
    assert find(name) == f"{name}-0"
    assert find("d" * 253) is None
    assert not requests_of(cluster, "GET", "labelSelector")


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
