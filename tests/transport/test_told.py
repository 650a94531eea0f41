"""What the ``devservers`` logger is told of requests at DEBUG, and that it costs nothing where nobody listens."""

from __future__ import annotations

import logging

import pytest

from devservers import errors
from devservers.transport import ClientConfig, RESTClient
from devservers.transport.auth.credentials import Authorizer, BearerToken, Credential, Credentials
from devservers.transport.deadline import Deadline
from devservers.transport.resources import Resource
from devservers.transport.retry import ATTEMPTS
from devservers.transport.told import shown_failure, shown_request
from devservers.transport.watch import Watch

from .childpython import run_python
from .scripted import FakeClock, Peer, scripted, serve_all

DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)


@pytest.fixture
def debug(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The records of the logger, those at DEBUG included."""
    caplog.set_level(logging.DEBUG, logger="devservers")
    return caplog


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/version", "GET /version"),
        ("/x?", "GET /x"),
        ("/x?watch=true&limit=500&resourceVersion=7", "GET /x?watch=true&limit=500&resourceVersion=7"),
        ("/x?labelSelector=a%3Db&continue=ab&fieldManager=me", "GET /x?labelSelector=…&continue=…&fieldManager=…"),
        ("/x/exec?command=env&command=A%3Db&container=c&tty=false", "GET /x/exec?command=…&container=c&tty=false"),
        ("/x?token", "GET /x?token=…"),
        ("/x\r\ny", "GET /x??y"),
    ],
)
def test_of_a_query_only_what_is_known_to_be_harmless_is_shown(target: str, shown: str) -> None:
    assert shown_request("GET", target) == shown


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (errors.ConflictError("the body", status=409, reason="AlreadyExists"), "409 AlreadyExists"),
        (errors.ServerError("the body", status=500, reason="the body"), "500 ServerError"),
        (errors.APIError("the body"), "no status APIError"),
        (errors.ConnectionFailedError("get x: reset\nmore"), "ConnectionFailedError: get x: reset"),
        (ValueError("anything"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_of_a_failure_nothing_is_shown_that_a_server_said(error: BaseException, shown: str) -> None:
    assert shown_failure(error) == shown


class SlowClock(FakeClock):
    """Each look at it takes a quarter of a second."""

    def now(self) -> float:
        self.time += 0.25
        return self.time


def test_a_request_is_told_with_its_status_and_time(debug: pytest.LogCaptureFixture) -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(200, b"{}"))) as server:
        with server.client(timeout=None, clock=SlowClock()) as client:
            client.request("POST", "/x", query={"dryRun": "All", "fieldManager": "me"}, body={"a": "secret"})
    (record,) = debug.records
    assert record.getMessage().startswith("POST /x?dryRun=All&fieldManager=… -> 200 in ")
    assert float(record.getMessage().split()[-2]) >= 0.25
    assert record.levelno == logging.DEBUG
    assert record.name == "devservers"


def test_what_is_sent_again_is_told_with_the_reason_and_the_attempt(debug: pytest.LogCaptureFixture) -> None:
    left = [2]

    def handle(peer: Peer, request: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            peer.answer(503, b"<html>secret</html>", "Retry-After: 3")
        else:
            peer.answer(200, b"{}")

    with scripted(serve_all(handle)) as server, server.client(timeout=None, clock=FakeClock()) as client:
        client.request("GET", "/x")
    assert [record.getMessage() for record in debug.records] == [
        "GET /x -> 503 ServerError in 0.000 s",
        "GET /x: attempt 1 failed (503 ServerError): sending it again in 3.000 s",
        "GET /x -> 503 ServerError in 0.000 s",
        "GET /x: attempt 2 failed (503 ServerError): sending it again in 3.000 s",
        "GET /x -> 200 in 0.000 s",
    ]


def test_a_connection_that_fails_is_told_as_such(debug: pytest.LogCaptureFixture) -> None:
    def ask_and_reset(peer: Peer) -> None:
        peer.request()
        peer.reset()

    with scripted(ask_and_reset) as server, server.client(clock=FakeClock()) as client:
        with pytest.raises(errors.ConnectionFailedError):
            client.request("POST", "/x", body={})
    told = [record.getMessage() for record in debug.records]  # a reset during the connect is tried again, and told too
    wanted = "POST /x failed in 0.000 s: ConnectionFailedError: POST /x: the connection "
    assert [line for line in told if line.startswith(wanted)], told


def test_renewed_credentials_are_told_and_not_shown(debug: pytest.LogCaptureFixture) -> None:
    class Renewing(Authorizer):
        def __init__(self) -> None:
            self.credential = Credential("Bearer old-s3cret")

        def current(self, deadline: Deadline) -> Credential:
            return self.credential

        def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
            self.credential = Credential("Bearer new-s3cret")
            return self.credential

    def handle(peer: Peer, request: str) -> None:
        peer.answer(200 if "new-s3cret" in request else 401, b"{}")

    with scripted(serve_all(handle)) as server:
        config = ClientConfig(server.url, credentials=Credentials(Renewing()))
        with RESTClient(config, clock=FakeClock()) as client:
            client.request("GET", "/x")
    assert [record.getMessage() for record in debug.records] == [
        "GET /x -> 401 UnauthorizedError in 0.000 s",
        "GET /x: attempt 1 failed (401 UnauthorizedError): sending it with renewed credentials in 0.000 s",
        "GET /x -> 200 in 0.000 s",
    ]


def test_a_watch_that_goes_on_is_told_with_the_reason(debug: pytest.LogCaptureFixture) -> None:
    answers = iter([
        (200, b'{"items":[],"metadata":{"resourceVersion":"1"}}'),
        (200, b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"secret"}}\n'),
        (200, b'{"items":[{"metadata":{"name":"a","uid":"u"}}],"metadata":{"resourceVersion":"2"}}'),
    ])  # fmt: skip

    with scripted(serve_all(lambda peer, request: peer.answer(*next(answers)))) as server:
        with server.client(clock=FakeClock()) as client, Watch(client, DEVSERVERS, "n") as watch:
            assert next(iter(watch))["type"] == "ADDED"
    said = [record.getMessage() for record in debug.records]
    path = "/apis/devserver.io/v1/namespaces/n/devservers"
    assert [line.partition(" in ")[0] for line in said if line.startswith("WATCH")] == [
        f"WATCH {path}: attempt 1 failed (410 Expired): listing again"
    ]
    assert any(line.startswith(f"GET {path}?watch=true&resourceVersion=1&") for line in said)


def test_a_server_that_echoes_what_it_was_sent_does_not_get_it_logged(debug: pytest.LogCaptureFixture) -> None:
    def handle(peer: Peer, request: str) -> None:
        peer.answer(400, request.encode() + b'{"body": "C4n4ry"}', content_type="text/plain")

    with scripted(serve_all(handle)) as server:
        config = ClientConfig(server.url, credentials=Credentials(BearerToken("s3cret-t0ken")))
        with RESTClient(config) as client, pytest.raises(errors.BadRequestError):
            client.request("POST", "/x", query={"q": "C4n4ry"}, body={"x": "C4n4ry"})
    assert len(debug.records) == 1
    shown = repr([vars(record) for record in debug.records])
    assert "s3cret" not in shown
    assert "C4n4ry" not in shown


REQUEST = """
from devservers.errors import ConnectionFailedError
from devservers.transport import ClientConfig, RESTClient
try:
    RESTClient(ClientConfig("http://127.0.0.1:1")).request("POST", "/x", body={})
except ConnectionFailedError:
    pass
"""


def test_where_nobody_has_loaded_logging_a_request_does_not() -> None:
    assert run_python(f"{REQUEST}print('logging' in sys.modules)") == "False"


def test_where_it_is_loaded_late_records_come_from_then_on() -> None:
    listening = "import logging; logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)\n"
    said = run_python(f"{REQUEST}{listening}{REQUEST}").splitlines()
    assert sum(line.startswith("DEBUG:devservers:POST /x failed in ") for line in said) == ATTEMPTS


def test_at_info_requests_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="devservers")
    with scripted(serve_all(lambda peer, request: peer.answer(200, b"{}"))) as server, server.client() as client:
        client.request("GET", "/x")
    assert caplog.records == []
