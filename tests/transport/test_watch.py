"""A watch tells every change once, over cuts, silence, expiry and restarts."""

from __future__ import annotations

import json
import threading
from itertools import islice
from typing import Any, Callable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devservers import errors
from devservers.transport import RESTClient, Watch
from devservers.transport import watch as watch_module
from devservers.transport.deadline import SYSTEM_CLOCK, Deadline
from devservers.transport.paths import Resource
from devservers.transport.watch import LineDecoder, WatchState, decode_event
from tests.fakeapiserver import FakeAPIServer

from .scripted import FakeClock, Peer, ScriptedServer, scripted, serve_all

DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)


def _object(name: str, version: int, uid: Optional[str] = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "uid": uid or name, "resourceVersion": str(version)}}


def _line(kind: str, item: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


EXPIRED = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}


# -- pure ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=20)), st.data())
def test_lines_come_out_whole_wherever_the_stream_is_split(texts: list[str], data: st.DataObject) -> None:
    lines = [json.dumps(text, ensure_ascii=False).encode() for text in texts]
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = LineDecoder()
    got = [line for start, end in zip([0, *cuts], [*cuts, len(stream)]) for line in decoder.feed(stream[start:end])]
    assert got == lines


def test_a_partial_last_line_is_no_line() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b'{"a": 1}\n{"b"') == [b'{"a": 1}']
    assert decoder.feed(b": 2}\n\n") == [b'{"b": 2}']


@pytest.mark.parametrize("line", [b"x", b"[]", b"{}", b'{"type": 1, "object": {}}', b'{"type": "ADDED"}'])
def test_a_line_that_is_no_event_is_a_protocol_error(line: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        decode_event(line)


def test_a_relist_is_told_as_the_difference() -> None:
    state = WatchState()
    assert [event["type"] for event in state.relist([_object("a", 1), _object("b", 2), _object("c", 3)], "3")] == [
        "ADDED"
    ] * 3
    events = state.relist([_object("b", 5), _object("c", 3), _object("d", 6)], "6")
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("DELETED", "a"),
        ("MODIFIED", "b"),
        ("ADDED", "d"),
    ]


def test_an_object_made_anew_under_its_name_is_deleted_and_added() -> None:
    state = WatchState()
    state.relist([_object("a", 1, "old")], "1")
    events = state.relist([_object("a", 5, "new")], "5")
    assert [(event["type"], event["object"]["metadata"]["uid"]) for event in events] == [
        ("DELETED", "old"),
        ("ADDED", "new"),
    ]


def test_a_bookmark_moves_the_version_and_is_not_told() -> None:
    state = WatchState("1")
    assert not state.apply({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}})
    assert state.version == "9"


_OPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "delete", "relist"])), max_size=30)


@given(_OPS)
def test_the_events_told_always_lead_to_the_state_of_the_server(ops: list[tuple[str, str]]) -> None:
    """A model: whatever comes by stream and whatever by relist, replaying the events gives the server's objects."""
    there: dict[str, dict[str, Any]] = {}
    told: dict[str, dict[str, Any]] = {}
    state = WatchState()
    missed = False

    def tell(events: list[dict[str, Any]]) -> None:
        for event in events:
            name = event["object"]["metadata"]["name"]
            if event["type"] == "DELETED":
                del told[name]
            else:
                assert (name in told) == (event["type"] == "MODIFIED")
                told[name] = event["object"]

    for number, (name, op) in enumerate(ops):
        if op == "relist":
            missed = not missed
            if not missed:
                tell(state.relist(list(there.values()), str(number)))
            continue
        kind = "DELETED" if op == "delete" else "MODIFIED" if name in there else "ADDED"
        if op == "delete" and name not in there:
            continue
        item = (
            there.pop(name)
            if op == "delete"
            else _object(name, number, there.get(name, _object(name, 0, f"{name}{number}"))["metadata"]["uid"])
        )
        if op == "put":
            there[name] = item
        event = {"type": kind, "object": item}
        if not missed and state.apply(event):
            tell([event])
    tell(state.relist(list(there.values()), "end"))
    assert told == there


# -- over a real socket -------------------------------------------------------------------------------------------


class _Stage:
    """Answers lists from ``items`` and each watch by the next of ``streams``."""

    def __init__(self, items: list[dict[str, Any]], *streams: Callable[[Peer], None]) -> None:
        self.items = items
        self.streams = list(streams)
        self.version = "10"

    def __call__(self, peer: Peer, request: str) -> None:
        if "watch=true" not in request:
            body = {"kind": "List", "metadata": {"resourceVersion": self.version}, "items": self.items}
            peer.answer(200, json.dumps(body).encode())
        else:
            stream = self.streams.pop(0) if self.streams else Peer.hold
            stream(peer)


