"""The pure parts of a watch: lines out of bytes, and what events mean for what is known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devservers import errors
from devservers.transport.watch import LineDecoder, WatchState, decode_event

from .watchstage import obj


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
    assert [event["type"] for event in state.relist([obj("a", 1), obj("b", 2), obj("c", 3)], "3")] == ["ADDED"] * 3
    events = state.relist([obj("b", 5), obj("c", 3), obj("d", 6)], "6")
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("DELETED", "a"),
        ("MODIFIED", "b"),
        ("ADDED", "d"),
    ]


def test_an_object_made_anew_under_its_name_is_deleted_and_added() -> None:
    state = WatchState()
    state.relist([obj("a", 1, "old")], "1")
    events = state.relist([obj("a", 5, "new")], "5")
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
            else obj(name, number, there.get(name, obj(name, 0, f"{name}{number}"))["metadata"]["uid"])
        )
        if op == "put":
            there[name] = item
        event = {"type": kind, "object": item}
        if not missed and state.apply(event):
            tell([event])
    tell(state.relist(list(there.values()), "end"))
    assert told == there
