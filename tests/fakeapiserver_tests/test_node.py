"""The node: the steps of a pod's life, as its image decides, and its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.operator import Operator
from tests.fakeapiserver.operator.podstatus import initializing, is_ready, waiting
from tests.fakeapiserver.pods import Pods
from tests.fakeapiserver.vocabulary.objects import Object

from .plainclient import PlainClient
from .watching import NEVER, create, history, until_event, until_gone, until_named, until_pod, waits_for
from .wsclient import WSClient, exec_target

ALONE = "{apiVersion: v1, kind: Pod, metadata: {name: alone}, spec: {containers: [{name: c, image: debian}]}}"


@pytest.fixture
def fake() -> Iterator[FakeAPIServer]:
    with FakeAPIServer() as server:
        yield server


def states(pod: Object, kind: str = "containerStatuses") -> str:
    """The state of the pod's first container, with its reason."""
    statuses = (pod.get("status") or {}).get(kind) or [{}]
    state = statuses[0].get("state") or {}
    return " ".join([*state, *(str(detail.get("reason", "")) for detail in state.values())]).strip()


def test_the_init_container_ends_before_the_container_starts(fake: FakeAPIServer) -> None:
    create(fake)
    pod = until_pod(fake)
    seen = [
        (states(obj, "initContainerStatuses"), states(obj)) for obj in history(fake, "pods", pod["metadata"]["name"])
    ]
    assert seen == [
        ("", ""),
        ("waiting PodInitializing", "waiting PodInitializing"),
        ("running", "waiting PodInitializing"),
        ("terminated Completed", "waiting PodInitializing"),
        ("terminated Completed", "running"),
    ]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (waiting("PodInitializing"), "Init:0/1"),
        ({"running": {}}, "Init:0/1"),
        (waiting("ImagePullBackOff"), "Init:ImagePullBackOff"),
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, "Init:Error"),
        ({"terminated": {"exitCode": 0, "reason": "Completed"}}, "PodInitializing"),
    ],
)
def test_a_table_of_pods_shows_the_progress_of_init_containers(state: Object, shown: str) -> None:
    pod: Object = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]},
    }
    with FakeAPIServer(operator=False) as fake, PlainClient(fake) as client:
        fake.store.create("pods", {**pod, "status": initializing(pod, state)})
        table = client.get("/api/v1/pods", Accept="application/json;as=Table;v=v1;g=meta.k8s.io").json()
    assert table["rows"][0]["cells"][2] == shown


def test_commands_run_in_the_pod_of_a_running_devserver(fake: FakeAPIServer) -> None:
    create(fake)
    name = until_pod(fake)["metadata"]["name"]
    target = exec_target("sh", "-c", 'echo "$HOME"; hostname=$HOSTNAME; echo $hostname', pod=name)
    with WSClient(fake, target) as client:
        frames = [frame.payload for frame in client.frames() if frame.opcode != "close" and frame.channel == 1]
    assert b"".join(frames) == f"/home/dev\n{name}\n".encode()


def test_an_image_that_cannot_be_pulled_ends_in_back_off(fake: FakeAPIServer) -> None:
    create(fake, image="registry.example/team/failed:1")
    pod = until_pod(fake, holds=waits_for("ImagePullBackOff"))
    assert pod["status"]["phase"] == "Pending"
    assert until_event(fake, "Failed", pod["metadata"]["name"])["type"] == "Warning"


@pytest.mark.parametrize("image", ["Ubuntu", "a b", "ubuntu:", "team//image", "ubuntu@sha256:1", "-x"])
def test_an_invalid_image_name_is_not_pulled(fake: FakeAPIServer, image: str) -> None:
    create(fake, image=image)
    pod = until_pod(fake, holds=waits_for("InvalidImageName"))
    assert f'"{image}"' in until_event(fake, "InspectFailed", pod["metadata"]["name"])["message"]


