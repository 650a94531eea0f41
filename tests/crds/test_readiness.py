"""wait_for_ready(): phase Running and a ready pod, or an error that tells what was seen last."""

from __future__ import annotations

import json
from typing import Any, Optional

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.lifecycle import failfast, readiness
from devservers.crds.lifecycle import pods as podlookup
from devservers.crds.lifecycle.failfast import FailFast
from devservers.crds.lifecycle.pods import Pods
from devservers.crds.model.expiry import expiry_note
from devservers.transport import ClientConfig, RESTClient
from devservers.transport.deadline import Deadline
from devservers.transport.resources import Resource
from tests.fakeapiserver.operator import Operator
from tests.stopwatch import Stopwatch
from tests.transport.scripted import FakeClock

from .builders import LONG, SHORT, SPEC, created, requests_of, set_status
from .staged import StagedServer
from .test_deletion import LIES

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


def test_running_is_not_enough_while_there_is_no_pod(cluster: StagedServer) -> None:
    server = running(cluster)
    for _ in range(4):
        cluster.before("GET", LOOK, lambda: None)
    cluster.before("GET", LOOK, lambda: cluster.store.create("pods", pod(ready=True)))
    server.wait_for_ready(timeout=LONG)
    assert len(requests_of(cluster, "GET", LOOK)) == 5


def test_a_running_server_without_a_pod_is_not_ready_however_long_the_wait(cluster: StagedServer) -> None:
    watch = Stopwatch()
    with pytest.raises(errors.WaitTimeoutError, match="pod: none was found"):
        running(cluster).wait_for_ready(timeout=4)
    assert watch.seconds > 3.9


def test_a_pod_of_somebody_else_is_not_enough(cluster: StagedServer) -> None:
    server = running(cluster)
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-abc", "uid": "u", "controller": True}
    cluster.store.create("pods", pod("web-abc-1", ready=True, metadata={"ownerReferences": [owner]}))
    with pytest.raises(errors.WaitTimeoutError, match=r"web-abc-1 \(ReplicaSet web-abc\)"):
        server.wait_for_ready(timeout=SHORT)


def test_pods_that_may_not_be_listed_do_not_hold_the_wait_up(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "list", "pods")
    said: list[str] = []
    server = running(cluster)
    server.on_event = said.append
    server.wait_for_ready(timeout=LONG)
    assert said == ["phase Running", "no permission to list pods: the phase alone decides whether it is ready"]


def test_the_right_to_list_pods_is_enough(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "get", "pods")
    server = running(cluster)
    with pytest.raises(errors.WaitTimeoutError):
        server.wait_for_ready(timeout=SHORT)
    cluster.store.create("pods", pod(ready=True, metadata={"labels": {}}))
    server.wait_for_ready(timeout=LONG)


# without hope


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    entry = {"name": "main", "ready": False, "state": {"waiting": {"reason": reason}}, **more}
    return pod(ready=False, containerStatuses=[entry])


@pytest.mark.parametrize(("reason", "more"), [("InvalidImageName", {}), ("CrashLoopBackOff", {"restartCount": 3})])
@pytest.mark.parametrize("phase", ["Running", "Pending", ""])
def test_a_container_that_cannot_come_up_ends_the_wait(
    cluster: StagedServer, monkeypatch: pytest.MonkeyPatch, reason: str, more: dict[str, Any], phase: str
) -> None:
    monkeypatch.setattr(readiness, "SLICE_SECONDS", 0.1)
    server = created()
    set_status(cluster, **({"phase": phase} if phase else {}))
    cluster.store.create("pods", waiting(reason, **more))
    with pytest.raises(errors.ResourceFailedError, match=f"will not get ready: container main: {reason}"):
        server.wait_for_ready(timeout=LONG)
    with pytest.raises(errors.WaitTimeoutError):
        server.wait_for_ready(timeout=SHORT, fail_fast=False)
    server.fail_fast = False
    with pytest.raises(errors.WaitTimeoutError):
        server.wait_for_ready(timeout=SHORT)


def test_a_container_that_has_crashed_but_twice_is_waited_for(cluster: StagedServer) -> None:
    cluster.store.create("pods", waiting("CrashLoopBackOff", restartCount=2))
    with pytest.raises(errors.WaitTimeoutError):
        running(cluster).wait_for_ready(timeout=SHORT)


def signs_after(cluster: StagedServer, raw: dict[str, Any], pods: Optional[Pods], *seconds: float) -> list[str]:
    """What a wait is told at these seconds after its first look, if nothing changes."""
    cluster.store.create("devserverflavors", {"metadata": {"name": "there"}, "spec": {"resources": {}}})
    clock = FakeClock()
    with RESTClient(clock=clock) as client:
        signs = FailFast(client)
        signs.reason(raw, pods, Deadline(None))
        said = []
        for moment in seconds:
            clock.time = moment
            said.append(signs.reason(raw, pods, Deadline(None)))
        return said


