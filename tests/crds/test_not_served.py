"""While an API server starts it may answer 404 without a Status: nobody is told that something is not there."""

from __future__ import annotations

from typing import Callable

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.transport import RESTClient
from devservers.transport.resources import Resource

from .builders import LONG, SHORT, SPEC, created, in_background, set_status
from .staged import StagedServer

DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False)
STARTING = 4
"""So many requests are answered with 404 before the kind is served again."""


@pytest.fixture(params=["page_not_found", "not_found_html"])
def fault(request: pytest.FixtureRequest) -> str:
    """What the answer looks like: an API server's, or an ingress's."""
    return str(request.param)


READS: dict[str, Callable[[DevServer], object]] = {
    "get": lambda server: DevServer.get("dev"),
    "list": lambda server: DevServer.list(),
    "refresh": lambda server: server.refresh(),
    "iterate": lambda server: list(DevServer.iterate()),
    "watch": lambda server: next(iter(server.watch(timeout=LONG))),
    "delete": lambda server: server.delete(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_what_may_be_sent_again_waits_for_the_server(
    cluster: StagedServer, fault: str, read: Callable[[DevServer], object]
) -> None:
    server = created()
    with getattr(cluster.fault, fault)("*", "devservers", times=STARTING) as struck:
        read(server)
    assert struck.suffered == STARTING


def test_a_wait_for_a_status_goes_on(cluster: StagedServer, fault: str) -> None:
    server = created()
    with getattr(cluster.fault, fault)("*", "devservers", times=STARTING) as struck:

        def get_running() -> None:
            assert struck.struck.wait(LONG)
            set_status(cluster, phase="Running")

        with in_background(get_running):
            list(server.wait_for_status({"phase": "Running"}, timeout=LONG))
    assert server.status == {"phase": "Running"}
    assert struck.suffered == STARTING


def test_a_wait_for_a_deletion_does_not_take_it_for_one(cluster: StagedServer, fault: str) -> None:
    server = created()
    with getattr(cluster.fault, fault)("*", "devservers"), pytest.raises(errors.WaitTimeoutError):
        server.wait_for_deletion(timeout=SHORT)


def remove_definition() -> None:
    """The objects go with it."""
    with RESTClient() as client:
        client.delete(DEFINITIONS, None, "devservers.devserver.io")


def unread() -> DevServer:
    return DevServer(ObjectMeta(name="dev"), SPEC, wait_timeout=LONG)


EVERY_VERB: dict[str, Callable[[], object]] = {
    "create": lambda: DevServer.create(ObjectMeta(name="dev"), SPEC),
    "with": lambda: unread().__enter__(),
    "get": lambda: DevServer.get("dev"),
    "list": lambda: DevServer.list(),
    "iterate": lambda: list(DevServer.iterate()),
    "watch_all": lambda: next(iter(DevServer.watch_all(timeout=LONG))),
    "refresh": lambda: unread().refresh(),
    "merge patch": lambda: unread().patch({"spec": {}}),
    "JSON patch": lambda: unread().patch([]),
    "apply": lambda: unread().apply(field_manager="me"),
    "delete": lambda: unread().delete(),
    "watch": lambda: next(iter(unread().watch(timeout=LONG))),
    "wait for a status": lambda: list(unread().wait_for_status({"phase": "Running"}, timeout=LONG)),
    "wait for readiness": lambda: unread().wait_for_ready(),
    "wait for deletion": lambda: unread().wait_for_deletion(timeout=LONG),
}


@pytest.mark.parametrize("act", EVERY_VERB.values(), ids=EVERY_VERB.keys())
@pytest.mark.usefixtures("cluster")
def test_without_its_crd_every_verb_says_that_the_kind_is_unknown(act: Callable[[], object]) -> None:
    remove_definition()
    with pytest.raises(errors.NotFoundError) as caught:
        act()
    known = "the cluster does not know the kind devservers.devserver.io in version v1: install a CustomRes"
    assert known in str(caught.value)
    assert not caught.value.is_about(DevServer._resource(), "dev")


@pytest.mark.usefixtures("cluster")
def test_without_its_crd_a_command_says_that_the_kind_is_unknown() -> None:
    remove_definition()
    with pytest.raises(errors.ExecError, match=r"pod: none was found; get devservers.*does not know the kind"):
        unread().exec("ls")


def test_a_wait_whose_crd_is_deleted_says_that_its_object_is(cluster: StagedServer) -> None:
    server = created()
    cluster.after("GET", "watch=true", remove_definition)
    with pytest.raises(errors.ResourceDeletedError, match="was deleted during the wait"):
        list(server.wait_for_status({"phase": "Running"}, timeout=LONG))


def test_a_watch_whose_crd_is_deleted_tells_of_the_deletion_and_ends_in_its_time(cluster: StagedServer) -> None:
    created()
    cluster.after("GET", "watch=true", remove_definition)
    assert [event["type"] for event in DevServer.watch_all(timeout=1.0)] == ["ADDED", "DELETED"]


@pytest.mark.usefixtures("cluster")
def test_a_wait_that_begins_after_its_crd_was_deleted_says_what_may_be_the_matter() -> None:
    server = created()
    remove_definition()
    with pytest.raises(errors.WaitTimeoutError, match="check that the CustomResourceDefinition is still there"):
        list(server.wait_for_status({"phase": "Running"}, timeout=SHORT))