@pytest.mark.parametrize(
    "image",
    ["ubuntu:22.04", "x", "localhost:5000/a/b_c:T", f"Registry.Example.com/team/a--b:1@sha256:{'0' * 64}", "a.b__c/d"],
)
def test_a_valid_image_name_is_pulled(fake: FakeAPIServer, image: str) -> None:
    create(fake, image=image)
    assert until_pod(fake)


def test_a_pod_that_never_gets_a_node_stays_pending(fake: FakeAPIServer) -> None:
    create(fake, image="team/never")
    pod = until_pod(fake, holds=lambda pod: "Unschedulable" in str(pod.get("status")))
    assert until_event(fake, "FailedScheduling", pod["metadata"]["name"])["type"] == "Warning"
    assert (pod["status"]["phase"], pod["spec"].get("nodeName")) == ("Pending", None)


def test_an_image_that_crashes_has_a_last_state_and_a_previous_log(fake: FakeAPIServer) -> None:
    create(fake, image="team/crash")
    pod = until_pod(fake, holds=waits_for("CrashLoopBackOff"))
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1
    previous = Pods.of(fake).container_log("default", pod["metadata"]["name"], "devserver").previous
    assert previous is not None
    assert [line.text for line in previous] == [b"fatal: the image's main process failed"]


def test_a_slow_image_takes_its_time_to_be_pulled(fake: FakeAPIServer) -> None:
    Operator.of(fake).node.slow = NEVER
    create(fake, image="team/slow")
    until_pod(fake, holds=lambda pod: states(pod, "initContainerStatuses") == "terminated Completed")
    create(fake, "another")
    until_pod(fake, "another")
    assert not is_ready(Operator.of(fake).pod_of("dev"))


def test_deleting_a_devserver_removes_its_pod_and_directory(fake: FakeAPIServer) -> None:
    create(fake)
    name = until_pod(fake)["metadata"]["name"]
    root = Pods.of(fake).sandbox("default", name).directory
    fake.store.delete("devservers", "dev", "default")
    until_gone(fake, "pods", name)
    last = history(fake, "pods", name)[-1]
    assert "deletionTimestamp" in last["metadata"]
    Pods.of(fake).remove(last)  # what the deletion's event sets off; done here so that it is done now
    assert not fake.tempdir.joinpath("pods", root).exists()


def test_a_pod_without_an_owner_runs_too(fake: FakeAPIServer) -> None:
    fake.apply(ALONE)
    assert until_named(fake, "pods", "alone", is_ready)["spec"]["nodeName"]


def test_a_deleted_pod_terminates_before_it_is_gone(fake: FakeAPIServer) -> None:
    fake.apply(ALONE)
    until_named(fake, "pods", "alone", is_ready)
    with PlainClient(fake) as client:
        answer = client.ask("DELETE", "/api/v1/namespaces/default/pods/alone").json()
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 30
    until_gone(fake, "pods", "alone")


def test_a_pod_with_a_finalizer_stays_until_it_is_removed(fake: FakeAPIServer) -> None:
    fake.apply(ALONE)
    until_named(fake, "pods", "alone", is_ready)
    fake.store.modify("pods", "alone", "default", lambda pod: pod["metadata"].update(finalizers=["example.io/hold"]))
    with PlainClient(fake) as client:
        client.ask("DELETE", "/api/v1/namespaces/default/pods/alone")
    create(fake)
    until_pod(fake)
    assert "deletionTimestamp" in fake.store.get("pods", "alone")["metadata"]
    fake.store.modify("pods", "alone", "default", lambda pod: pod["metadata"].pop("finalizers"))
    until_gone(fake, "pods", "alone")


@pytest.mark.parametrize("spec", [{}, {"containers": [{}]}, {"containers": "none"}])
def test_an_invalid_pod_does_not_hold_up_the_others(fake: FakeAPIServer, spec: Object) -> None:
    fake.store.create("pods", {"metadata": {"name": "broken"}, "spec": spec})
    fake.apply(ALONE)
    assert until_named(fake, "pods", "alone", is_ready)
