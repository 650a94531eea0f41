"""A watch tells every change once, over cuts, silence, expiry and restarts."""

from __future__ import annotations

import json

import pytest

from devservers import errors
from devservers.transport import RESTClient, Watch, retry
from devservers.transport import watch as watch_module
from tests.fakeapiserver import FakeAPIServer

from .scripted import FakeClock, Peer, scripted, serve_all
from .watchstage import DEVSERVERS, EXPIRED, Stage, a_line, cut_after, obj, stream_of, told, versions, watch_on


def test_what_is_there_comes_first_and_then_what_changes() -> None:
    stage = Stage([obj("a", 5)], stream_of(a_line("MODIFIED", obj("a", 11)), a_line("ADDED", obj("b", 12))))
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server), 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b")]
        assert versions(server) == ["10"]


def test_a_watch_asks_for_bookmarks_and_a_random_timeout() -> None:
    with scripted(serve_all(Stage([], stream_of(a_line("ADDED", obj("a", 11)))))) as server:
        told(watch_on(server), 1)
        request = server.requests[-1]
    assert "allowWatchBookmarks=true" in request
    assert 300 <= int(request.partition("timeoutSeconds=")[2].split()[0].split("&")[0]) <= 600


def test_a_stream_that_ends_is_resumed_from_the_last_version() -> None:
    stage = Stage(
        [],
        stream_of(a_line("ADDED", obj("a", 11))),
        stream_of(a_line("BOOKMARK", {"metadata": {"resourceVersion": "20"}})),
        stream_of(a_line("ADDED", obj("b", 21))),
    )
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server), 2) == [("ADDED", "a"), ("ADDED", "b")]
        assert versions(server) == ["10", "11", "20"]


@pytest.mark.parametrize(
    "cut", [b'{"type": "ADDED", "object": {"metadata": {"na', '{"type": "ADDED", "object": "ä'.encode()[:-1]]
)
def test_a_cut_in_the_middle_of_a_line_is_resumed(cut: bytes) -> None:
    stage = Stage([], cut_after(a_line("ADDED", obj("a", 11)), cut), stream_of(a_line("ADDED", obj("b", 12))))
    clock = FakeClock()
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server, clock), 2) == [("ADDED", "a"), ("ADDED", "b")]
        assert versions(server) == ["10", "11"]
    assert clock.slept  # a failure is followed by a pause


def test_a_line_without_its_newline_is_not_told() -> None:
    stage = Stage([], stream_of(a_line("ADDED", obj("a", 11)).rstrip()), stream_of(a_line("ADDED", obj("b", 12))))
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server), 1) == [("ADDED", "b")]


def test_an_event_split_over_many_chunks_comes_out_whole() -> None:
    line = a_line("ADDED", {**obj("a", 11), "spec": {"text": "ä€😀" * 1000}})
    stage = Stage([], stream_of(*(line[start : start + 7] for start in range(0, len(line), 7))))
    with scripted(serve_all(stage)) as server, watch_on(server) as watch:
        assert next(watch)["object"]["spec"]["text"] == "ä€😀" * 1000


@pytest.mark.parametrize("form", ["http", "event"])
def test_an_expired_version_is_never_sent_again_and_the_difference_is_told(form: str) -> None:
    def expire(peer: Peer) -> None:
        stage.items, stage.version = [obj("b", 30)], "30"
        if form == "http":
            peer.answer(410, json.dumps(EXPIRED).encode())
        else:
            peer.chunked(a_line("ERROR", EXPIRED))

    stage = Stage([obj("a", 5)], expire, stream_of(a_line("MODIFIED", obj("b", 31))))
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server), 4) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b"), ("MODIFIED", "b")]
        assert versions(server) == ["10", "30"]


def test_a_run_of_instant_empty_streams_means_expired() -> None:
    stage = Stage([], *[stream_of()] * watch_module.EMPTY_STREAMS, stream_of(a_line("ADDED", obj("a", 41))))
    stage.version = "40"
    clock = FakeClock()
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server, clock), 1) == [("ADDED", "a")]
        lists = [request for request in server.requests if "watch=true" not in request]
        assert len(lists) == 2
    assert len(clock.slept) >= watch_module.EMPTY_STREAMS - 1


@pytest.mark.parametrize("code", [500, 504, 429])
def test_an_error_event_that_passes_is_waited_out(code: int) -> None:
    error = {**EXPIRED, "code": code, "reason": ""}
    stage = Stage([], stream_of(a_line("ERROR", error)), stream_of(a_line("ADDED", obj("a", 11))))
    clock = FakeClock()
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server, clock), 1) == [("ADDED", "a")]
        assert versions(server) == ["10", "10"]
    assert clock.slept


