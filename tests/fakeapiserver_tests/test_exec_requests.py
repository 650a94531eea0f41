"""Which requests for a pod's streams are refused, in which words, and which input is accepted."""

from __future__ import annotations

import signal

import pytest

from tests.fakeapiserver import FakeAPIServer

from .restclient import request
from .wsclient import TTY, V4, WSClient, exec_target, running_pod


def message_of_refusal(server: FakeAPIServer, target: str, token: str = "") -> str:
    with WSClient(server, target, token=token) as client:
        assert client.handshake.status == 403
        return client.handshake.body.decode()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward"])
def test_streams_are_opened_with_get_or_post_only(plain: FakeAPIServer, method: str, subresource: str) -> None:
    answer = request(plain, method, f"/api/v1/namespaces/default/pods/pod-0/{subresource}")
    assert (answer.status, answer.json()["reason"], answer.json()["details"]) == (405, "MethodNotAllowed", {})
    assert answer.json()["message"] == "the server does not allow this method on the requested resource"


def test_logs_are_read_only(plain: FakeAPIServer) -> None:
    assert request(plain, "POST", "/api/v1/namespaces/default/pods/pod-0/log").status == 405


def test_a_websocket_is_opened_with_get(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("true"), method="POST") as client:
        assert (client.handshake.status, client.handshake.body) == (405, b"bad method")


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward"])
def test_opening_a_stream_needs_the_verb_create_too(plain: FakeAPIServer, subresource: str) -> None:
    plain.add_token("bobs-token", "bob")
    plain.rules.allow("bob", "get", f"pods/{subresource}", namespace="default")
    target = exec_target("true").replace("/exec", f"/{subresource}").replace("command", "ports=80&command")
    assert f'cannot create resource \\"pods/{subresource}\\"' in message_of_refusal(plain, target, "bobs-token")


def test_before_v5_the_verb_get_was_enough() -> None:
    with FakeAPIServer(operator=False, exec_protocols=(V4,)) as server:
        server.store.create("pods", running_pod())
        server.add_token("bobs-token", "bob")
        server.rules.allow("bob", "get", "pods/exec", namespace="default")
        with WSClient(server, exec_target("true"), token="bobs-token") as client:
            assert client.handshake.status == 101


def test_an_ephemeral_container_can_be_named(plain: FakeAPIServer) -> None:
    pod = running_pod("debugged")
    pod["spec"] = {
        "nodeName": "node-1",
        "containers": [{"name": "devserver"}],
        "ephemeralContainers": [{"name": "debugger"}],
    }
    plain.store.create("pods", pod)
    with WSClient(plain, exec_target("true", pod="debugged", container="debugger", stdout="true")) as client:
        assert client.handshake.status == 101


def test_the_keys_of_a_terminal_size_are_case_insensitive(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("stty", "size", **TTY)) as client:
        client.send(4, b'{"width":100,"height":40}')
        assert b"40 100" in b"".join(frame.payload for frame in client.frames() if frame.data[:1] == b"\x01")


def test_an_immediate_control_c_interrupts_the_command(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("cat", **TTY)) as client:
        client.send(0, b"\x03")
        assert b'"message":"130"' in b"".join(frame.data for frame in client.frames())


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("/api/v1/watch/namespaces/default/pods", ["pod-0", "pod-1"]),
        ("/api/v1/watch/pods", ["pod-0", "pod-1"]),
        ("/api/v1/watch/namespaces/default/pods/pod-1", ["pod-1"]),
        ("/api/v1/watch/namespaces/default", ["default"]),
    ],
)
def test_the_watch_prefix_watches_a_collection_or_one_name(plain: FakeAPIServer, path: str, kinds: list[str]) -> None:
    plain.store.create("pods", running_pod("pod-1"))
    answer = request(plain, "GET", f"{path}?timeoutSeconds=1")
    assert answer.status == 200
    assert [line.count(b'"ADDED"') for line in answer.body.splitlines()] == [1] * len(kinds)
    assert all(f'"name":"{name}"'.encode() in answer.body for name in kinds)


@pytest.mark.parametrize("path", ["//api/v1/pods", "/api/v1//pods", "/api/v1/namespaces//pods"])
def test_an_empty_path_segment_is_not_found(plain: FakeAPIServer, path: str) -> None:
    answer = request(plain, "GET", path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"preconditions": {"uid": 5}}, "Preconditions.preconditions.uid of type types.UID"),
        ({"preconditions": {"resourceVersion": 5}}, "Preconditions.preconditions.resourceVersion of type string"),
        ({"dryRun": [5]}, "DeleteOptions.dryRun of type string"),
    ],
)
def test_options_of_the_wrong_type_cannot_be_decoded(plain: FakeAPIServer, options: object, where: str) -> None:
    answer = request(plain, "DELETE", "/api/v1/namespaces/default/pods/pod-0", options)
    assert answer.status == 500
    assert answer.json()["message"] == f"json: cannot unmarshal number into Go struct field {where}"


def test_a_command_does_not_inherit_ignored_signals(plain: FakeAPIServer) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with WSClient(plain, exec_target("sh", "-c", "kill -INT $$")) as client:
            assert b'"message":"130"' in b"".join(frame.data for frame in client.frames())
    finally:
        signal.signal(signal.SIGINT, before)
