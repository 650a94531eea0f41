"""GET .../pods/NAME/log: the kubelet's options, the API server's refusals."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.pods import Pods

from .restclient import request
from .wsclient import running_pod

NEWYEAR = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.fixture
def fake() -> Iterator[FakeAPIServer]:
    with FakeAPIServer(operator=False) as server:
        server.store.create("pods", running_pod())
        for number in range(4):
            Pods.of(server).log("default", "pod-0", f"line {number}", written=NEWYEAR + number)
        yield server


def log(fake: FakeAPIServer, query: str = "") -> bytes:
    answer = request(fake, "GET", f"/api/v1/namespaces/default/pods/pod-0/log?{query}")
    assert (answer.status, answer.content_type) == (200, "text/plain"), answer
    return answer.body


def refusal(fake: FakeAPIServer, query: str, pod: str = "pod-0") -> tuple[int, str]:
    answer = request(fake, "GET", f"/api/v1/namespaces/default/pods/{pod}/log?{query}")
    return answer.status, answer.json()["message"]


def test_a_log_is_plain_text(fake: FakeAPIServer) -> None:
    assert log(fake) == b"line 0\nline 1\nline 2\nline 3\n"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("tailLines=2", b"line 2\nline 3\n"),
        ("tailLines=0", b""),
        ("tailLines=99", b"line 0\nline 1\nline 2\nline 3\n"),
        ("sinceTime=2026-01-01T00:00:02Z", b"line 2\nline 3\n"),
        ("sinceTime=2026-01-01T01:00:02.5%2B01:00", b"line 3\n"),
        ("sinceSeconds=60", b""),
        ("tailLines=3&sinceTime=2026-01-01T00:00:03Z", b"line 3\n"),
        ("limitBytes=10", b"line 0\nlin"),
        ("timestamps=true&tailLines=1", b"2026-01-01T00:00:03.000000000Z line 3\n"),
    ],
)
def test_options_choose_what_is_shown(fake: FakeAPIServer, query: str, text: bytes) -> None:
    assert log(fake, query) == text


def test_a_restarted_container_has_a_previous_log(fake: FakeAPIServer) -> None:
    Pods.of(fake).container_log("default", "pod-0").restart()
    Pods.of(fake).log("default", "pod-0", "again")
    assert log(fake) == b"again\n"
    assert log(fake, "previous=true&tailLines=1") == b"line 3\n"


def test_follow_streams_lines_and_ends_with_the_pod(fake: FakeAPIServer) -> None:
    connection = http.client.HTTPConnection(fake.host, fake.port, timeout=10)
    headers = {"Authorization": f"Bearer {fake.token}"}
    connection.request("GET", "/api/v1/namespaces/default/pods/pod-0/log?follow=true&tailLines=1", headers=headers)
    response = connection.getresponse()
    assert response.readline() == b"line 3\n"
    Pods.of(fake).log("default", "pod-0", "line 4\nline 5")
    assert [response.readline(), response.readline()] == [b"line 4\n", b"line 5\n"]
    fake.store.delete("pods", "pod-0")
    assert response.read() == b""
    connection.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
        (
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            "[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
    ],
)
def test_options_out_of_range_are_invalid(fake: FakeAPIServer, query: str, message: str) -> None:
    assert refusal(fake, query) == (422, f'PodLogOptions "pod-0" is invalid: {message}')


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tailLines=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("container=nosuch", "container nosuch is not valid for pod pod-0"),
        ("previous=true", 'previous terminated container "devserver" in pod "pod-0" not found'),
    ],
)
def test_a_log_that_does_not_exist_is_a_bad_request(fake: FakeAPIServer, query: str, message: str) -> None:
    assert refusal(fake, query) == (400, message)


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("ImagePullBackOff", "trying and failing to pull image"),
        ("ErrImagePull", "image can't be pulled"),
        ("ContainerCreating", "ContainerCreating"),
    ],
)
def test_a_waiting_container_has_no_log_yet(fake: FakeAPIServer, reason: str, why: str) -> None:
    pod = running_pod("waiting")
    state = {"waiting": {"reason": reason}}
    pod["status"] = {"phase": "Pending", "containerStatuses": [{"name": "devserver", "state": state}]}
    fake.store.create("pods", pod)
    message = f'container "devserver" in pod "waiting" is waiting to start: {why}'
    assert refusal(fake, "", "waiting") == (400, message)


@pytest.mark.parametrize("query", ["", "previous=true"])
def test_a_container_waiting_for_its_restart_has_the_previous_log(fake: FakeAPIServer, query: str) -> None:
    """As the kubelet does: the newest previous instance."""
    pod = running_pod("crashing")
    status = {"name": "devserver", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    status["lastState"] = {"terminated": {"exitCode": 1}}
    pod["status"] = {"phase": "Running", "containerStatuses": [status]}
    fake.store.create("pods", pod)
    Pods.of(fake).log("default", "crashing", "the end")
    Pods.of(fake).container_log("default", "crashing").restart()
    answer = request(fake, "GET", f"/api/v1/namespaces/default/pods/crashing/log?{query}")
    assert (answer.status, answer.body) == (200, b"the end\n")


def test_a_pod_without_a_node_has_an_empty_log(fake: FakeAPIServer) -> None:
    pod = {"metadata": {"name": "new"}, "spec": {"containers": [{"name": "c"}]}}
    fake.store.create("pods", pod)
    answer = request(fake, "GET", "/api/v1/namespaces/default/pods/new/log")
    assert (answer.status, answer.body) == (204, b"")


def test_the_log_of_a_missing_pod_is_not_found(fake: FakeAPIServer) -> None:
    assert refusal(fake, "", "absent") == (404, 'pods "absent" not found')
