"""The client against what networks, proxies and overloaded servers do: each fault of the fake API server."""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import islice
from typing import Callable

import pytest

from devservers import errors
from devservers.transport import RESTClient, Watch
from devservers.transport.resources import Resource
from tests.fakeapiserver import FakeAPIServer

USERS = Resource("devserver.io", "v1", "devserverusers", "DevServerUser", False)
Fault = Callable[[FakeAPIServer], AbstractContextManager[object]]

PASSING: dict[str, Fault] = {
    "reset before": lambda server: server.fault.reset_before_execution("get", "devserverusers", nth=1),
    "reset after": lambda server: server.fault.reset_after_execution("get", "devserverusers", nth=1),
    "half a response": lambda server: server.fault.half_response("get", "devserverusers", nth=1),
    "slow drip": lambda server: server.fault.slow_drip("get", "devserverusers", pause=0.001),
    "429": lambda server: server.fault.too_many_requests("get", "devserverusers", nth=1),
    "429 text": lambda server: server.fault.too_many_requests_text("get", "devserverusers", nth=1),
    "500": lambda server: server.fault.server_error("get", "devserverusers", nth=1),
    "502 HTML": lambda server: server.fault.bad_gateway_html("get", "devserverusers", nth=1),
    "503": lambda server: server.fault.service_unavailable("get", "devserverusers", nth=1),
}
LASTING: dict[str, tuple[Fault, type[Exception]]] = {
    "401": (lambda server: server.fault.unauthorized_once("get", "devserverusers"), errors.UnauthorizedError),
    "403": (lambda server: server.fault.forbidden("get", "devserverusers"), errors.ForbiddenError),
    "502 HTML": (lambda server: server.fault.bad_gateway_html("get", "devserverusers"), errors.ServerError),
    "redirect": (lambda server: server.fault.redirect("get", "devserverusers"), errors.ProtocolError),
    "stall": (lambda server: server.fault.stall("get", "devserverusers"), errors.RequestTimeoutError),
}
CUTTING: dict[str, Fault] = {
    "mid-line": lambda server: server.fault.watch_cut_mid_line("devserverusers", nth=1),
    "in a character": lambda server: server.fault.watch_cut_in_character("devserverusers", nth=1),
    "empty streams": lambda server: server.fault.empty_watches("devserverusers", times=4),
}


@pytest.fixture
def client(server: FakeAPIServer) -> RESTClient:
    server.store.create("devserverusers", {"metadata": {"name": "a"}, "spec": {}})
    return RESTClient(timeout=3)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_a_read_gets_over_a_fault_that_passes(server: FakeAPIServer, client: RESTClient, fault: Fault) -> None:
    with fault(server):
        assert client.get(USERS, None, "a")["metadata"]["name"] == "a"


@pytest.mark.parametrize(("fault", "kind"), LASTING.values(), ids=LASTING.keys())
def test_a_fault_that_lasts_is_told_as_what_it_is(
    server: FakeAPIServer, client: RESTClient, fault: Fault, kind: type[Exception]
) -> None:
    with fault(server), pytest.raises(kind):
        client.get(USERS, None, "a")


@pytest.mark.parametrize("fault", CUTTING.values(), ids=CUTTING.keys())
def test_a_watch_gets_over_streams_that_end_in_the_wrong_place(
    server: FakeAPIServer, client: RESTClient, fault: Fault
) -> None:
    with fault(server), Watch(client, USERS, None) as watch:
        next(watch)
        server.store.create("devserverusers", {"metadata": {"name": "b"}, "spec": {}})
        told = [event["object"]["metadata"]["name"] for event in islice(watch, 1)]
    assert told == ["b"]
