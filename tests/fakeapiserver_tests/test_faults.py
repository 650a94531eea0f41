"""Each fault, as a plain client sees it."""

from __future__ import annotations

import http.client
import socket
import threading
import time

import pytest

from tests.fakeapiserver import FakeAPIServer

from .plainclient import DEVSERVERS, PlainClient, devserver
from .wsclient import WSClient, exec_target, running_pod

WATCH = f"{DEVSERVERS}?watch=1&timeoutSeconds=5"


def names(fake: FakeAPIServer) -> list[str]:
    return [obj["metadata"]["name"] for obj in fake.store.list("devservers")]


def test_reset_before_execution_executes_nothing(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.reset_before_execution("create", "devservers"), pytest.raises(ConnectionResetError):
        client.create("a")
    assert names(fake) == []


def test_reset_after_execution_executes_the_request(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.reset_after_execution("create", "devservers"), pytest.raises(ConnectionResetError):
        client.create("a")
    assert names(fake) == ["a"]


@pytest.mark.parametrize("image", ["short", "long" * 1000])
def test_half_a_response_is_an_incomplete_read(fake: FakeAPIServer, client: PlainClient, image: str) -> None:
    client.create("a", image=image)
    with fake.fault.half_response("get", "devservers"), pytest.raises(http.client.IncompleteRead):
        client.get(f"{DEVSERVERS}/a")


def test_a_stall_executes_nothing_and_sends_nothing(fake: FakeAPIServer) -> None:
    with fake.fault.stall("create"), PlainClient(fake, timeout=0.3) as hasty:
        with pytest.raises(socket.timeout):
            hasty.create("a")
        assert names(fake) == []


def test_a_stall_can_come_after_the_execution(fake: FakeAPIServer) -> None:
    with fake.fault.stall("create", executed=True), PlainClient(fake, timeout=0.3) as hasty:
        with pytest.raises(socket.timeout):
            hasty.create("a")
        assert next(fake.watch_objects("devservers"))[1]["metadata"]["name"] == "a"


def test_a_stalled_request_does_not_delay_the_others(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.stall("list"), PlainClient(fake) as other:
        other.connection.request("GET", DEVSERVERS, headers={"Authorization": f"Bearer {fake.token}"})
        assert client.create("a").status == 201


def test_slow_drip_sends_byte_by_byte(fake: FakeAPIServer, client: PlainClient) -> None:
    client.create("a")
    with fake.fault.slow_drip("get", "devservers", pause=0.0005):
        started = time.monotonic()
        assert client.get(f"{DEVSERVERS}/a").json()["metadata"]["name"] == "a"
        assert time.monotonic() - started > 0.1


def test_unauthorized_once(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.unauthorized_once("list"):
        assert [client.get(DEVSERVERS).status for _ in range(3)] == [401, 200, 200]


def test_forbidden_names_user_verb_and_resource(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.forbidden("list", "devservers"):
        answer = client.get(DEVSERVERS)
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert 'User "admin" cannot list resource "devservers" in API group "devserver.io"' in answer.message


def test_too_many_requests_has_retry_after(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.too_many_requests("list", seconds=7):
        answer = client.get(DEVSERVERS)
    assert (answer.status, answer.reason, answer.headers["Retry-After"]) == (429, "TooManyRequests", "7")
    assert answer.json()["details"] == {"retryAfterSeconds": 7}


def test_too_many_requests_as_text(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.too_many_requests_text("list"):
        answer = client.get(DEVSERVERS)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.raw == b"Too many requests, please try again later.\n"


def test_server_error_is_an_internal_error_status(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.server_error():
        answer = client.get(DEVSERVERS)
    assert (answer.status, answer.reason) == (500, "InternalError")


def test_bad_gateway_is_an_html_page(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.bad_gateway_html():
        answer = client.get(DEVSERVERS)
    assert (answer.status, answer.headers["Content-Type"]) == (502, "text/html")
    assert b"<h1>502 Bad Gateway</h1>" in answer.raw


def test_page_not_found_is_text_and_not_a_status(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.page_not_found("list", times=1):
        answer = client.get(DEVSERVERS)
        assert client.get(DEVSERVERS).status == 200
    assert (answer.status, answer.raw) == (404, b"404 page not found\n")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_not_found_html_is_an_html_page(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.not_found_html():
        answer = client.get(DEVSERVERS)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html")
    assert b"<h1>404 Not Found</h1>" in answer.raw


def test_service_unavailable_has_retry_after(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.service_unavailable(seconds=3):
        answer = client.get(DEVSERVERS)
    assert (answer.status, answer.reason, answer.headers["Retry-After"]) == (503, "ServiceUnavailable", "3")


def test_redirect_points_to_another_host(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.redirect(to="http://other.invalid/x"):
        answer = client.get(DEVSERVERS)
    assert (answer.status, answer.headers["Location"]) == (302, "http://other.invalid/x")


def test_empty_watches_end_at_once_without_an_error(fake: FakeAPIServer, client: PlainClient) -> None:
    client.create("a")
    with fake.fault.empty_watches("devservers"):
        assert list(client.watch(WATCH)) == []


def test_a_watch_can_be_cut_in_the_middle_of_a_line(fake: FakeAPIServer, client: PlainClient) -> None:
    client.create("a")
    client.create("b")
    with fake.fault.watch_cut_mid_line(after=1):
        response = client.open("GET", WATCH)
        assert response.readline().endswith(b"\n")
        with pytest.raises(http.client.IncompleteRead) as cut:
            response.read()
    assert cut.value.partial.startswith(b'{"type":"ADDED"')
    assert not cut.value.partial.endswith(b"\n")


def test_a_watch_can_be_cut_within_a_character(fake: FakeAPIServer, client: PlainClient) -> None:
    client.create("a", image="größe")
    with fake.fault.watch_cut_in_character(), pytest.raises(http.client.IncompleteRead) as cut:
        client.open("GET", WATCH).read()
    with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
        cut.value.partial.decode()


def test_a_version_that_cannot_be_served_is_an_error_event_every_time(fake: FakeAPIServer, client: PlainClient) -> None:
    version = client.get(DEVSERVERS).json()["metadata"]["resourceVersion"]
    client.create("a")
    with fake.fault.unservable_version("devservers"):
        for _ in range(2):
            (event,) = client.watch(f"{WATCH}&resourceVersion={version}")
            assert (event["type"], event["object"]["code"]) == ("ERROR", 500)
            assert event["object"]["message"].startswith("Internal error occurred: etcd event received with PrevKv=")
        later = client.get(DEVSERVERS).json()["metadata"]["resourceVersion"]
        client.create("b")
        (event,) = client.watch(f"{WATCH}&resourceVersion={later}")
        assert event["object"]["metadata"]["name"] == "b"


def test_a_half_open_watch_stays_open_and_silent(fake: FakeAPIServer) -> None:
    with fake.fault.half_open_watch(after=1), PlainClient(fake) as hasty, PlainClient(fake) as other:
        other.create("a")
        response = hasty.open("GET", WATCH)
        assert b'"name":"a"' in response.readline()
        other.create("b")
        hasty.connection.sock.settimeout(0.3)
        with pytest.raises(socket.timeout):
            response.readline()


def test_a_fault_strikes_only_its_verb_and_resource(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.server_error("create", "devservers") as fault:
        assert client.get(DEVSERVERS).status == 200
        assert client.get("/api/v1/namespaces/default/pods").status == 200
        assert client.create("a").status == 500
    assert fault.suffered == 1


def test_nth_picks_one_call(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.server_error("list", nth=2):
        assert [client.get(DEVSERVERS).status for _ in range(3)] == [200, 500, 200]


def test_times_limits_the_number_of_failing_calls(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.server_error("list", times=2):
        assert [client.get(DEVSERVERS).status for _ in range(3)] == [500, 500, 200]


def test_leaving_the_block_ends_the_fault(fake: FakeAPIServer, client: PlainClient) -> None:
    with fake.fault.server_error():
        assert client.get(DEVSERVERS).status == 500
    assert client.get(DEVSERVERS).status == 200


def test_leaving_the_block_releases_stalled_requests(fake: FakeAPIServer) -> None:
    with PlainClient(fake) as waiting:
        with fake.fault.stall("get") as fault:
            waiting.connection.request("GET", f"{DEVSERVERS}/a", headers={"Authorization": f"Bearer {fake.token}"})
            assert fault.struck.wait(5)
        with pytest.raises(http.client.RemoteDisconnected):
            waiting.connection.getresponse()


def test_stopping_the_server_releases_stalled_requests() -> None:
    server = FakeAPIServer(operator=False).start()
    with PlainClient(server) as waiting, server.fault.stall("list") as fault:
        waiting.connection.request("GET", DEVSERVERS, headers={"Authorization": f"Bearer {server.token}"})
        assert fault.struck.wait(5)
        server.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fake-")]


def test_a_custom_fault(fake: FakeAPIServer, client: PlainClient) -> None:
    client.ask("POST", DEVSERVERS, devserver("a"))
    with fake.fault.inject(lambda request, proceed, over: proceed(), "get", "devservers") as fault:
        assert client.get(f"{DEVSERVERS}/a").status == 200
    assert fault.suffered == 1


# exec: what each fault does is tested with the sessions; here, that the right session is struck


def test_an_exec_fault_strikes_only_the_session_it_names(fake: FakeAPIServer) -> None:
    fake.store.create("pods", running_pod())
    target = exec_target("true", stdout="true")
    with fake.fault.exec_closed_without_status(nth=2):
        ends = []
        for _ in range(3):
            with WSClient(fake, target) as session:
                ends.append(any(frame.opcode == "binary" and frame.channel == 3 for frame in session.frames()))
    assert ends == [True, False, True]


def test_an_exec_session_can_be_refused_its_protocol(fake: FakeAPIServer) -> None:
    fake.store.create("pods", running_pod())
    with fake.fault.exec_subprotocol_refused(), WSClient(fake, exec_target("true")) as session:
        assert session.handshake.status == 403
