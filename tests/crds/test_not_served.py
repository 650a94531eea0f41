"""While an API server starts it may answer 404 without a Status: nobody is told that something is not there."""

from __future__ import annotations

from typing import Callable

import pytest

from devservers import errors
from devservers.crds.devserver import DevServer

from .builders import LONG, SHORT, created, in_background, set_status
from .staged import StagedServer

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


def test_without_its_crd_the_kind_is_said_to_be_unknown(cluster: StagedServer) -> None:
    with cluster.fault.page_not_found("*", "devservers"):
        with pytest.raises(errors.NotFoundError, match="does not know the kind devservers") as caught:
            DevServer.get("dev")
    assert not caught.value.is_about(DevServer._resource(), "dev")