POISON = {"kind": "Status", "code": 500, "reason": "InternalError", "message": "etcd event received with PrevKv=nil"}
OUTCOMES = {"an error event": a_line("ERROR", POISON), "no event": b"{}\n", "404": a_line("ERROR", {"code": 404})}


@pytest.mark.parametrize("line", OUTCOMES.values(), ids=OUTCOMES.keys())
def test_a_version_that_cannot_be_served_is_given_up_and_the_difference_is_told(line: bytes) -> None:
    def change(peer: Peer) -> None:
        stage.items, stage.version = [obj("b", 30)], "30"
        peer.chunked(line)

    unservable = [stream_of(line)] * (watch_module.ERROR_EVENTS - 1)
    stage = Stage([obj("a", 5)], *unservable, change, stream_of(a_line("MODIFIED", obj("b", 31))))
    clock = FakeClock()
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server, clock), 4) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b"), ("MODIFIED", "b")]
        assert versions(server) == ["10"] * watch_module.ERROR_EVENTS + ["30"]
    assert len(clock.slept) == watch_module.ERROR_EVENTS
    assert clock.time < 10


def test_an_event_before_the_error_is_progress() -> None:
    error = a_line("ERROR", POISON)
    streams = [stream_of(a_line("MODIFIED", obj("a", number)), error) for number in range(11, 16)]
    with scripted(serve_all(Stage([], *streams, stream_of(a_line("ADDED", obj("b", 20)))))) as server:
        assert told(watch_on(server), 6)[-1] == ("ADDED", "b")
        assert versions(server) == ["10", "11", "12", "13", "14", "15"]


def test_a_stream_that_ends_properly_is_progress_too() -> None:
    error = stream_of(a_line("ERROR", POISON))
    streams = [error, error, stream_of(), error, error, stream_of(a_line("ADDED", obj("b", 20)))]
    with scripted(serve_all(Stage([], *streams))) as server:
        assert told(watch_on(server), 1) == [("ADDED", "b")]
        assert versions(server) == ["10"] * 6


def test_a_version_of_ones_own_that_cannot_be_served_is_raised_as_expired() -> None:
    streams = [stream_of(a_line("ERROR", POISON))] * watch_module.ERROR_EVENTS
    with scripted(serve_all(Stage([], *streams))) as server, watch_on(server, resource_version="7") as watch:
        with pytest.raises(errors.ExpiredError, match=r"cannot be served any more .*PrevKv=nil"):
            next(watch)


def test_a_kind_that_is_not_served_for_a_while_is_listed_anew() -> None:
    def not_served(peer: Peer) -> None:
        stage.items, stage.version = [obj("b", 30)], "30"
        stage.streams[:0] = [not_served] if clock.time < 100 else []
        peer.answer(404, b"404 page not found\n")

    stage = Stage([obj("a", 5)], not_served)
    clock = FakeClock()
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server, clock), 3) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b")]
    assert max(clock.slept) <= watch_module.LONGEST_PAUSE


def test_a_silent_stream_is_reopened_from_the_last_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "IDLE_SECONDS", 0.2)

    def half_open(peer: Peer) -> None:
        peer.chunked(a_line("ADDED", obj("a", 11)), end=False)
        peer.hold()

    with scripted(serve_all(Stage([], half_open, stream_of(a_line("ADDED", obj("b", 12)))))) as server:
        assert told(watch_on(server), 2) == [("ADDED", "a"), ("ADDED", "b")]
        assert versions(server) == ["10", "11"]


def test_from_a_version_of_ones_own_only_what_came_after_is_told() -> None:
    stage = Stage([obj("a", 5)], stream_of(a_line("ADDED", obj("b", 8))))
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server, resource_version="7"), 1) == [("ADDED", "b")]
        assert versions(server) == ["7"]


def test_a_version_of_ones_own_that_has_expired_is_raised() -> None:
    with scripted(serve_all(Stage([], stream_of(a_line("ERROR", EXPIRED))))) as server:
        with watch_on(server, resource_version="7") as watch, pytest.raises(errors.ExpiredError):
            next(watch)


@pytest.mark.parametrize("begin", ["", "0"])
def test_any_version_to_begin_from_means_list_first(begin: str) -> None:
    with scripted(serve_all(Stage([obj("a", 90), obj("b", 10)], stream_of(a_line("ADDED", obj("c", 91)))))) as server:
        assert told(watch_on(server, resource_version=begin), 3) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_a_slow_consumer_is_not_taken_for_a_dead_server() -> None:
    stage = Stage(
        [],
        stream_of(a_line("ADDED", obj("a", 11))),
        lambda peer: peer.reset(),
        stream_of(a_line("ADDED", obj("b", 12))),
    )
    clock = FakeClock()
    with scripted(serve_all(stage)) as server, watch_on(server, clock) as watch:
        next(watch)
        clock.time += 10 * retry.PATIENCE
        assert next(watch)["object"]["metadata"]["name"] == "b"


