"""wait_for_status(): the present state first, then events until it holds, whatever happens to the stream."""

from __future__ import annotations

from typing import Any

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from tests.stopwatch import Stopwatch

from .builders import LONG, SHORT, SPEC, created, in_background, requests_of, set_status
from .staged import StagedServer

RUNNING = {"phase": "Running"}


def phases(events: Any) -> list[tuple[str, str]]:
    return [(event["type"], event["object"].get("status", {}).get("phase", "")) for event in events]


def on_watch(cluster: StagedServer, *statuses: dict[str, Any]) -> None:
    """Write these statuses when the watch begins, one after the other."""

    def write() -> None:
        for status in statuses:
            set_status(cluster, **status)

    cluster.before("GET", "watch=true", write)


def test_a_status_that_holds_already_has_no_events(cluster: StagedServer) -> None:
    server = created()
    set_status(cluster, phase="Running")
    assert list(server.wait_for_status(RUNNING, timeout=LONG)) == []
    assert server.status == RUNNING


def test_events_come_until_the_status_holds(cluster: StagedServer) -> None:
    server = created()
    on_watch(cluster, {"phase": "Pending"}, {"phase": "Starting"}, RUNNING, {"phase": "Later"})
    events = phases(server.wait_for_status(status=RUNNING, timeout=LONG))
    assert events == [("ADDED", ""), ("MODIFIED", "Pending"), ("MODIFIED", "Starting"), ("MODIFIED", "Running")]


def test_the_object_follows_the_events(cluster: StagedServer) -> None:
    server = created()
    on_watch(cluster, {"phase": "Pending"}, RUNNING)
    seen = [server.status.get("phase") for _ in server.wait_for_status(RUNNING, timeout=LONG)]
    assert seen == [None, "Pending", "Running"]
    server.spec["image"] = "other"
    assert server.update().status == RUNNING


def test_an_event_is_the_callers_to_keep(cluster: StagedServer) -> None:
    server = created()
    on_watch(cluster, RUNNING)
    events = list(server.wait_for_status(RUNNING, timeout=LONG))
    server.status["phase"] = server.spec["image"] = "changed"
    assert events[-1]["object"]["status"] == RUNNING
    assert events[-1]["object"]["spec"]["image"] == SPEC["image"]


def test_a_status_is_met_as_a_subset_nested_ones_too(cluster: StagedServer) -> None:
    server = created()
    on_watch(cluster, {"pods": {"ready": 0, "total": 2}}, {"pods": {"ready": 2, "total": 2}, "phase": "x"})
    events = list(server.wait_for_status({"pods": {"ready": 2}}, timeout=LONG))
    assert len(events) == 3


def test_a_status_may_be_a_predicate(cluster: StagedServer) -> None:
    server = created()
    on_watch(cluster, {"step": 1}, {"step": 2}, {"step": 3})
    list(server.wait_for_status(lambda status: status.get("step", 0) >= 2, timeout=LONG))
    assert server.status == {"step": 2}


def test_a_predicate_sees_an_empty_status_where_there_is_none(cluster: StagedServer) -> None:
    seen: list[Any] = []
    assert list(created().wait_for_status(lambda status: seen.append(status) is None, timeout=LONG)) == []  # type: ignore[func-returns-value]
    assert seen == [{}]


def test_what_a_predicate_raises_comes_out(cluster: StagedServer) -> None:
    with pytest.raises(KeyError, match="phase"):
        list(created().wait_for_status(lambda status: bool(status["phase"]), timeout=LONG))


@pytest.mark.parametrize("status", [None, "Running", ["Running"]])
def test_anything_else_is_a_type_error_at_once(cluster: StagedServer, status: Any) -> None:
    with pytest.raises(TypeError, match="must be a mapping or a predicate"):
        DevServer(ObjectMeta(name="dev"), SPEC).wait_for_status(status)
    assert not cluster.requests