def _stream(*lines: bytes, end: bool = True) -> Callable[[Peer], None]:
    return lambda peer: peer.chunked(*lines, end=end)


def _cut(*chunks: bytes) -> Callable[[Peer], None]:
    def stream(peer: Peer) -> None:
        peer.chunked(*chunks, end=False)
        peer.close()

    return stream


def _silent_after_one_event(opened: threading.Event) -> Callable[[Peer], None]:
    def stream(peer: Peer) -> None:
        peer.chunked(_line("ADDED", _object("a", 11)), end=False)
        opened.set()
        peer.hold()

    return stream


def _watch(server: ScriptedServer, clock: Optional[FakeClock] = None, **options: Any) -> Watch:
    client = server.client(clock=clock or FakeClock())
    return Watch(client, DEVSERVERS, "n", **options)


def _told(watch: Watch, count: int) -> list[tuple[str, str]]:
    with watch:
        return [(event["type"], event["object"]["metadata"]["name"]) for event in islice(watch, count)]


def _versions(server: ScriptedServer) -> list[str]:
    """The resourceVersions that watches were begun from."""
    watches = [request for request in server.requests if "watch=true" in request]
    return [request.partition("resourceVersion=")[2].partition("&")[0] for request in watches]


def test_what_is_there_comes_first_and_then_what_changes() -> None:
    stage = _Stage([_object("a", 5)], _stream(_line("MODIFIED", _object("a", 11)), _line("ADDED", _object("b", 12))))
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server), 3) == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b")]
        assert _versions(server) == ["10"]


def test_a_watch_asks_for_bookmarks_and_a_random_timeout() -> None:
    with scripted(serve_all(_Stage([], _stream(_line("ADDED", _object("a", 11)))))) as server:
        _told(_watch(server), 1)
        request = server.requests[-1]
    assert "allowWatchBookmarks=true" in request
    assert 300 <= int(request.partition("timeoutSeconds=")[2].split()[0].split("&")[0]) <= 600


def test_a_stream_that_ends_is_resumed_from_the_last_version() -> None:
    stage = _Stage(
        [],
        _stream(_line("ADDED", _object("a", 11))),
        _stream(_line("BOOKMARK", {"metadata": {"resourceVersion": "20"}})),
        _stream(_line("ADDED", _object("b", 21))),
    )
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server), 2) == [("ADDED", "a"), ("ADDED", "b")]
        assert _versions(server) == ["10", "11", "20"]


@pytest.mark.parametrize(
    "cut", [b'{"type": "ADDED", "object": {"metadata": {"na', '{"type": "ADDED", "object": "ä'.encode()[:-1]]
)
def test_a_cut_in_the_middle_of_a_line_is_resumed(cut: bytes) -> None:
    stage = _Stage([], _cut(_line("ADDED", _object("a", 11)), cut), _stream(_line("ADDED", _object("b", 12))))
    clock = FakeClock()
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server, clock), 2) == [("ADDED", "a"), ("ADDED", "b")]
        assert _versions(server) == ["10", "11"]
    assert clock.slept  # a failure is followed by a pause


def test_a_line_without_its_newline_is_not_told() -> None:
    stage = _Stage([], _stream(_line("ADDED", _object("a", 11)).rstrip()), _stream(_line("ADDED", _object("b", 12))))
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server), 1) == [("ADDED", "b")]


def test_an_event_split_over_many_chunks_comes_out_whole() -> None:
    line = _line("ADDED", {**_object("a", 11), "spec": {"text": "ä€😀" * 1000}})
    stage = _Stage([], _stream(*(line[start : start + 7] for start in range(0, len(line), 7))))
    with scripted(serve_all(stage)) as server, _watch(server) as watch:
        assert next(watch)["object"]["spec"]["text"] == "ä€😀" * 1000


@pytest.mark.parametrize("form", ["http", "event"])
def test_an_expired_version_is_never_sent_again_and_the_difference_is_told(form: str) -> None:
    def expire(peer: Peer) -> None:
        stage.items, stage.version = [_object("b", 30)], "30"
        if form == "http":
            peer.answer(410, json.dumps(EXPIRED).encode())
        else:
            peer.chunked(_line("ERROR", EXPIRED))

    stage = _Stage([_object("a", 5)], expire, _stream(_line("MODIFIED", _object("b", 31))))
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server), 4) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b"), ("MODIFIED", "b")]
        assert _versions(server) == ["10", "30"]


