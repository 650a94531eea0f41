"""Who gets an exec session, by which protocol, and how the others are refused."""

from __future__ import annotations

import pytest

from tests.fakeapiserver import FakeAPIServer

from .wsclient import V4, V5, WSClient, exec_target, running_pod, status


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((V4, V5), V5),
        (("channel.k8s.io", V4), "channel.k8s.io"),
        (("nosuch", V4), V4),
        (("base64.channel.k8s.io",), "base64.channel.k8s.io"),
    ],
)
def test_v5_is_chosen_if_offered_and_else_the_first_known_protocol(
    plain: FakeAPIServer, offered: tuple[str, ...], chosen: str
) -> None:
    with WSClient(plain, exec_target("true"), offered) as client:
        assert client.protocol == chosen


@pytest.mark.parametrize("protocol", ["v3.channel.k8s.io", "v2.channel.k8s.io", "v5.base64.channel.k8s.io"])
def test_protocols_that_have_no_websocket_form_are_refused(plain: FakeAPIServer, protocol: str) -> None:
    with WSClient(plain, exec_target("true"), (protocol,)) as client:
        assert (client.handshake.status, client.handshake.headers, client.handshake.body) == (403, {}, b"")


def test_without_an_offer_the_answer_names_an_empty_protocol(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("true"), ()) as client:
        assert client.handshake.headers["sec-websocket-protocol"] == ""


def test_before_v4_success_sends_no_status(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("echo", "x"), ("channel.k8s.io",)) as client:
        assert [frame.data for frame in client.frames()] == [b"\x01", b"\x01x\n", b""]


def test_before_v4_failure_is_plain_text(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("nosuch"), ("channel.k8s.io",)) as client:
        assert status(client).startswith(
            b"\x03Internal error occurred: error executing command in container: OCI runtime"
        )


@pytest.mark.parametrize(
    ("header", "status_code", "text"),
    [
        (("Sec-WebSocket-Version", "8"), 400, b"missing or bad WebSocket Version"),
        (("Sec-WebSocket-Key", ""), 400, b"mismatch challenge/response"),
    ],
)
def test_a_broken_handshake_is_refused(
    plain: FakeAPIServer, header: tuple[str, str], status_code: int, text: bytes
) -> None:
    with WSClient(plain, exec_target("true"), headers=(header,)) as client:
        assert (client.handshake.status, client.handshake.body) == (status_code, text)


def test_a_request_without_upgrade_is_refused(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("true"), headers=(("Upgrade", ""), ("Connection", ""))) as client:
        assert client.handshake.status == 400
        assert b'"message":"Upgrade request required"' in client.handshake.body


@pytest.mark.parametrize(("protocol", "status_code"), [(V4, 500), (V5, 101)])
def test_a_container_that_does_not_run_is_refused_before_or_after_the_upgrade(
    plain: FakeAPIServer, protocol: str, status_code: int
) -> None:
    pod = running_pod("waiting")
    pod["status"] = {"phase": "Pending", "containerStatuses": [{"name": "devserver", "state": {"waiting": {}}}]}
    plain.store.create("pods", pod)
    with WSClient(plain, exec_target("true", pod="waiting"), (protocol,)) as client:
        assert client.handshake.status == status_code
        why = status(client) if status_code == 101 else client.handshake.body
        assert b"container not found (" in why
        assert (b"unable to upgrade connection" in why) == (protocol == V5)


def test_a_pod_with_two_containers_needs_the_container_parameter(plain: FakeAPIServer) -> None:
    plain.store.create("pods", running_pod("two", containers=("main", "side")))
    with WSClient(plain, exec_target("true", pod="two")) as client:
        assert client.handshake.status == 400
        expected = b"a container name must be specified for pod two, choose one of: [main side]"
        assert expected in client.handshake.body


def test_the_containers_to_choose_from_include_init_containers(plain: FakeAPIServer) -> None:
    pod = running_pod("two", containers=("main", "side"))
    spec = {"nodeName": "node-1", "containers": [{"name": "main"}, {"name": "side"}]}
    plain.store.create("pods", {**pod, "spec": {**spec, "initContainers": [{"name": "init"}]}})
    with WSClient(plain, exec_target("true", pod="two")) as client:
        assert b"choose one of: [init main side]" in client.handshake.body


def test_a_pod_without_a_node_has_no_exec(plain: FakeAPIServer) -> None:
    pod = running_pod("homeless")
    pod["spec"] = {"containers": [{"name": "devserver"}]}
    plain.store.create("pods", pod)
    with WSClient(plain, exec_target("true", pod="homeless")) as client:
        assert client.handshake.status == 400
        assert b"pod homeless does not have a host assigned" in client.handshake.body
