"""The operator and the node: what becomes of a DevServer, and of its pod."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.operator import Operator
from tests.fakeapiserver.pods import Pods
from tests.fakeapiserver.store import Object

from .wsclient import WSClient, exec_target


@pytest.fixture
def fake() -> Iterator[FakeAPIServer]:
    with FakeAPIServer() as server:
        yield server


def create(fake: FakeAPIServer, name: str = "dev", **spec: Any) -> Object:
    body = {"metadata": {"name": name}, "spec": {"flavor": "cpu-small", **spec}}
    return fake.store.create("devservers", body)


def until_phase(fake: FakeAPIServer, phase: str, name: str = "dev") -> list[Object]:
    """Every state of a DevServer up to a phase."""
    seen = []
    for _, devserver in fake.watch_objects("devservers"):
        if devserver["metadata"]["name"] == name:
            seen.append(devserver)
            if devserver.get("status", {}).get("phase") == phase:
                return seen
    raise AssertionError(f"the server stopped before {phase}")


def until_pod(fake: FakeAPIServer, name: str, wanted: str) -> Object:
    """The pod's first state of which a word of its JSON tells what is wanted."""
    for kind, pod in fake.watch_objects("pods"):
        if pod["metadata"]["name"] == name and (kind == wanted or wanted in str(pod.get("status"))):
            return pod
    raise AssertionError("the server stopped")


def until_event(fake: FakeAPIServer, reason: str, name: str) -> Object:
    for _, event in fake.watch_objects("events"):
        if event["reason"] == reason and event["involvedObject"]["name"] == name:
            return event
    raise AssertionError("the server stopped")


def phases(states: list[Object]) -> list[str]:
    """Phases in the order seen, each once; before the operator came there is none."""
    return list(dict.fromkeys(state.get("status", {}).get("phase", "") for state in states))


def test_a_devserver_goes_from_pending_over_starting_to_running(fake: FakeAPIServer) -> None:
    Operator.of(fake).pause()
    create(fake)
    until_phase(fake, "Pending")
    Operator.of(fake).resume()
    assert [p for p in phases(until_phase(fake, "Running")) if p] in (
        ["Pending", "Starting", "Running"],
        ["Starting", "Running"],  # the watch began a step later
        ["Running"],
    )


def test_its_status_tells_that_it_is_ready_and_which_pod_it_has(fake: FakeAPIServer) -> None:
    create(fake)
    status = until_phase(fake, "Running")[-1]["status"]
    assert status["podName"] == "dev-0"
    assert status["message"] == "DevServer is ready"
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [("Ready", "True")]


def test_a_status_write_counts_a_generation_for_the_kind_has_no_status_subresource(fake: FakeAPIServer) -> None:
    created = create(fake)
    assert until_phase(fake, "Running")[-1]["metadata"]["generation"] > created["metadata"]["generation"]


def test_the_pod_is_what_clients_look_for(fake: FakeAPIServer) -> None:
    devserver = create(fake, image="debian:12", volumes=[{"claimName": "c", "mountPath": "/mnt/models"}])
    until_phase(fake, "Running")
    pod = fake.store.get("pods", "dev-0", "default")
    metadata, container = pod["metadata"], pod["spec"]["containers"][0]
    assert metadata["labels"]["app"] == "dev"
    assert metadata["annotations"]["kubectl.kubernetes.io/default-container"] == "devserver"
    assert metadata["ownerReferences"][0]["uid"] == devserver["metadata"]["uid"]
    assert (container["name"], container["image"]) == ("devserver", "debian:12")
    assert {"/workspace", "/home/dev", "/data", "/mnt/models"} == {m["mountPath"] for m in container["volumeMounts"]}
    assert pod["status"]["containerStatuses"][0]["ready"] is True
    assert {c["type"]: c["status"] for c in pod["status"]["conditions"]}["Ready"] == "True"


def test_commands_run_in_the_pod_of_a_running_devserver(fake: FakeAPIServer) -> None:
    create(fake)
    until_phase(fake, "Running")
    with WSClient(
        fake, exec_target("sh", "-c", 'echo "$HOME"; hostname=$HOSTNAME; echo $hostname', pod="dev-0")
    ) as client:
        frames = [frame.payload for frame in client.frames() if frame.opcode != "close" and frame.channel == 1]
    assert b"".join(frames) == b"/home/dev\ndev-0\n"