def test_a_run_of_instant_empty_streams_means_expired() -> None:
    stage = _Stage([], *[_stream()] * watch_module.EMPTY_STREAMS, _stream(_line("ADDED", _object("a", 41))))
    stage.version = "40"
    clock = FakeClock()
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server, clock), 1) == [("ADDED", "a")]
        lists = [request for request in server.requests if "watch=true" not in request]
        assert len(lists) == 2
    assert len(clock.slept) >= watch_module.EMPTY_STREAMS - 1


@pytest.mark.parametrize("code", [500, 504, 429])
def test_an_error_event_that_passes_is_waited_out(code: int) -> None:
    error = {**EXPIRED, "code": code, "reason": ""}
    stage = _Stage([], _stream(_line("ERROR", error)), _stream(_line("ADDED", _object("a", 11))))
    clock = FakeClock()
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server, clock), 1) == [("ADDED", "a")]
        assert _versions(server) == ["10", "10"]
    assert clock.slept


def test_forbidden_in_the_middle_is_raised() -> None:
    error = {**EXPIRED, "code": 403, "reason": "Forbidden"}
    with scripted(serve_all(_Stage([], _stream(_line("ERROR", error))))) as server, _watch(server) as watch:
        with pytest.raises(errors.ForbiddenError, match="watch"):
            next(watch)


def test_no_success_at_the_start_is_raised() -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(404, b"404 page not found"))) as server:
        with _watch(server) as watch, pytest.raises(errors.NotFoundError):
            next(watch)


def test_a_server_that_stays_away_is_given_up_after_five_minutes() -> None:
    stage = _Stage([], _stream(_line("ADDED", _object("a", 11))), *[lambda peer: peer.reset()] * 500)
    clock = FakeClock()
    with scripted(serve_all(stage)) as server, _watch(server, clock) as watch:
        next(watch)
        with pytest.raises(errors.ConnectionFailedError):
            next(watch)
    assert watch_module.PATIENCE < clock.time < 2 * watch_module.PATIENCE


def test_a_silent_stream_is_reopened_from_the_last_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "IDLE_SECONDS", 0.2)

    def half_open(peer: Peer) -> None:
        peer.chunked(_line("ADDED", _object("a", 11)), end=False)
        peer.hold()

    with scripted(serve_all(_Stage([], half_open, _stream(_line("ADDED", _object("b", 12)))))) as server:
        assert _told(_watch(server), 2) == [("ADDED", "a"), ("ADDED", "b")]
        assert _versions(server) == ["10", "11"]


def test_from_a_version_of_ones_own_only_what_came_after_is_told() -> None:
    stage = _Stage([_object("a", 5)], _stream(_line("ADDED", _object("b", 8))))
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server, resource_version="7"), 1) == [("ADDED", "b")]
        assert _versions(server) == ["7"]


def test_a_version_of_ones_own_that_has_expired_is_raised() -> None:
    with scripted(serve_all(_Stage([], _stream(_line("ERROR", EXPIRED))))) as server:
        with _watch(server, resource_version="7") as watch, pytest.raises(errors.ExpiredError):
            next(watch)


def test_a_deadline_ends_the_iteration_whatever_the_server_does() -> None:
    def endless(peer: Peer) -> None:
        peer.chunked(end=False)
        version = 11
        while not peer.ended.is_set():
            peer.chunk(_line("ADDED", _object(f"a{version}", version)))
            version += 1

    with scripted(serve_all(_Stage([], endless))) as server, server.client() as client:
        started = SYSTEM_CLOCK.now()
        with Watch(client, DEVSERVERS, "n", deadline=Deadline(0.5)) as watch:
            assert sum(1 for _ in watch) > 0
        assert SYSTEM_CLOCK.now() - started < 1.5


def test_a_deadline_ends_a_silent_watch() -> None:
    def silent(peer: Peer) -> None:
        peer.chunked(end=False)
        peer.hold()

    with scripted(serve_all(_Stage([], silent))) as server:
        with server.client() as client, Watch(client, DEVSERVERS, "n", deadline=Deadline(0.3)) as watch:
            started = SYSTEM_CLOCK.now()
            assert list(watch) == []
            assert SYSTEM_CLOCK.now() - started < 1.3