def test_streams_that_live_but_a_moment_are_paced_even_if_they_say_something() -> None:
    streams = [
        stream_of(a_line("BOOKMARK", {"metadata": {"resourceVersion": str(number)}})) for number in range(11, 17)
    ]
    clock = FakeClock()
    with scripted(serve_all(Stage([], *streams, stream_of(a_line("ADDED", obj("a", 20)))))) as server:
        assert told(watch_on(server, clock), 1) == [("ADDED", "a")]
    assert len(clock.slept) == len(streams)
    assert clock.slept[-1] > clock.slept[0]


def test_a_server_that_comes_back_after_a_minute_is_noticed_within_seconds() -> None:
    clock = FakeClock()

    def refuse(peer: Peer) -> None:
        stage.streams[:0] = [refuse] if clock.time < 60 else []
        peer.reset()

    stage = Stage([], stream_of(a_line("ADDED", obj("a", 11))), refuse, stream_of(a_line("ADDED", obj("b", 12))))
    with scripted(serve_all(stage)) as server, watch_on(server, clock) as watch:
        assert [next(watch)["object"]["metadata"]["name"] for _ in range(2)] == ["a", "b"]
    assert max(clock.slept) <= watch_module.LONGEST_PAUSE <= 5


def test_an_error_event_of_an_unknown_kind_may_pass() -> None:
    stage = Stage(
        [], stream_of(a_line("ERROR", {"kind": "Status", "message": "?"})), stream_of(a_line("ADDED", obj("a", 11)))
    )
    with scripted(serve_all(stage)) as server:
        assert told(watch_on(server), 1) == [("ADDED", "a")]


def test_a_caller_may_change_what_it_was_handed() -> None:
    def expire(peer: Peer) -> None:
        peer.chunked(a_line("ERROR", EXPIRED))

    with scripted(serve_all(Stage([obj("a", 5)], expire, stream_of(a_line("ADDED", obj("b", 11)))))) as server:
        with watch_on(server) as watch:
            next(watch)["object"]["metadata"].clear()
            assert next(watch)["object"]["metadata"]["name"] == "b"


def test_a_version_of_ones_own_that_is_silently_expired_is_raised() -> None:
    with scripted(serve_all(Stage([], *[stream_of()] * watch_module.EMPTY_STREAMS))) as server:
        with watch_on(server, resource_version="7") as watch, pytest.raises(errors.ExpiredError):
            next(watch)


# -- against the fake API server ----------------------------------------------------------------------------------


def test_selectors_turn_changes_into_arrivals_and_departures(server: FakeAPIServer) -> None:
    item = {"metadata": {"name": "a", "namespace": "default", "labels": {"team": "red"}}, "spec": {"flavor": "x"}}
    with RESTClient() as client:
        with Watch(client, DEVSERVERS, "default", selectors={"labelSelector": "team=red"}, marks=True) as watch:
            next(watch)  # the list is done
            client.create(DEVSERVERS, "default", {"apiVersion": "devserver.io/v1", "kind": "DevServer", **item})
            assert next(watch)["type"] == "ADDED"
            patch = {"metadata": {"labels": {"team": "blue"}}}
            client.patch(DEVSERVERS, "default", "a", patch, "application/merge-patch+json")
            kinds = [next(watch)["type"]]
            while kinds[-1] == "MODIFIED":  # the operator writes status meanwhile
                kinds.append(next(watch)["type"])
            assert kinds[-1] == "DELETED"


def test_a_watch_gets_over_a_version_that_cannot_be_served(server: FakeAPIServer) -> None:
    item = {"metadata": {"name": "a", "namespace": "kube-public"}, "spec": {"flavor": "x"}}
    with RESTClient() as client, Watch(client, DEVSERVERS, "kube-public", marks=True) as watch:
        next(watch)  # the list is done
        with server.fault.unservable_version("devservers") as fault:
            server.store.create("devservers", item)
            assert next(watch)["object"]["metadata"]["name"] == "a"
    assert fault.suffered >= watch_module.ERROR_EVENTS


def test_a_watch_survives_compaction_and_its_connection_being_cut(server: FakeAPIServer) -> None:
    with RESTClient() as client, Watch(client, DEVSERVERS, "kube-public", marks=True) as watch:
        events = (event for event in watch if event["type"] != "LISTED")
        next(watch)
        for name in ("a", "b"):
            item = {"metadata": {"name": name, "namespace": "kube-public"}, "spec": {"flavor": "x"}}
            server.store.create("devservers", item)
            added = next(events)
            assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", name)
            server.watches.cut_all()
            server.store.delete("devservers", name, "kube-public")
            server.store.compact()
            while next(events)["type"] != "DELETED":
                pass  # the operator writes status
