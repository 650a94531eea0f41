"""The last lines of a container that ended: which instance's, how many, and what may be shown of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from devservers import errors
from devservers.crds.lifecycle.lastlog import Ending, endings
from devservers.crds.lifecycle.report import failure_report
from tests.fakeapiserver.pods import Pods

from .builders import created, live, requests_of
from .staged import StagedServer

ENDED = {"terminated": {"exitCode": 1, "reason": "Error"}}
CRASHING = {"waiting": {"reason": "CrashLoopBackOff"}}


def container(name: str = "main", **states: Any) -> dict[str, Any]:
    return {"name": name, "ready": False, "restartCount": 0, **states}


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (container(state=ENDED), [Ending("main", previous=False)]),
        (container(state={"terminated": {"exitCode": 0, "reason": "Completed"}}), [Ending("main", previous=False)]),
        (container(state=ENDED, lastState=ENDED), [Ending("main", previous=False)]),
        (container(state=CRASHING, lastState=ENDED), [Ending("main", previous=True)]),
        (container(state=CRASHING, restartCount=1), [Ending("main", previous=True)]),
        (container(state={"running": {}}, lastState=ENDED), [Ending("main", previous=True)]),
        (container(state={"running": {}}, lastState=ENDED, ready=True), []),
        (container(state={"running": {}}), []),
        (container(state={"waiting": {"reason": "ContainerCreating"}}), []),
        (container(), []),
    ],
)
def test_a_container_that_ended_and_did_not_come_back_is_heard(entry: dict[str, Any], found: list[Ending]) -> None:
    assert list(endings({"status": {"containerStatuses": [entry]}})) == found


def test_an_init_container_is_heard_if_it_failed() -> None:
    done = container("done", state={"terminated": {"exitCode": 0}})
    failed = container("failed", state=ENDED)
    assert list(endings({"status": {"initContainerStatuses": [done, failed]}})) == [Ending("failed", previous=False)]


def stands(cluster: StagedServer, *statuses: dict[str, Any]) -> None:
    containers = [{"name": each["name"], "image": "x"} for each in statuses]
    cluster.store.create(
        "pods",
        {
            "metadata": {"name": "dev-0", "labels": {"app": "dev"}},
            "spec": {"nodeName": "n", "containers": containers},
            "status": {"phase": "Running", "containerStatuses": list(statuses)},
        },
    )


def wrote(cluster: StagedServer, text: str, name: str = "main", restarted: bool = False) -> None:
    log = Pods.of(cluster).container_log("default", "dev-0", name)
    log.write(text)
    if restarted:
        log.restart()


def test_the_last_ten_lines_of_the_instance_before_are_in_the_report(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container(state=CRASHING, lastState=ENDED, restartCount=4))
    wrote(cluster, "\n".join(f"line {n}" for n in range(30)), restarted=True)
    shown = "".join(f"      | line {n}\n" for n in range(20, 30))
    assert f"    container main: the end of its log:\n{shown}" in failure_report(live(server))
    assert "previous=true" in requests_of(cluster, "GET", "/log")[0]


def test_of_a_container_that_was_not_restarted_it_is_the_only_log(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container(state=ENDED))
    wrote(cluster, "bye")
    assert "    container main: the end of its log:\n      | bye\n" in failure_report(live(server)) + "\n"


def test_of_one_just_restarted_it_is_not_what_the_new_instance_wrote(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container(state={"running": {}}, lastState=ENDED, restartCount=1))
    wrote(cluster, "the end", restarted=True)
    wrote(cluster, "a new beginning")
    report = failure_report(live(server))
    assert "      | the end" in report
    assert "a new beginning" not in report


def test_where_the_instance_before_is_not_known_any_more_the_present_one_is_heard(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container(state={"running": {}}, restartCount=1))
    wrote(cluster, "all there is")
    assert "      | all there is" in failure_report(live(server))


def test_a_container_that_said_nothing_is_told_as_such(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container(state=ENDED))
    assert "    container main: its log is empty" in failure_report(live(server))


def test_a_log_that_may_not_be_read_says_so_and_the_rest_shows(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container("first", state=ENDED), container("second", state=ENDED))
    cluster.rules.deny("admin", "get", "pods/log")
    report = failure_report(live(server))
    assert '    container first: its log could not be read (get pods/log "dev-0" in namespace "default": ' in report
    assert 'resources: ["pods/log"], verbs: ["get"]' in report
    assert "    container second: its log could not be read" in report
    assert "    container first: terminated, exit code 1 Error\n" in report


def test_a_kubelet_that_does_not_answer_costs_the_log_alone_and_no_more_than_a_second(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container(state=ENDED))
    began = time.monotonic()
    with cluster.fault.stall("get", "pods/log"):
        report = failure_report(live(server))
    assert time.monotonic() - began < 2
    assert "    container main: its log could not be read" in report
    assert "    container main: terminated, exit code 1 Error\n" in report


def test_words_in_a_log_are_no_sign_of_a_cause(cluster: StagedServer) -> None:
    server = created()
    cluster.store.create("devserverflavors", {"metadata": {"name": "cpu-small"}, "spec": {"resources": {}}})
    stands(cluster, container(state={"terminated": {"exitCode": 1, "reason": "Error"}}))
    wrote(cluster, "OOMKilled? ImagePullBackOff! exceeded quota; Evicted")
    assert "likely cause" not in failure_report(live(server))


def test_what_would_steer_a_terminal_is_not_shown(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container(state=ENDED))
    wrote(cluster, "\x1b[31mred\x1b[0m\tcell \u202edrow\x07")
    assert "      | red cell  drow" in failure_report(live(server))


def test_a_line_is_not_shown_at_any_length(cluster: StagedServer) -> None:
    server = created()
    stands(cluster, container(state=ENDED))
    wrote(cluster, "x" * 200_000)
    (line,) = [line for line in failure_report(live(server)).splitlines() if "| x" in line]
    assert len(line) < 400


def test_a_wait_that_fails_shows_why_the_container_ended(operated: StagedServer) -> None:
    server = created(spec={"flavor": "cpu-small", "image": "crash"})
    with pytest.raises(errors.WaitError) as caught:
        server.wait_for_ready(timeout=0.8)
    assert (
        "    container devserver: the end of its log:\n      | fatal: the image's main process failed\n"
        in caught.value.report
    )
    assert caught.value.report.endswith("the container keeps ending after each start: look at its logs")