def test_an_image_that_cannot_be_pulled_leads_to_failed(fake: FakeAPIServer) -> None:
    create(fake, image="registry.example/team/failed:1")
    status = until_phase(fake, "Failed")[-1]["status"]
    assert "ImagePullBackOff" in status["message"]
    pod = fake.store.get("pods", "dev-0", "default")
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert until_event(fake, "Failed", "dev-0")["type"] == "Warning"


def test_an_image_for_which_there_is_never_a_node_stays_pending(fake: FakeAPIServer) -> None:
    create(fake, image="team/never")
    event = until_event(fake, "FailedScheduling", "dev-0")
    assert event["type"] == "Warning"
    pod = until_pod(fake, "dev-0", "Unschedulable")
    assert (pod["status"]["phase"], pod["spec"].get("nodeName")) == ("Pending", None)
    assert fake.store.get("devservers", "dev", "default")["status"]["phase"] == "Pending"


def test_an_image_that_crashes_has_a_last_state_and_a_previous_log(fake: FakeAPIServer) -> None:
    create(fake, image="team/crash")
    until_event(fake, "BackOff", "dev-0")
    state = fake.store.get("pods", "dev-0", "default")["status"]["containerStatuses"][0]
    assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert state["lastState"]["terminated"]["exitCode"] == 1
    previous = Pods.of(fake).container_log("default", "dev-0").previous
    assert previous is not None
    assert [line.text for line in previous] == [b"fatal: the image's main process failed"]


def test_a_deleted_devserver_takes_its_pod_and_directory_with_it(fake: FakeAPIServer) -> None:
    create(fake)
    until_phase(fake, "Running")
    root = Pods.of(fake).sandbox("default", "dev-0").directory
    fake.store.delete("devservers", "dev", "default")
    pod = until_pod(fake, "dev-0", "DELETED")
    assert "deletionTimestamp" in pod["metadata"]
    Pods.of(fake).remove(pod)  # what the deletion's event sets off; done here so that it is done now
    assert not fake.tempdir.joinpath("pods", root).exists()


def test_a_deleted_pod_is_made_anew(fake: FakeAPIServer) -> None:
    create(fake)
    until_phase(fake, "Running")
    old = fake.store.delete("pods", "dev-0", "default")
    for _, pod in fake.watch_objects("pods"):
        if pod["metadata"]["uid"] != old["metadata"]["uid"] and pod["status"]["phase"] == "Running":
            break
    assert until_phase(fake, "Running")


def test_a_devserver_made_again_at_once_gets_a_pod_of_its_own(fake: FakeAPIServer) -> None:
    create(fake)
    until_phase(fake, "Running")
    fake.store.delete("devservers", "dev", "default")
    second = create(fake)
    for _, devserver in fake.watch_objects("devservers"):
        if devserver["metadata"]["uid"] == second["metadata"]["uid"] and phases([devserver]) == ["Running"]:
            break
    owners = fake.store.get("pods", "dev-0", "default")["metadata"]["ownerReferences"]
    assert [owner["uid"] for owner in owners] == [second["metadata"]["uid"]]


def test_a_status_that_was_erased_comes_back(fake: FakeAPIServer) -> None:
    create(fake)
    until_phase(fake, "Running")

    def erase(obj: Object) -> None:
        del obj["status"]

    erased = fake.store.modify("devservers", "dev", "default", erase)
    for _, devserver in fake.watch_objects("devservers"):
        if int(devserver["metadata"]["resourceVersion"]) > int(erased["metadata"]["resourceVersion"]):
            assert devserver["status"]["phase"] == "Running"
            break


def test_lost_history_does_not_stop_the_operator(fake: FakeAPIServer) -> None:
    for number in range(5):
        create(fake, f"dev-{number}")
        fake.store.compact()
    for number in range(5):
        assert until_phase(fake, "Running", f"dev-{number}")


def test_a_pod_without_an_owner_is_brought_to_run_too(fake: FakeAPIServer) -> None:
    fake.store.create(
        "pods", {"metadata": {"name": "alone"}, "spec": {"containers": [{"name": "c", "image": "debian"}]}}
    )
    assert until_pod(fake, "alone", "startedAt")["spec"]["nodeName"]


def test_without_an_operator_nothing_happens() -> None:
    with FakeAPIServer(operator=False) as fake:
        create(fake)
        assert "status" not in fake.store.get("devservers", "dev", "default")
        assert fake.store.list("pods") == []
