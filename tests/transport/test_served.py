"""A 404 proves an absence only as a Status about the object; any other, for a kind known to be served, may pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from devservers import errors
from devservers.transport import RESTClient, Watch
from devservers.transport.resources import PODS, Resource
from devservers.transport.retry import NOT_SERVED_PATIENCE
from tests.fakeapiserver import FakeAPIServer

from .scripted import FakeClock, Peer, scripted, serve_all

DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False)
OK = b'{"kind":"Thing"}'
TEXT = b"404 page not found\n"
HTML = b"<html><body><h1>404 Not Found</h1></body></html>"
LOST = "the server could not find the requested resource"

Answer = tuple[int, bytes]


def status(code: int, reason: str, message: str = "", **details: Any) -> bytes:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return json.dumps({**body, "details": details} if details else body).encode()


GONE = status(404, "NotFound", "gone", name="a", group="devserver.io", kind="devservers")


def in_turn(*answers: Answer) -> Callable[[Peer, str], None]:
    """Each request gets the next answer, the last one over and over."""
    left = list(answers)

    def handle(peer: Peer, request: str) -> None:
        code, body = left.pop(0) if len(left) > 1 else left[0]
        peer.answer(code, body)

    return handle


def not_found(body: bytes) -> errors.NotFoundError:
    """The error of a first contact that is answered with 404 and this body."""
    with scripted(serve_all(in_turn((404, body)))) as server, server.client() as client:
        with pytest.raises(errors.NotFoundError) as caught:
            client.get(DEVSERVERS, "n", "a")
    return caught.value


# what a 404 proves


def test_a_status_that_names_the_object_proves_that_it_is_not_there() -> None:
    assert not_found(GONE).is_about(DEVSERVERS, "a")


def test_a_status_about_an_object_of_the_core_group_names_no_group() -> None:
    error = not_found(status(404, "NotFound", 'pods "p" not found', name="p", kind="pods"))
    assert error.is_about(PODS, "p")


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        HTML,
        b"",
        status(404, "NotFound", LOST),
        status(404, "NotFound", "another name", name="b", group="devserver.io", kind="devservers"),
        status(404, "NotFound", "another kind", name="a", group="devserver.io", kind="devserverusers"),
        status(404, "NotFound", "another group", name="a", group="example.com", kind="devservers"),
        status(404, "NotFound", 'namespaces "a" not found', name="a", kind="namespaces"),
        status(404, "", "the word of a webhook", name="a", group="devserver.io", kind="devservers"),
    ],
)
def test_no_other_404_proves_it(body: bytes) -> None:
    assert not not_found(body).is_about(DEVSERVERS, "a")


def test_a_namespace_that_is_not_there_is_told_as_what_it_is(server: FakeAPIServer) -> None:
    body = {"apiVersion": "devserver.io/v1", "kind": "DevServer", "metadata": {"name": "a"}, "spec": {}}
    with RESTClient() as client, pytest.raises(errors.NotFoundError) as caught:
        client.create(DEVSERVERS, "nosuch", body)
    assert caught.value.is_about(NAMESPACES, "nosuch")
    assert not caught.value.is_about(DEVSERVERS, "a")


@pytest.mark.parametrize(
    "message",
    [
        "the UID in the precondition (1) does not match the UID in record (2). The object might have been …",
        "StorageError: invalid object, AdditionalErrorMsg: Precondition failed: UID in precondition: 1, UID in …",
        "uid mismatch: the provided object specified uid 1, and no existing object was found",
    ],
)
def test_a_conflict_about_the_uid_is_told_from_the_others(message: str) -> None:
    assert errors.ConflictError(f"Operation cannot be fulfilled: {message}", reason="Conflict").is_about_uid
    assert not errors.AlreadyExistsError(message, reason="AlreadyExists").is_about_uid


def test_a_stale_version_is_no_conflict_about_the_uid() -> None:
    message = "the object has been modified; please apply your changes to the latest version and try again"
    assert not errors.ConflictError(message, reason="Conflict").is_about_uid


# the first contact


def test_at_first_contact_a_bare_404_is_a_missing_crd() -> None:
    error = not_found(TEXT)
    assert str(error) == (
        'get devservers.devserver.io "a" in namespace "n": 404 page not found (404); the cluster does not know the '
        "kind devservers.devserver.io in version v1: install a CustomResourceDefinition that serves it, or try again "
        "if the API server has only just started"
    )


def test_a_kind_that_every_api_server_has_is_not_said_to_lack_its_crd() -> None:
    with scripted(serve_all(in_turn((404, TEXT)))) as server, server.client() as client:
        with pytest.raises(errors.NotFoundError, match="is the server URL that of a Kubernetes API server"):
            client.get(PODS, "n", "p")


def test_a_page_of_html_is_not_taken_for_a_missing_crd() -> None:
    text = str(not_found(HTML))
    assert "a proxy or load balancer answered" in text
    assert "CustomResourceDefinition" not in text


def test_a_path_that_the_server_does_not_have_at_all_is_not_taken_for_a_missing_crd() -> None:
    """As when the server URL ends in a path of its own, and nothing takes that away."""
    text = str(not_found(json.dumps({"paths": ["/apis", "/healthz", "/version"]}, indent=2).encode()))
    assert "the server has no such path (404); is the server URL that of a Kubernetes API server" in text
    assert "CustomResourceDefinition" not in text
    assert "healthz" not in text


def test_another_kind_that_is_served_makes_no_difference() -> None:
    with scripted(serve_all(in_turn((200, OK), (404, TEXT)))) as server, server.client() as client:
        client.get(PODS, "n", "p")
        with pytest.raises(errors.NotFoundError):
            client.get(DEVSERVERS, "n", "a")
        assert len(server.requests) == 2


def test_another_version_of_the_kind_makes_no_difference() -> None:
    with scripted(serve_all(in_turn((200, OK), (404, TEXT)))) as server, server.client() as client:
        client.get(DEVSERVERS, "n", "a")
        with pytest.raises(errors.NotFoundError):
            client.get(DEVSERVERS._replace(version="v2"), "n", "a")


def test_a_refusal_does_not_show_that_the_kind_is_served() -> None:
    forbidden = status(403, "Forbidden", "no", name="a", group="devserver.io", kind="devservers")
    with scripted(serve_all(in_turn((403, forbidden), (404, TEXT)))) as server, server.client() as client:
        with pytest.raises(errors.ForbiddenError):
            client.get(DEVSERVERS, "n", "a")
        with pytest.raises(errors.NotFoundError):
            client.get(DEVSERVERS, "n", "a")


# once the kind has been served


@pytest.fixture(params=[TEXT, HTML, b""], ids=["text", "html", "empty"])
def bare(request: pytest.FixtureRequest) -> bytes:
    """The body of a 404 that is no Status."""
    return bytes(request.param)


def test_a_read_is_sent_again_until_the_kind_is_served(bare: bytes) -> None:
    clock = FakeClock()
    answers = [(200, OK), *[(404, bare)] * 20, (200, OK)]
    with scripted(serve_all(in_turn(*answers))) as server, server.client(timeout=60, clock=clock) as client:
        client.get(DEVSERVERS, "n", "a")
        assert client.get(DEVSERVERS, "n", "b") == {"kind": "Thing"}
    assert 20 < clock.time < 60
    assert max(clock.slept) <= 2


def test_a_status_about_an_object_shows_that_its_kind_is_served() -> None:
    answers = [(404, GONE), (404, TEXT), (200, OK)]
    with scripted(serve_all(in_turn(*answers))) as server, server.client(clock=FakeClock()) as client:
        with pytest.raises(errors.NotFoundError):
            client.get(DEVSERVERS, "n", "a")
        assert client.get(DEVSERVERS, "n", "a") == {"kind": "Thing"}


def test_a_read_ends_with_its_time_and_says_what_may_be_the_matter(bare: bytes) -> None:
    clock = FakeClock()
    with scripted(serve_all(in_turn((200, OK), (404, bare)))) as server, server.client(10, clock) as client:
        client.get(DEVSERVERS, "n", "a")
        with pytest.raises(errors.NotServedError, match="this kind has been served before") as caught:
            client.get(DEVSERVERS, "n", "a")
    assert isinstance(caught.value, errors.ServerError)
    assert not isinstance(caught.value, errors.NotFoundError)
    assert caught.value.status == 404
    assert 8 <= clock.time <= 10


def test_without_a_limit_of_its_own_a_read_goes_on_for_a_minute() -> None:
    clock = FakeClock()
    with scripted(serve_all(in_turn((200, OK), (404, TEXT)))) as server, server.client(None, clock) as client:
        client.get(DEVSERVERS, "n", "a")
        with pytest.raises(errors.NotServedError):
            client.get(DEVSERVERS, "n", "a")
    assert NOT_SERVED_PATIENCE - 2 <= clock.time <= NOT_SERVED_PATIENCE


def test_a_deletion_that_is_bound_to_the_uid_is_sent_again_and_others_are_not() -> None:
    answers = [(200, OK), *[(404, TEXT)] * 9, (200, OK)]
    with scripted(serve_all(in_turn(*answers))) as server, server.client(60, FakeClock()) as client:
        client.get(DEVSERVERS, "n", "a")
        client.delete(DEVSERVERS, "n", "a", uid="1")
        assert len(server.requests) == 11
    with scripted(serve_all(in_turn(*answers))) as server, server.client(60, FakeClock()) as client:
        client.get(DEVSERVERS, "n", "a")
        with pytest.raises(errors.NotServedError):
            client.delete(DEVSERVERS, "n", "a")
        assert len(server.requests) == 2


@pytest.mark.parametrize("write", ["create", "replace", "patch"])
def test_a_write_is_not_sent_again_and_is_no_not_found_error(write: str) -> None:
    with scripted(serve_all(in_turn((200, OK), (404, TEXT)))) as server, server.client() as client:
        client.get(DEVSERVERS, "n", "a")
        calls: dict[str, Callable[[], object]] = {
            "create": lambda: client.create(DEVSERVERS, "n", {}),
            "replace": lambda: client.replace(DEVSERVERS, "n", "a", {}),
            "patch": lambda: client.patch(DEVSERVERS, "n", "a", {}, "application/merge-patch+json"),
        }
        with pytest.raises(errors.NotServedError, match="try again"):
            calls[write]()
        assert len(server.requests) == 2


def test_a_status_about_no_object_may_pass_where_a_collection_was_asked_for() -> None:
    answers = [(200, b"{}"), (404, status(404, "NotFound", LOST)), (200, b"{}")]
    with scripted(serve_all(in_turn(*answers))) as server, server.client(clock=FakeClock()) as client:
        client.list_all(DEVSERVERS, "n")
        assert client.list_all(DEVSERVERS, "n") == ([], "")
    with scripted(serve_all(in_turn((404, answers[1][1])))) as server, server.client() as client:
        with pytest.raises(errors.NotFoundError):
            client.list_all(DEVSERVERS, "n")


def test_an_object_that_is_not_there_is_told_at_once() -> None:
    with scripted(serve_all(in_turn((200, OK), (404, GONE)))) as server, server.client() as client:
        client.get(DEVSERVERS, "n", "a")
        with pytest.raises(errors.NotFoundError):
            client.get(DEVSERVERS, "n", "a")
        assert len(server.requests) == 2


# watches


@pytest.fixture
def watched(server: FakeAPIServer) -> Iterator[Watch]:
    with RESTClient() as client, Watch(client, DEVSERVERS, "kube-public") as watch:
        yield watch


def add(server: FakeAPIServer, name: str) -> None:
    server.store.create("devservers", {"metadata": {"name": name, "namespace": "kube-public"}, "spec": {}})


def name_of_next(watch: Watch) -> str:
    while True:
        event = next(watch)
        if event["type"] == "ADDED":
            return str(event["object"]["metadata"]["name"])


@pytest.mark.parametrize("fault", ["page_not_found", "not_found_html"])
def test_a_watch_waits_for_an_api_server_that_starts(server: FakeAPIServer, watched: Watch, fault: str) -> None:
    add(server, "a")
    assert name_of_next(watched) == "a"
    with getattr(server.fault, fault)("*", "devservers", times=4) as struck:
        server.watches.cut_all()
        add(server, "b")
        assert name_of_next(watched) == "b"
        assert struck.suffered == 4
