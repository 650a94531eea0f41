"""REST calls: JSON in and out, failures as exceptions by reason, resends only where they are safe."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable

import pytest

from devservers import errors
from devservers.transport import ClientConfig, RESTClient
from devservers.transport.auth.credentials import Authorizer, BearerToken, Credential, Credentials
from devservers.transport.deadline import Deadline
from devservers.transport.resources import Resource
from devservers.transport.rest import user_agent
from tests.fakeapiserver import FakeAPIServer

from .scripted import FakeClock, Peer, scripted, serve_all

DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)
FLAVORS = Resource("devserver.io", "v1", "devserverflavors", "DevServerFlavor", False)
OK = b'{"kind":"Thing"}'


def _status(code: int, reason: str, message: str = "no", **details: object) -> bytes:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return json.dumps({**body, "details": details}).encode()


def _failing(times: int, code: int, body: bytes, *headers: str) -> Callable[[Peer, str], None]:
    left = [times]

    def handle(peer: Peer, request: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            peer.answer(200, OK)
        else:
            peer.answer(code, body, *headers)

    return handle


def test_an_object_goes_there_and_comes_back(server: FakeAPIServer) -> None:
    with RESTClient() as client:
        body = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": "a"}, "spec": {"x": 1}}
        made = client.create(FLAVORS, None, body)
        assert client.get(FLAVORS, None, "a") == made
        made["spec"]["x"] = 2
        assert client.replace(FLAVORS, None, "a", made)["spec"] == {"x": 2}
        client.delete(FLAVORS, None, "a", uid=made["metadata"]["uid"])
        with pytest.raises(errors.NotFoundError):
            client.get(FLAVORS, None, "a")


def test_every_request_says_who_it_is(server: FakeAPIServer) -> None:
    with RESTClient() as client:
        client.request("GET", "/version")
    headers = server.requests[-1].headers
    assert headers.get("User-Agent") == user_agent()
    assert user_agent().startswith("devservers/")
    assert headers.get("Authorization") == f"Bearer {server.token}"
    assert headers.get("Accept") == "application/json"


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.BadRequestError),
        (401, "Unauthorized", errors.UnauthorizedError),
        (403, "Forbidden", errors.ForbiddenError),
        (404, "NotFound", errors.NotFoundError),
        (409, "Conflict", errors.ConflictError),
        (409, "AlreadyExists", errors.AlreadyExistsError),
        (410, "Expired", errors.ExpiredError),
        (410, "Gone", errors.ExpiredError),
        (422, "Invalid", errors.InvalidError),
        (500, "InternalError", errors.ServerError),
        (504, "Timeout", errors.ServerError),
        (404, "", errors.NotFoundError),
        (418, "Teapot", errors.APIError),
    ],
)
def test_a_status_becomes_the_exception_of_its_reason(code: int, reason: str, kind: type[errors.APIError]) -> None:
    body = _status(code, reason, "the message", name="a", causes=[{"reason": "R", "message": "m", "field": "spec.x"}])
    with scripted(serve_all(lambda peer, request: peer.answer(code, body))) as server, server.client() as client:
        with pytest.raises(errors.APIError) as caught:
            client.request("POST", "/apis/devserver.io/v1/namespaces/n/devservers", body={})
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.reason, error.message) == (code, reason, "the message")
    assert error.causes == [{"reason": "R", "message": "m", "field": "spec.x"}]
    assert str(error).startswith('create devservers.devserver.io in namespace "n": the message')


def test_a_403_names_the_rule_that_would_allow_it() -> None:
    said = 'User "u" cannot get resource "devservers" in API group "devserver.io" in the namespace "team"'
    with scripted(serve_all(lambda peer, request: peer.answer(403, _status(403, "Forbidden", said)))) as server:
        with server.client() as client, pytest.raises(errors.ForbiddenError) as caught:
            client.get(DEVSERVERS, "team", "a")
    assert '{apiGroups: ["devserver.io"], resources: ["devservers"], verbs: ["get"]}' in str(caught.value)
    assert 'a Role in namespace "team"' in str(caught.value)


def test_html_of_a_proxy_is_a_server_error_without_the_html() -> None:
    body = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
    with scripted(serve_all(lambda peer, request: peer.answer(502, body))) as server, server.client() as client:
        with pytest.raises(errors.ServerError, match="a proxy or load balancer answered") as caught:
            client.request("POST", "/x", body={})
    assert "<h1>" not in str(caught.value)


@pytest.mark.parametrize("body", [b'["no"]', b'{"code": 404, "reason": "NotFound"}', b"[" * 100_000, b""])
def test_json_that_is_no_status_says_nothing_about_what_failed(body: bytes) -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(502, body))) as server, server.client() as client:
        with pytest.raises(errors.ServerError) as caught:
            client.request("POST", "/x", body={})
    assert (caught.value.status, caught.value.reason) == (502, "")


def test_a_failure_whose_body_is_cut_is_still_that_failure() -> None:
    def cut(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\n{")

    with scripted(cut) as server, server.client() as client, pytest.raises(errors.ForbiddenError) as caught:
        client.request("POST", "/x", body={})
    assert caught.value.status == 403


def test_plain_text_is_the_message() -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(404, b"404 page not found\n"))) as server:
        with server.client() as client, pytest.raises(errors.NotFoundError, match="404 page not found"):
            client.request("GET", "/x")


def test_an_answer_that_is_not_json_is_a_protocol_error() -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(200, b"<html>"))) as server, server.client() as client:
        with pytest.raises(errors.ProtocolError, match="not a JSON object"):
            client.request("GET", "/x")


def test_a_redirect_is_refused_and_names_only_the_host() -> None:
    location = "Location: https://elsewhere.example/secret/path?token=abc"
    with (
        scripted(serve_all(lambda peer, request: peer.answer(302, b"", location))) as server,
        server.client() as client,
    ):
        with pytest.raises(errors.ProtocolError, match=r"elsewhere\.example") as caught:
            client.request("GET", "/x")
        assert len(server.requests) == 1
    assert "token" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("location", ["Location: https://[broken/", "Location: /elsewhere", "X: y"])
def test_a_redirect_to_nowhere_is_refused_too(location: str) -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(301, b"", location))) as server:
        with server.client() as client, pytest.raises(errors.ProtocolError, match="to an unnamed host"):
            client.request("GET", "/x")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_429_with_retry_after_is_waited_for_and_sent_again(method: str) -> None:
    clock = FakeClock()
    handle = _failing(2, 429, b"slow down", "Retry-After: 7")
    with scripted(serve_all(handle)) as server, server.client(timeout=60, clock=clock) as client:
        assert client.request(method, "/x") == {"kind": "Thing"}
        assert clock.slept == [7, 7]


def test_429_that_does_not_stop_is_reported_with_its_retry_after() -> None:
    handle = _failing(99, 429, b"slow down", "Retry-After: 1")
    with scripted(serve_all(handle)) as server, server.client(clock=FakeClock(), timeout=60) as client:
        with pytest.raises(errors.TooManyRequestsError) as caught:
            client.request("GET", "/x")
        assert len(server.requests) == 4
    assert caught.value.retry_after == 1


def test_a_retry_after_beyond_the_deadline_is_reported_at_once() -> None:
    clock = FakeClock()
    handle = _failing(99, 429, b"", "Retry-After: 30")
    with scripted(serve_all(handle)) as server, server.client(clock=clock, timeout=10) as client:
        with pytest.raises(errors.TooManyRequestsError):
            client.request("GET", "/x")
    assert clock.slept == []


def test_a_read_goes_again_after_a_server_error_and_a_write_does_not() -> None:
    with scripted(serve_all(_failing(1, 500, b""))) as server, server.client(clock=FakeClock()) as client:
        assert client.request("GET", "/x") == {"kind": "Thing"}
    with scripted(serve_all(_failing(1, 500, b""))) as server, server.client(clock=FakeClock()) as client:
        with pytest.raises(errors.ServerError):
            client.request("POST", "/x", body={})
        assert len(server.requests) == 1


def test_a_read_goes_again_after_a_reset_and_a_write_does_not() -> None:
    def reset(peer: Peer) -> None:
        peer.request()
        peer.reset()

    def fine(peer: Peer) -> None:
        serve_all(lambda again, request: again.answer(200, OK))(peer)

    with scripted(reset, fine) as server, server.client(clock=FakeClock()) as client:
        assert client.request("GET", "/x") == {"kind": "Thing"}
    with scripted(reset, fine) as server, server.client(clock=FakeClock()) as client:
        with pytest.raises(errors.ConnectionFailedError):
            client.request("POST", "/x", body={})
        assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_read_whose_body_is_cut_goes_again_and_a_write_does_not(how: str) -> None:
    def cut(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + OK)
        getattr(peer, how)()

    fine = serve_all(lambda peer, request: peer.answer(200, OK))
    with scripted(cut, fine) as server, server.client(clock=FakeClock()) as client:
        assert client.request("GET", "/x") == {"kind": "Thing"}
    with scripted(cut, fine) as server, server.client(clock=FakeClock()) as client:
        with pytest.raises(errors.ConnectionFailedError):
            client.request("POST", "/x", body={})
        assert len(server.requests) == 1


@pytest.mark.parametrize(("code", "kind"), [(401, errors.UnauthorizedError), (410, errors.ExpiredError)])
def test_a_status_without_code_has_that_of_its_answer(code: int, kind: type[errors.APIError]) -> None:
    body = b'{"kind":"Status","status":"Failure","message":"no"}'
    with scripted(serve_all(lambda peer, request: peer.answer(code, body))) as server, server.client() as client:
        with pytest.raises(kind, match="no"):
            client.request("GET", "/x")


def test_a_401_after_three_429s_is_still_renewed_and_sent_again() -> None:
    class Renewable(Authorizer):
        token = "old"

        def current(self, deadline: Deadline) -> Credential:
            return Credential(f"Bearer {self.token}")

        def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
            self.token = "new"
            return self.current(deadline)

    codes = [429, 429, 429, 401, 200]

    def handle(peer: Peer, request: str) -> None:
        peer.answer(codes.pop(0), OK)

    with scripted(serve_all(handle)) as server:
        config = ClientConfig(server.url, credentials=Credentials(Renewable()))
        with RESTClient(config, clock=FakeClock()) as client:
            assert client.request("GET", "/x") == {"kind": "Thing"}
    assert "Bearer new" in server.requests[-1]


def test_an_answer_that_echoes_the_token_does_not_show_it() -> None:
    def handle(peer: Peer, request: str) -> None:
        peer.answer(400, request.encode(), content_type="text/plain")

    with scripted(serve_all(handle)) as server:
        config = ClientConfig(server.url, credentials=Credentials(BearerToken("s3cret-t0ken")))
        with RESTClient(config) as client, pytest.raises(errors.BadRequestError) as caught:
            client.request("GET", "/x")
    assert "s3cret" not in str(caught.value)


def test_a_token_of_one_letter_does_not_make_the_message_unreadable() -> None:
    body = b"the text of Bearer t, to the letter"
    with scripted(serve_all(lambda peer, request: peer.answer(400, body, content_type="text/plain"))) as server:
        config = ClientConfig(server.url, credentials=Credentials(BearerToken("t")))
        with RESTClient(config) as client, pytest.raises(errors.BadRequestError) as caught:
            client.request("GET", "/x")
    assert "the text of ***, to the letter" in str(caught.value)


def test_a_kubelet_that_is_not_reached_is_told_apart_from_a_failing_server() -> None:
    body = b"error dialing backend: dial tcp 10.0.0.1:10250: connect: connection refused"
    with scripted(serve_all(_failing(9, 500, body))) as server, server.client() as client:
        with pytest.raises(
            errors.ServerError, match="cannot reach the kubelet of the pod's node; check that the node is ready"
        ):
            client.request("POST", "/api/v1/namespaces/default/pods/a/exec")


@pytest.mark.parametrize("code", [414, 431])
def test_a_command_too_long_for_a_request_is_told_with_another_way(code: int) -> None:
    with scripted(serve_all(_failing(9, code, b"Request Header Fields Too Large"))) as server:
        with server.client() as client, pytest.raises(errors.APIError, match="send long data through input="):
            client.request("GET", "/api/v1/namespaces/default/pods/a/exec")


@pytest.mark.parametrize("agent", ["a\r\nX-Injected: 1", "a\nb"])
def test_a_user_agent_that_is_no_header_is_refused(agent: str) -> None:
    with pytest.raises(ValueError, match="user_agent"):
        RESTClient(ClientConfig("http://127.0.0.1:1", user_agent=agent))


def test_pages_are_followed_by_their_tokens(server: FakeAPIServer) -> None:
    for number in range(5):
        server.store.create("devservers", {"metadata": {"name": f"s{number}", "namespace": "default"}, "spec": {}})
    with RESTClient() as client:
        pages = list(client.pages(DEVSERVERS, "default", limit=2))
        items, version = client.list_all(DEVSERVERS, "default")
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert [item["metadata"]["name"] for item in items] == ["s0", "s1", "s2", "s3", "s4"]
    assert version


def test_a_list_that_expires_between_pages_is_asked_for_in_one_piece() -> None:
    def handle(peer: Peer, request: str) -> None:
        if "continue=" in request:
            peer.answer(410, _status(410, "Expired"))
            return
        token = "t" if "limit=" in request else ""
        page = {"metadata": {"resourceVersion": "9", "continue": token}, "items": [{"metadata": {"name": "a"}}]}
        peer.answer(200, json.dumps(page).encode())

    with scripted(serve_all(handle)) as server, server.client() as client:
        items, version = client.list_all(DEVSERVERS, "n")
    assert items == [{"apiVersion": "devserver.io/v1", "kind": "DevServer", "metadata": {"name": "a"}}]
    assert version == "9"
    assert len(server.requests) == 3


def test_a_server_with_a_path_prefix_keeps_it() -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(200, OK))) as server:
        with RESTClient(ClientConfig(server=f"{server.url}/k8s/clusters/c-1")) as client:
            client.get(DEVSERVERS, "n", "a")
        assert server.requests[0].startswith("GET /k8s/clusters/c-1/apis/devserver.io/v1/namespaces/n/devservers/a ")


def test_a_value_that_is_not_json_is_refused_before_anything_is_sent() -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(200, OK))) as server, server.client() as client:
        with pytest.raises(TypeError):
            client.request("POST", "/x", body={"when": object()})
        with pytest.raises(ValueError, match="JSON"):
            client.request("POST", "/x", body={"size": float("nan")})
        with pytest.raises(ValueError, match="lone surrogate"):
            client.request("POST", "/x", body={"text": "\udc80"})
        assert server.connections == 0


def test_an_error_with_a_return_code_survives_pickling() -> None:
    error = errors.CommandFailedError("failed", returncode=3, command=["x"], stdout_bytes=b"out")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.returncode, again.stdout, str(again)) == (type(error), 3, "out", "failed")


def test_an_api_error_survives_pickling() -> None:
    error = errors.NotFoundError("gone", status=404, reason="NotFound", details={"name": "a"}, context="get x")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is errors.NotFoundError
    assert str(again) == str(error)
    assert again.details == {"name": "a"}