def test_stop_from_another_thread_ends_a_blocked_iteration() -> None:
    opened = threading.Event()
    with scripted(serve_all(_Stage([], _silent_after_one_event(opened)))) as server, server.client() as client:
        watch = Watch(client, DEVSERVERS, "n")
        told: list[Any] = []
        thread = threading.Thread(target=lambda: told.extend(watch))
        thread.start()
        assert opened.wait(5)
        watch.stop()
        thread.join(10)
        assert not thread.is_alive()
        assert len(told) <= 1


def test_no_event_comes_after_stop() -> None:
    with scripted(serve_all(_Stage([_object(f"a{number}", 1) for number in range(50)]))) as server:
        with _watch(server) as watch:
            next(watch)
            watch.stop()
            assert list(watch) == []


def test_stop_ends_the_first_list_too() -> None:
    asked = threading.Event()

    def silent(peer: Peer) -> None:
        peer.request()
        asked.set()
        peer.hold()

    with scripted(silent) as server, server.client(timeout=60) as client:
        watch = Watch(client, DEVSERVERS, "n")
        thread = threading.Thread(target=lambda: list(watch))
        thread.start()
        assert asked.wait(5)
        watch.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_closing_from_another_thread_ends_the_iteration() -> None:
    opened = threading.Event()
    with scripted(serve_all(_Stage([], _silent_after_one_event(opened)))) as server, server.client() as client:
        watch = Watch(client, DEVSERVERS, "n")
        next(watch)
        thread = threading.Thread(target=lambda: list(watch))
        thread.start()
        assert opened.wait(5)
        watch.close()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("begin", ["", "0"])
def test_any_version_to_begin_from_means_list_first(begin: str) -> None:
    with scripted(
        serve_all(_Stage([_object("a", 90), _object("b", 10)], _stream(_line("ADDED", _object("c", 91)))))
    ) as server:
        assert _told(_watch(server, resource_version=begin), 3) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


def test_a_slow_consumer_is_not_taken_for_a_dead_server() -> None:
    stage = _Stage(
        [],
        _stream(_line("ADDED", _object("a", 11))),
        lambda peer: peer.reset(),
        _stream(_line("ADDED", _object("b", 12))),
    )
    clock = FakeClock()
    with scripted(serve_all(stage)) as server, _watch(server, clock) as watch:
        next(watch)
        clock.time += 10 * watch_module.PATIENCE
        assert next(watch)["object"]["metadata"]["name"] == "b"


def test_streams_that_live_but_a_moment_are_paced_even_if_they_say_something() -> None:
    streams = [_stream(_line("BOOKMARK", {"metadata": {"resourceVersion": str(number)}})) for number in range(11, 17)]
    clock = FakeClock()
    with scripted(serve_all(_Stage([], *streams, _stream(_line("ADDED", _object("a", 20)))))) as server:
        assert _told(_watch(server, clock), 1) == [("ADDED", "a")]
    assert len(clock.slept) == len(streams)
    assert clock.slept[-1] > clock.slept[0]


def test_an_error_event_of_an_unknown_kind_may_pass() -> None:
    stage = _Stage(
        [], _stream(_line("ERROR", {"kind": "Status", "message": "?"})), _stream(_line("ADDED", _object("a", 11)))
    )
    with scripted(serve_all(stage)) as server:
        assert _told(_watch(server), 1) == [("ADDED", "a")]


def test_a_caller_may_change_what_it_was_handed() -> None:
    def expire(peer: Peer) -> None:
        peer.chunked(_line("ERROR", EXPIRED))

    with scripted(serve_all(_Stage([_object("a", 5)], expire, _stream(_line("ADDED", _object("b", 11)))))) as server:
        with _watch(server) as watch:
            next(watch)["object"]["metadata"].clear()
            assert next(watch)["object"]["metadata"]["name"] == "b"


def test_a_version_of_ones_own_that_is_silently_expired_is_raised() -> None:
    with scripted(serve_all(_Stage([], *[_stream()] * watch_module.EMPTY_STREAMS))) as server:
        with _watch(server, resource_version="7") as watch, pytest.raises(errors.ExpiredError):
            next(watch)


def test_leaving_a_watch_closes_its_connection() -> None:
    ended = threading.Event()

    def stream(peer: Peer) -> None:
        peer.chunked(_line("ADDED", _object("a", 11)), end=False)
        peer.request()
        ended.set()

    with scripted(serve_all(_Stage([], stream))) as server, server.client() as client:
        for _ in Watch(client, DEVSERVERS, "n"):
            break
        assert ended.wait(5)


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