def test_an_image_that_cannot_be_pulled_for_a_minute_is_given_up(cluster: StagedServer) -> None:
    pods = Pods([waiting("ErrImagePull")], [])
    said = signs_after(cluster, {}, pods, 59, 60)
    assert said == ["", "container main: its image could not be pulled for a minute"]


def test_an_image_that_was_pulled_in_between_has_its_minute_anew() -> None:
    clock = FakeClock()
    with RESTClient(ClientConfig(server="http://127.0.0.1:1"), clock=clock) as client:
        signs = FailFast(client)
        for moment, reason in ((0, "ErrImagePull"), (50, "ContainerCreating"), (70, "ImagePullBackOff")):
            clock.time = moment
            assert signs.reason({}, Pods([waiting(reason)], []), Deadline(None)) == ""


def test_a_flavor_that_does_not_exist_ends_the_wait(cluster: StagedServer) -> None:
    missing = {"spec": {"flavor": "nosuch"}}
    assert signs_after(cluster, missing, Pods([], []), 9, 10) == ["", 'Flavor "nosuch" does not exist']
    assert requests_of(cluster, "GET", "flavors/nosuch") == ["/apis/devserver.io/v1/devserverflavors/nosuch"]


@pytest.mark.parametrize(
    "raw", [{"spec": {"flavor": "there"}}, {"spec": {}}, {"spec": {"flavor": "nosuch"}, "status": {"phase": "Running"}}]
)
def test_a_server_that_waits_for_something_else_is_waited_for(cluster: StagedServer, raw: dict[str, Any]) -> None:
    assert signs_after(cluster, raw, Pods([], []), 10, 3600) == ["", ""]


def test_a_server_with_a_pod_has_its_flavor(cluster: StagedServer) -> None:
    assert signs_after(cluster, {"spec": {"flavor": "nosuch"}}, Pods([pod()], []), 3600) == [""]


def test_flavors_that_may_not_be_read_end_nothing(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "get", "devserverflavors")
    assert signs_after(cluster, {"spec": {"flavor": "nosuch"}}, Pods([], []), 10, 3600) == ["", ""]


def test_a_cluster_without_flavors_at_all_ends_nothing(cluster: StagedServer) -> None:
    definitions = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)
    clock = FakeClock()
    with RESTClient(clock=clock) as client:
        client.delete(definitions, None, "devserverflavors.devserver.io")
        signs = FailFast(client)
        for clock.time in (0, 3600):
            assert signs.reason({"spec": {"flavor": "nosuch"}}, Pods([], []), Deadline(None)) == ""


@pytest.mark.parametrize(("pods", "what"), [(Pods([], []), " and created no pod"), (None, "")])
def test_an_operator_that_has_handled_it_and_stays_silent_ends_the_wait(
    cluster: StagedServer, pods: Optional[Pods], what: str
) -> None:
    memory = {"kopf.zalando.org/last-handled-configuration": json.dumps({"spec": {"flavor": "there"}})}
    raw = {"metadata": {"annotations": memory}, "spec": {"flavor": "there"}}
    said = signs_after(cluster, raw, pods, 29, 30)
    assert said == ["", f"its operator has processed it but set no status{what}"]