def test_when_the_time_is_up_the_error_tells_the_last_status(cluster: StagedServer) -> None:
    server = created()
    on_watch(cluster, {"phase": "Pending", "message": "no node"})
    watch = Stopwatch()
    with pytest.raises(errors.WaitTimeoutError) as caught:
        list(server.wait_for_status(RUNNING, timeout=SHORT))
    assert watch.seconds >= SHORT
    assert watch.own_seconds < SHORT + 1
    assert isinstance(caught.value, TimeoutError)
    assert str(caught.value) == (
        "<DevServer default/dev phase=Pending> did not reach the wanted status within 0.3 s\n"
        '  last known status: {"message": "no node", "phase": "Pending"}'
    )
    assert caught.value.report == '  last known status: {"message": "no node", "phase": "Pending"}'


def test_without_any_time_there_is_one_look(cluster: StagedServer) -> None:
    server = created()
    with pytest.raises(errors.WaitTimeoutError, match="within 0 s"):
        list(server.wait_for_status(RUNNING, timeout=0))
    set_status(cluster, phase="Running")
    assert list(server.wait_for_status(RUNNING, timeout=0)) == []
    server.delete()
    with pytest.raises(errors.ResourceDeletedError):
        list(server.wait_for_status(RUNNING, timeout=0))


def test_the_time_runs_while_the_caller_handles_an_event(cluster: StagedServer) -> None:
    server = created()
    watch = Stopwatch()

    def answer_each_event_by_another() -> None:
        for number, _ in enumerate(server.wait_for_status(RUNNING, timeout=SHORT)):
            set_status(cluster, step=number)

    with pytest.raises(errors.WaitTimeoutError):
        answer_each_event_by_another()
    assert watch.own_seconds < SHORT + 1


def test_a_server_that_never_stops_talking_does_not_prolong_the_wait(cluster: StagedServer) -> None:
    server = created()
    watch = Stopwatch()

    def chatter() -> None:
        step = 0
        while watch.seconds < SHORT + 0.5:
            step += 1
            set_status(cluster, step=step)

    with in_background(chatter):
        with pytest.raises(errors.WaitTimeoutError):
            list(server.wait_for_status(RUNNING, timeout=SHORT))
        assert watch.own_seconds < SHORT + 1


def test_an_object_that_goes_meanwhile_ends_the_wait_at_once(cluster: StagedServer) -> None:
    server = created()
    cluster.before("GET", "watch=true", lambda: cluster.store.delete("devservers", "dev", "default"))
    with pytest.raises(errors.ResourceDeletedError, match="<DevServer default/dev> was deleted during the wait"):
        list(server.wait_for_status(RUNNING, timeout=LONG))


def test_an_object_that_has_gone_already_ends_the_wait_at_once(cluster: StagedServer) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    with pytest.raises(errors.ResourceDeletedError):
        list(server.wait_for_status(RUNNING, timeout=LONG))


def test_a_namesake_is_not_the_object_that_is_waited_for(cluster: StagedServer) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    created()
    set_status(cluster, phase="Running")
    with pytest.raises(errors.ResourceDeletedError):
        list(server.wait_for_status(RUNNING, timeout=LONG))


def test_an_object_that_was_never_read_is_waited_for_by_name(cluster: StagedServer) -> None:
    created()
    on_watch(cluster, RUNNING)
    server = DevServer(ObjectMeta(name="dev"), SPEC)
    assert len(list(server.wait_for_status(RUNNING, timeout=LONG))) == 2
    assert server.metadata.uid


def test_an_object_that_was_never_created_is_a_not_found_error(cluster: StagedServer) -> None:
    server = DevServer(ObjectMeta(name="dev"), SPEC)
    with pytest.raises(errors.NotFoundError, match=r"<DevServer dev> does not exist .*create it before waiting for it"):
        list(server.wait_for_status(RUNNING, timeout=LONG))


def test_a_dropped_watch_is_resumed(cluster: StagedServer) -> None:
    server = created()
    cluster.before("GET", "watch=true", lambda: set_status(cluster, phase="Running"))
    with cluster.fault.watch_cut_mid_line(times=1) as fault:
        events = phases(server.wait_for_status(RUNNING, timeout=LONG))
    assert events == [("ADDED", ""), ("MODIFIED", "Running")]
    assert fault.suffered == 1
    assert len(requests_of(cluster, "GET", "limit=")) == 1


