"""Deleting on the way out: only what proves that this very object is gone ends it early."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.lifecycle import deletion
from devservers.crds.lifecycle.deletion import delete_until_known
from devservers.crds.model.reference import ObjectRef
from devservers.transport import RESTClient
from tests.fakeapiserver.faults.faultyanswers import Suffer
from tests.fakeapiserver.serving.http import Response
from tests.stopwatch import Stopwatch
from tests.transport.scripted import FakeClock

from .builders import KIND, SHORT, SPEC, created, names_on, requests_of, set_status
from .staged import StagedServer


def answer(code: int, body: str, content_type: str = "text/plain") -> Suffer:
    return lambda request, proceed, over: Response(code, body.encode(), content_type)


def status(code: int, reason: str, message: str = "", **details: Any) -> Suffer:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return answer(code, json.dumps({**body, "details": details}), "application/json")


LIES: dict[str, Suffer] = {
    "an API server that is starting": answer(404, "404 page not found\n"),
    "a proxy": answer(404, "<html>not here</html>", "text/html"),
    "a namespace": status(404, "NotFound", 'namespaces "default" not found', name="default", kind="namespaces"),
    "a Status about nothing": status(404, "NotFound", "the server could not find the requested resource"),
    "another object": status(404, "NotFound", name="other", group="devserver.io", kind="devservers"),
    "a webhook": status(409, "Conflict", 'admission webhook "x" denied the request', name="dev", kind="devservers"),
    "a proxy's conflict": answer(409, "conflict"),
    "a quota": status(409, "Conflict", "Operation cannot be fulfilled on resourcequotas", kind="resourcequotas"),
    "a refused precondition of another kind": status(409, "Conflict", "stale", name="dev", kind="devservers"),
    "a server error": status(500, "InternalError", "etcd"),
    "too many requests": status(429, "TooManyRequests", "slow down"),
    "a gateway": answer(502, "<html>bad gateway</html>", "text/html"),
}


def ref(client: RESTClient, server: DevServer) -> ObjectRef:
    return ObjectRef(client, KIND, "default", "dev", server.metadata.uid)


@pytest.mark.parametrize("lie", LIES)
def test_what_does_not_prove_that_it_is_gone_does_not_end_the_deletion(cluster: StagedServer, lie: str) -> None:
    server = created()
    lying = cluster.fault.inject(LIES[lie], "delete", "devservers", times=5)
    with RESTClient(clock=FakeClock()) as client, lying as fault:
        assert delete_until_known(ref(client, server)) is False
    assert fault.suffered == 5
    assert names_on(cluster) == []


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_proves_nothing_to_the_end_is_the_error(cluster: StagedServer, lie: str) -> None:
    server = created()
    clock = FakeClock()
    with RESTClient(clock=clock) as client, cluster.fault.inject(LIES[lie], "delete", "devservers"):
        with pytest.raises(errors.DevServersError):
            delete_until_known(ref(client, server))
    assert 20 < clock.time <= 30
    assert names_on(cluster) == ["dev"]


def test_connections_that_are_refused_or_reset_are_tried_for_half_a_minute(cluster: StagedServer) -> None:
    server = created()
    clock = FakeClock()
    with RESTClient(clock=clock) as client, cluster.fault.reset_before_execution("delete") as fault:
        with pytest.raises(errors.ConnectionFailedError):
            delete_until_known(ref(client, server))
    assert fault.suffered > 8
    assert 20 < clock.time <= 30


def test_a_server_that_says_not_found_about_this_object_is_believed_at_once(cluster: StagedServer) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    with RESTClient() as client:
        assert delete_until_known(ref(client, server)) is False
    assert len(cluster.requests) == 2


def test_a_namesake_is_left_alone_and_nothing_more_is_asked(cluster: StagedServer) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    created()
    with RESTClient() as client:
        before = len(cluster.requests)
        assert delete_until_known(ref(client, server)) is False
    assert len(cluster.requests) == before + 1
    assert names_on(cluster) == ["dev"]


def test_where_the_answer_proves_nothing_a_look_does(cluster: StagedServer) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    with RESTClient() as client, cluster.fault.inject(LIES["a proxy"], "delete", "devservers") as fault:
        assert delete_until_known(ref(client, server)) is False
    assert fault.suffered == 1


def test_a_connection_that_has_died_unnoticed_leaves_time_for_a_new_one(
    cluster: StagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = created()
    monkeypatch.setattr(deletion, "KEPT_ALIVE_SECONDS", SHORT)
    watch = Stopwatch()
    with RESTClient() as client, cluster.fault.stall("delete", "devservers", times=1) as fault:
        assert delete_until_known(ref(client, server)) is False
    assert fault.suffered == 1
    assert watch.own_seconds < deletion.DELETE_SECONDS / 2
    assert names_on(cluster) == []


def test_a_refusal_for_good_is_the_error_at_once(cluster: StagedServer) -> None:
    server = created()
    cluster.rules.deny("admin", "delete", "devservers")
    with RESTClient() as client, pytest.raises(errors.ForbiddenError):
        delete_until_known(ref(client, server))
    assert len(requests_of(cluster, "DELETE")) == 1


# on the way out of a with statement


def entered(cluster: StagedServer, clock: FakeClock) -> DevServer:
    cluster.rules.deny("admin", "list", "pods")
    cluster.after("POST", "devservers", lambda: set_status(cluster, phase="Running"))
    return DevServer(ObjectMeta(name="dev"), SPEC, wait_timeout=60, client=RESTClient(clock=clock))


def test_a_lie_on_the_way_out_leaves_no_server(cluster: StagedServer) -> None:
    with entered(cluster, FakeClock()):
        scope = cluster.fault.inject(LIES["an API server that is starting"], "delete", "devservers", times=5)
        fault = scope.__enter__()
    scope.__exit__(None, None, None)
    assert fault.suffered == 5
    assert names_on(cluster) == []


def test_a_deletion_that_fails_names_the_server_and_says_that_it_is_left(cluster: StagedServer) -> None:
    with pytest.raises(errors.ConnectionFailedError) as caught, cluster.fault.reset_before_execution("delete"):
        with entered(cluster, FakeClock()):
            pass
    assert str(caught.value).startswith(
        'DevServer "dev" in namespace "default" could not be deleted and may be left on the cluster '
        "(kubectl delete devservers.devserver.io dev -n default): "
    )
    cluster.store.delete("devservers", "dev", "default")
    with pytest.raises(errors.ServerError) as refused, cluster.fault.server_error("delete"):
        with entered(cluster, FakeClock()):
            pass
    assert "may be left on the cluster (kubectl delete devservers.devserver.io dev -n default)" in str(refused.value)


# creates that may pass


def creating(cluster: StagedServer, clock: FakeClock, **metadata: Any) -> Callable[[], DevServer]:
    client = RESTClient(clock=clock)
    return lambda: DevServer.create(ObjectMeta(**metadata), SPEC, client=client)


QUOTA = status(
    409, "Conflict", 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified',
    name="q", kind="resourcequotas",
)  # fmt: skip
COLLISION = status(409, "AlreadyExists", "already exists", name="dev-abcde", group="devserver.io", kind="devservers")


@pytest.mark.parametrize("refusal", [LIES["too many requests"], QUOTA])
def test_a_create_that_was_not_done_is_sent_again(cluster: StagedServer, refusal: Suffer) -> None:
    with cluster.fault.inject(refusal, "create", "devservers", times=9):
        creating(cluster, FakeClock(), name="dev")()
    assert names_on(cluster) == ["dev"]


def test_a_generated_name_that_is_taken_is_made_up_anew(cluster: StagedServer) -> None:
    with cluster.fault.inject(COLLISION, "create", "devservers", times=3):
        creating(cluster, FakeClock(), generate_name="dev-")()
    assert len(names_on(cluster)) == 1


def test_a_create_that_is_never_done_is_the_error_in_the_end(cluster: StagedServer) -> None:
    with cluster.fault.inject(QUOTA, "create", "devservers") as fault, pytest.raises(errors.ConflictError):
        creating(cluster, FakeClock(), name="dev")()
    assert fault.suffered == 10


def test_entering_tries_for_as_long_as_it_may(cluster: StagedServer) -> None:
    clock = FakeClock()
    server = DevServer(ObjectMeta(name="dev"), SPEC, wait_timeout=60, client=RESTClient(clock=clock))
    with cluster.fault.inject(LIES["too many requests"], "create", "devservers"):
        with pytest.raises(errors.TooManyRequestsError):
            server.__enter__()
    assert 50 < clock.time < 62  # the transport's own last repetitions included


def test_a_conflict_about_something_else_is_the_error_at_once(cluster: StagedServer) -> None:
    with cluster.fault.inject(LIES["a webhook"], "create", "devservers") as fault:
        with pytest.raises(errors.ConflictError):
            creating(cluster, FakeClock(), name="dev")()
    assert fault.suffered == 1
