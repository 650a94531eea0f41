"""A command for a container that is not up says what a wait would; for an unknown one, which there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from devservers import errors
from devservers.crds.commands.explain import explaining_failures
from devservers.crds.devserver import DevServer
from tests.fakeapiserver.pods import Pods as PodsOfServer

from .builders import created, live, pod_name, requests_of, set_status
from .staged import StagedServer

Use = Callable[..., object]

USES: dict[str, Use] = {
    "exec": lambda server, **options: server.exec("ls", **options),
    "exec with input": lambda server, **options: server.exec("cat", input="x", **options),
    "upload": lambda server, **options: server.upload(__file__, "/workspace/", **options),
    "sync": lambda server: server.sync(),
}
NOT_SYNC = [use for name, use in USES.items() if name != "sync"]


@pytest.fixture(params=list(USES.values()), ids=list(USES))
def use(request: pytest.FixtureRequest) -> Use:
    """What a server is used for."""
    found: Use = request.param
    return found


def stands(cluster: StagedServer, *, deleted: bool = False, **status: Any) -> DevServer:
    """A DevServer whose pod is in the state that is given."""
    server = created()
    server.sync_workspace = {__file__: "/workspace/"}
    set_status(cluster, phase="Running")
    owner = {"apiVersion": "v1", "kind": "DevServer", "name": "dev", "uid": server.metadata.uid, "controller": True}
    metadata = {"name": "dev-x", "namespace": "default", "labels": {"app": "dev"}, "ownerReferences": [owner]}
    spec = {
        "nodeName": "node",
        "initContainers": [{"name": "setup", "image": "x"}],
        "containers": [{"name": "devserver", "image": "x"}, {"name": "sidecar", "image": "x"}],
    }
    unscheduled = any(each["type"] == "PodScheduled" for each in status.get("conditions", []))
    if unscheduled:
        del spec["nodeName"]
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    cluster.store.create("pods", {"metadata": metadata, "spec": spec, "status": status})
    return server


def container(name: str = "devserver", **states: Any) -> dict[str, Any]:
    return {"name": name, "ready": False, "restartCount": 0, **states}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(reason: str, code: int) -> dict[str, Any]:
    return {"terminated": {"reason": reason, "exitCode": code}}


def said(use: Use, server: DevServer) -> str:
    with pytest.raises(errors.ExecError) as caught:
        use(server)
    return str(caught.value)


UP = "; wait_for_ready() waits for it, or says why it does not come up"


@pytest.fixture(params=["cluster", "cluster_of_v5"])
def cluster_of_either(request: pytest.FixtureRequest, begin: Any) -> StagedServer:
    """Without an operator; in v5 what the kubelet refuses comes only after the upgrade."""
    if request.param == "cluster":
        server: StagedServer = request.getfixturevalue("cluster")
        return server
    fresh: StagedServer = begin(StagedServer(operator=False, exec_protocols=("v5.channel.k8s.io",)))
    return fresh


def test_a_container_that_is_being_made(cluster_of_either: StagedServer, use: Use) -> None:
    states = [container(state=waiting("ContainerCreating")), container("sidecar", state={"running": {}})]
    server = stands(cluster_of_either, phase="Pending", containerStatuses=states)
    assert said(use, server) == (
        "<DevServer default/dev> is not up: pod dev-x: Pending; container devserver: waiting ContainerCreating" + UP
    )


def test_a_container_that_crashes_again_and_again(cluster_of_either: StagedServer, use: Use) -> None:
    state = waiting("CrashLoopBackOff", "back-off 10s restarting")
    states = [container(state=state, lastState=ended("OOMKilled", 137))]
    server = stands(cluster_of_either, phase="Running", containerStatuses=states)
    assert said(use, server) == (
        "<DevServer default/dev> is not up: pod dev-x: Running; container devserver: waiting CrashLoopBackOff back-off "
        "10s restarting; container devserver: previously terminated, exit code 137 OOMKilled" + UP
    )


def test_an_init_container_that_still_runs(cluster_of_either: StagedServer, use: Use) -> None:
    server = stands(
        cluster_of_either,
        phase="Pending",
        conditions=[{"type": "Initialized", "status": "False"}],
        initContainerStatuses=[container("setup", state={"running": {}})],
        containerStatuses=[container(state=waiting("PodInitializing"))],
    )
    assert said(use, server) == (
        "<DevServer default/dev> is not up: pod dev-x: Pending; init container setup is still running; container "
        "devserver: waiting PodInitializing" + UP
    )


@pytest.mark.parametrize("use_it", NOT_SYNC)
def test_an_init_container_that_has_ended_is_not_to_be_waited_for(cluster_of_either: StagedServer, use_it: Use) -> None:
    server = stands(
        cluster_of_either,
        phase="Running",
        initContainerStatuses=[container("setup", state=ended("Completed", 0))],
        containerStatuses=[container(state={"running": {}})],
    )
    with pytest.raises(errors.ExecError) as caught:
        use_it(server, container="setup")
    assert str(caught.value).endswith(
        "<DevServer default/dev>: its init container setup has ended (exit code 0) and is not started again: no "
        "command can be run in it"
    )


def test_an_init_container_that_failed_is_started_again_and_waited_for(cluster: StagedServer) -> None:
    states = [container("setup", state=ended("Error", 1))]
    server = stands(cluster, phase="Pending", initContainerStatuses=states)
    assert UP in said(lambda server: server.exec("ls", container="setup"), server)


def test_a_sidecar_among_the_init_containers_is_started_again_and_waited_for(cluster: StagedServer) -> None:
    states = [container("setup", state=ended("Completed", 0))]
    server = stands(cluster, phase="Running", initContainerStatuses=states)

    def restart_always(raw: dict[str, Any]) -> None:
        raw["spec"]["initContainers"][0]["restartPolicy"] = "Always"

    cluster.store.modify("pods", "dev-x", "default", restart_always)
    assert UP in said(lambda server: server.exec("ls", container="setup"), server)


def test_an_ephemeral_container_that_has_ended_is_not_to_be_waited_for(cluster: StagedServer) -> None:
    states = [container("debugger", state=ended("Error", 1))]
    server = stands(cluster, phase="Running", ephemeralContainerStatuses=states)

    def debug(raw: dict[str, Any]) -> None:
        raw["spec"]["ephemeralContainers"] = [{"name": "debugger", "image": "x"}]

    cluster.store.modify("pods", "dev-x", "default", debug)
    text = said(lambda server: server.exec("ls", container="debugger"), server)
    assert "its ephemeral container debugger has ended (exit code 1) and is not started again" in text


def test_a_pod_without_a_node(cluster_of_either: StagedServer, use: Use) -> None:
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no cpu"}
    server = stands(cluster_of_either, phase="Pending", conditions=[why])
    assert said(use, server) == (
        "<DevServer default/dev> is not up: pod dev-x: Pending; not scheduled yet: Unschedulable 0/3 nodes: no cpu" + UP
    )


def test_a_pod_that_has_completed(cluster: StagedServer, use: Use) -> None:
    states = [container(state=ended("Completed", 0))]
    server = stands(cluster, phase="Succeeded", containerStatuses=states)
    assert said(use, server) == (
        "<DevServer default/dev> has no running pod in namespace 'default' (phase Running; pod dev-x: Succeeded; "
        "container devserver: terminated, exit code 0 Completed): call wait_for_ready() first, or use it in a with "
        "statement"
    )


def test_a_pod_that_was_evicted(cluster: StagedServer, use: Use) -> None:
    server = stands(cluster, phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    assert "(phase Running; pod dev-x: Failed Evicted The node was low on resource: memory.)" in said(use, server)


def test_a_pod_that_is_being_deleted(cluster: StagedServer, use: Use) -> None:
    states = [container(state={"running": {}})]
    server = stands(cluster, deleted=True, phase="Running", containerStatuses=states)
    assert "(phase Running; pod dev-x: terminating;" in said(use, server)


def test_a_server_without_a_pod_says_what_its_operator_left(cluster: StagedServer, use: Use) -> None:
    server = created()
    server.sync_workspace = {__file__: "/workspace/"}
    set_status(cluster, phase="Running", message="quota exceeded by far")
    assert "\n  phase: Running\n  message: quota exceeded by far\n" in said(use, server)


def test_a_deletion_goes_before_what_its_pod_is_like(cluster: StagedServer) -> None:
    server = stands(cluster, phase="Pending", containerStatuses=[container(state=waiting("ContainerCreating"))])
    cluster.before("GET", "/exec", lambda: cluster.store.delete("devservers", "dev", "default"))
    with pytest.raises(errors.APIError, match="; <DevServer default/dev> was deleted") as caught:
        server.exec("ls")
    assert "is not up" not in str(caught.value)


def test_a_refusal_by_a_proxy_of_what_is_up_stays_what_it_is(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.bad_gateway_html("get", "pods/exec"), pytest.raises(errors.ServerError) as caught:
        modern.exec("ls")
    assert "is not up" not in str(caught.value)


def test_where_pods_may_not_be_listed_the_refusal_stays_what_it_is(cluster: StagedServer) -> None:
    server = stands(cluster, phase="Pending", containerStatuses=[container(state=waiting("ContainerCreating"))])
    cluster.before("GET", "/exec", lambda: cluster.rules.deny("admin", "list", "pods"))
    with pytest.raises(errors.APIError, match="container not found"):
        server.exec("ls")


def test_a_sidecar_that_runs_can_be_used_while_the_main_container_is_not_up(cluster: StagedServer) -> None:
    states = [container(state=waiting("ContainerCreating")), container("sidecar", state={"running": {}})]
    server = stands(cluster, phase="Pending", containerStatuses=states)
    assert server.exec("echo x", container="sidecar").stdout == "x\n"


def test_a_runtime_that_has_lost_the_container_is_told_with_its_state(
    operated: StagedServer, modern: DevServer
) -> None:
    """The API server has not heard yet when the command is sent, and has when it failed."""
    pod = operated.store.get("pods", pod_name(operated), "default")
    PodsOfServer.of(operated).runtime.remove(pod)

    def tell() -> None:
        def change(raw: dict[str, Any]) -> None:
            raw["status"]["containerStatuses"][0]["state"] = ended("OOMKilled", 137)

        operated.store.modify("pods", pod["metadata"]["name"], "default", change)

    operated.after("GET", "/exec", tell)
    with pytest.raises(errors.ExecError, match="no running task found") as caught:
        modern.exec("ls")
    assert "is not up: pod" in str(caught.value)
    assert "container devserver: terminated, exit code 137 OOMKilled" in str(caught.value)


def test_a_transfer_whose_container_was_killed_says_so(cluster: StagedServer, tmp_path: Path) -> None:
    server = stands(cluster, phase="Running", containerStatuses=[container(state=ended("OOMKilled", 137))])
    with pytest.raises(errors.SyncError, match="exit code 137 OOMKilled"), explaining_failures(live(server)):
        raise errors.SyncError("tar was killed")


# containers that are not there


@pytest.mark.parametrize("use_it", NOT_SYNC)
def test_a_container_that_is_not_there_is_told_with_those_that_are(
    either: StagedServer, devserver: DevServer, use_it: Use
) -> None:
    def debug(raw: dict[str, Any]) -> None:
        raw["spec"]["ephemeralContainers"] = [{"name": "debugger-1", "image": "x"}]

    either.store.modify("pods", pod_name(either), "default", debug)
    with pytest.raises(errors.BadRequestError) as caught:
        use_it(devserver, container="nosuch")
    assert str(caught.value) == (
        f"container nosuch is not valid for pod {pod_name(either)} (400 BadRequest); its containers: devserver; "
        "its init containers: setup; its ephemeral containers: debugger-1"
    )
    assert requests_of(either, "GET", "/exec") == []


def test_that_a_container_is_not_there_goes_before_what_its_pod_is_like(cluster: StagedServer) -> None:
    server = stands(cluster, phase="Pending", containerStatuses=[container(state=waiting("ContainerCreating"))])
    before = len(requests_of(cluster, "GET"))
    with pytest.raises(errors.BadRequestError, match="; its containers: devserver, sidecar; its init containers: s"):
        server.exec("ls", container="nosuch")
    assert len(requests_of(cluster, "GET")) == before + 1


def test_where_no_pod_may_be_read_the_server_says_that_the_container_is_not_there(cluster: StagedServer) -> None:
    server = created()
    cluster.store.create("pods", {"metadata": {"name": "dev-0"}, "spec": {"containers": [{"name": "main"}]}})
    for verb in ("list", "get"):
        cluster.rules.deny("admin", verb, "pods")
    with pytest.raises(errors.BadRequestError, match="container nosuch is not valid for pod dev-0"):
        server.exec("ls", container="nosuch")


def test_where_only_the_pod_itself_may_be_read_its_containers_are_told(cluster: StagedServer) -> None:
    server = created()
    cluster.store.create("pods", {"metadata": {"name": "dev-0"}, "spec": {"containers": [{"name": "main"}]}})
    cluster.rules.deny("admin", "list", "pods")
    with pytest.raises(errors.BadRequestError, match="; its containers: main"):
        server.exec("ls", container="nosuch")