def test_a_silent_watch_does_not_prolong_the_wait(cluster: StagedServer) -> None:
    server = created()
    watch = Stopwatch()
    with cluster.fault.half_open_watch(), pytest.raises(errors.WaitTimeoutError):
        list(server.wait_for_status(RUNNING, timeout=SHORT))
    assert watch.own_seconds < SHORT + 1


FAILURES = ["stall", "slow_drip", "server_error", "bad_gateway_html", "reset_before_execution", "half_response"]


@pytest.mark.parametrize("fault", FAILURES)
def test_a_list_that_always_fails_is_a_timeout_in_time(cluster: StagedServer, fault: str) -> None:
    server = created()
    watch = Stopwatch()
    with getattr(cluster.fault, fault)("list"), pytest.raises(errors.WaitTimeoutError):
        list(server.wait_for_status(RUNNING, timeout=SHORT))
    assert watch.own_seconds < SHORT + 1


@pytest.mark.parametrize("fault", ["server_error", "reset_before_execution"])
def test_a_list_that_fails_for_a_while_does_not_end_the_wait(cluster: StagedServer, fault: str) -> None:
    server = created()
    set_status(cluster, phase="Running")
    with getattr(cluster.fault, fault)("list", times=5) as struck:
        assert list(server.wait_for_status(RUNNING, timeout=LONG)) == []
    assert struck.suffered == 5


def test_the_last_failure_is_told_when_nothing_could_be_seen(cluster: StagedServer) -> None:
    server = created()
    with cluster.fault.bad_gateway_html("*"), pytest.raises(errors.WaitTimeoutError) as caught:
        list(server.wait_for_status(RUNNING, timeout=1))
    assert str(caught.value).startswith(
        "<DevServer default/dev> could not be read within 1 s\n  last known status: none\n"
    )
    assert "a proxy or load balancer answered" in caught.value.report


def test_an_api_server_that_was_never_reached_is_the_error_it_is_at_once(cluster: StagedServer) -> None:
    server = DevServer(ObjectMeta(name="dev"), SPEC)
    with cluster.fault.reset_before_execution("list"), pytest.raises(errors.ConnectionFailedError):
        list(server.wait_for_status(RUNNING, timeout=LONG))


def test_an_api_server_that_is_too_busy_is_asked_again(cluster: StagedServer) -> None:
    server = created()
    set_status(cluster, phase="Running")
    with cluster.fault.too_many_requests_text("list", times=1) as fault:
        assert list(server.wait_for_status(RUNNING, timeout=LONG)) == []
    assert fault.suffered == 1


def test_an_expired_watch_is_resumed_by_a_new_list(cluster: StagedServer) -> None:
    server = created()

    def run_and_forget() -> None:
        set_status(cluster, phase="Running")
        created("other")
        cluster.store.compact()

    cluster.before("GET", "watch=true", run_and_forget)
    events = phases(server.wait_for_status(RUNNING, timeout=LONG))
    assert events == [("ADDED", ""), ("MODIFIED", "Running")]


def test_a_wait_that_is_left_early_leaves_no_stream_behind(cluster: StagedServer) -> None:
    server = created()
    on_watch(cluster, {"step": 1})
    for event in server.wait_for_status(RUNNING, timeout=LONG):
        if event["type"] == "MODIFIED":
            break
    assert server.status == {"step": 1}


def test_a_wait_that_is_forbidden_is_a_forbidden_error(cluster: StagedServer) -> None:
    server = created()
    cluster.rules.deny("admin", "list", "devservers")
    with pytest.raises(errors.ForbiddenError):
        list(server.wait_for_status(RUNNING, timeout=LONG))


def test_without_a_limit_the_wait_goes_on_until_it_holds(cluster: StagedServer) -> None:
    server = created()
    on_watch(cluster, {"phase": "Pending"}, RUNNING)
    assert len(list(server.wait_for_status(RUNNING, timeout=None))) == 3