def test_a_missing_flavor_is_noticed_in_a_wait(cluster: StagedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SLICE_SECONDS", 0.1)
    monkeypatch.setattr(failfast, "FLAVOR_SECONDS", 0.2)
    with pytest.raises(errors.ResourceFailedError) as caught:
        created().wait_for_ready(timeout=LONG)
    assert str(caught.value).startswith(
        '<DevServer default/dev> will not get ready: Flavor "cpu-small" does not exist\n  phase: none yet'
    )


# its time to live


def expired(cluster: StagedServer) -> DevServer:
    """A DevServer whose time to live is up; nothing has deleted it yet."""
    server = created(spec={**SPEC, "lifecycle": {"timeToLive": "1h"}})

    def age(raw: dict[str, Any]) -> None:
        raw["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z"

    cluster.store.modify("devservers", "dev", "default", age)
    return server.refresh()


UP = r"its timeToLive of 1h was up \(it was created at 2026-01-02T03:04:05Z\)"


def test_a_wait_that_the_time_to_live_ends_says_so(cluster: StagedServer) -> None:
    server = expired(cluster)
    cluster.before("GET", "watch=true", lambda: cluster.store.delete("devservers", "dev", "default"))
    with pytest.raises(errors.ResourceDeletedError, match=f"was deleted during the wait: {UP}"):
        server.wait_for_ready(timeout=LONG)
    with pytest.raises(errors.ResourceDeletedError, match=UP):
        list(server.wait_for_status({"phase": "Running"}))


def test_a_wait_for_the_pod_that_the_time_to_live_ends_says_so(cluster: StagedServer) -> None:
    server = expired(cluster)
    set_status(cluster, phase="Running")
    cluster.after("GET", LOOK, lambda: cluster.store.delete("devservers", "dev", "default"))
    with pytest.raises(errors.ResourceDeletedError, match=f"was deleted during the wait: {UP}"):
        server.wait_for_ready(timeout=LONG)


def test_commands_and_files_for_a_server_that_the_time_to_live_ended_say_so(cluster: StagedServer) -> None:
    server = expired(cluster)
    cluster.store.delete("devservers", "dev", "default")
    server.sync_workspace = {"/dev/null": "/x"}
    for use in (lambda: server.exec("ls"), server.sync):
        with pytest.raises(errors.ExecError, match=f"was deleted: {UP}"):
            use()


def test_a_command_that_is_cut_off_by_the_time_to_live_says_so(operated: StagedServer) -> None:
    server = created(spec={**SPEC, "lifecycle": {"timeToLive": "1h"}}).wait_for_ready(timeout=LONG)

    def age(raw: dict[str, Any]) -> None:
        raw["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z"

    Operator.of(operated).pause()
    operated.store.modify("devservers", "dev", "default", age)
    server.refresh()
    operated.after("GET", "/exec", lambda: operated.store.delete("devservers", "dev", "default"))
    with operated.fault.exec_closed_without_status(), pytest.raises(errors.ExecConnectionLostError, match=UP):
        server.exec("echo hello")


def test_a_pod_that_goes_with_its_server_just_before_the_command_says_so(operated: StagedServer) -> None:
    server = created().wait_for_ready(timeout=LONG)
    Operator.of(operated).pause()

    def vanish() -> None:
        operated.store.delete("pods", server_pod, "default")
        operated.store.delete("devservers", "dev", "default")

    server_pod = server.pod_name
    operated.before("GET", "/exec", vanish)
    with pytest.raises(errors.NotFoundError, match=r"<DevServer default/dev phase=Running> was deleted$"):
        server.exec("echo hello")


def test_a_server_that_somebody_deleted_in_time_was_not_ended_by_its_time_to_live(cluster: StagedServer) -> None:
    server = created(spec={**SPEC, "lifecycle": {"timeToLive": "1h"}})
    cluster.store.delete("devservers", "dev", "default")
    with pytest.raises(errors.ExecError, match=r"<DevServer default/dev> was deleted$"):
        server.exec("ls")


def raw_expiring(**metadata: str) -> dict[str, Any]:
    metadata = {"creationTimestamp": "1970-01-01T00:00:00Z", **metadata}
    return {"metadata": metadata, "spec": {"lifecycle": {"timeToLive": "1h"}}}


@pytest.mark.parametrize(
    ("raw", "now", "up"),
    [
        (raw_expiring(), 3600, True),
        (raw_expiring(), 3590, False),
        (raw_expiring(deletionTimestamp="1970-01-01T00:59:59Z"), 9999, False),
        (raw_expiring(deletionTimestamp="1970-01-01T01:00:00Z"), 0, True),
        ({**raw_expiring(), "spec": {"lifecycle": {"timeToLive": "0s"}}}, 9999, False),
        ({**raw_expiring(), "spec": {"lifecycle": {"timeToLive": "odd"}}}, 9999, False),
        ({**raw_expiring(), "spec": {"lifecycle": "odd"}}, 9999, False),
        ({**raw_expiring(), "spec": None}, 9999, False),
        (raw_expiring(creationTimestamp="odd"), 9999, False),
        ({}, 9999, False),
    ],
)
def test_a_time_to_live_is_up_once_it_has_passed_since_the_creation(raw: dict[str, Any], now: float, up: bool) -> None:
    assert bool(expiry_note(raw, now)) is up


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
    with pytest.raises(errors.ResourceDeletedError, match=r"was deleted (and recreated )?during the wait"):
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
    with silence, pytest.raises(errors.WaitTimeoutError, match="pod: could not be read"):
        server.wait_for_ready(timeout=SHORT)
    assert watch.own_seconds < SHORT + 1.2


def test_without_any_time_a_ready_server_is_ready(cluster: StagedServer) -> None:
    server = running(cluster)
    cluster.store.create("pods", pod(ready=True))
    server.wait_for_ready(timeout=0)


def test_where_neither_pods_may_be_listed_nor_the_server_be_got_a_phase_is_waited_for_all_the_same(
    cluster: StagedServer,
) -> None:
    server = created()
    cluster.rules.deny("admin", "list", "pods")
    cluster.rules.deny("admin", "get", "devservers")
    with pytest.raises(errors.WaitTimeoutError):
        server.wait_for_ready(timeout=SHORT)


def test_a_last_look_that_proves_nothing_is_a_timeout_like_any_other(cluster: StagedServer) -> None:
    server = created()
    cluster.rules.deny("admin", "list", "pods")
    with cluster.fault.inject(LIES["a proxy"], "get", "devservers"), pytest.raises(errors.WaitTimeoutError):
        server.wait_for_ready(timeout=SHORT)
