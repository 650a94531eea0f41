"""JSON patches: where the API server departs from RFC 6902, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakeapiserver.apply.rfc6902 import PatchError, apply

from .plainclient import DEVSERVERS, JSON_PATCH, PlainClient

DOCUMENT: dict[str, Any] = {"a": "x", "list": [0, 1, 2], "deep": {"b": {}}, "null": None, "a/b~c": 1}


def operation(op: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **more}


def changed(*operations: dict[str, Any]) -> dict[str, Any]:
    """The members that differ from the document's; a missing one is shown as "gone"."""
    patched = apply(DOCUMENT, list(operations))
    names = {**DOCUMENT, **patched}
    return {n: patched.get(n, "gone") for n in names if n not in DOCUMENT or patched.get(n, "gone") != DOCUMENT[n]}


@pytest.mark.parametrize(
    ("done", "result"),
    [
        (operation("add", "/deep/b/c", value=1), {"deep": {"b": {"c": 1}}}),
        (operation("add", "/new"), {"new": None}),
        (operation("add", "/list/-", value=3), {"list": [0, 1, 2, 3]}),
        (operation("add", "/list/3", value=3), {"list": [0, 1, 2, 3]}),
        (operation("add", "/list/-1", value=3), {"list": [0, 1, 2, 3]}),
        (operation("add", "/list/0", value=3), {"list": [3, 0, 1, 2]}),
        (operation("remove", "/list/-1"), {"list": [0, 1]}),
        (operation("remove", "/a~1b~0c"), {"a/b~c": "gone"}),
        (operation("replace", "/a", value="y"), {"a": "y"}),
        (operation("replace", "/new", value="y"), {"new": "y"}),
        (operation("replace", "/list/01", value=9), {"list": [0, 9, 2]}),
        (operation("replace", "ignored/a", value="y"), {"a": "y"}),
        (operation("move", "/new", **{"from": "/a"}), {"a": "gone", "new": "x"}),
        (operation("copy", "/new", **{"from": "/deep"}), {"new": {"b": {}}}),
        (operation("copy", "/new", **{"from": "/nosuch"}), {"new": None}),
        (operation("test", "/a", value="x"), {}),
        (operation("test", "/nosuch", value=None), {}),
        (operation("test", "/nosuch"), {}),
        (operation("test", "/null"), {}),
        (operation("test", "", value=DOCUMENT), {}),
    ],
)
def test_an_operation_has_the_api_servers_result(done: dict[str, Any], result: dict[str, Any]) -> None:
    assert changed(done) == result


@pytest.mark.parametrize(
    "refused",
    [
        operation("add", "", value={}),
        operation("add", "noslash", value=1),
        operation("add", "/nosuch/x", value=1),
        operation("add", "/a/x", value=1),
        operation("add", "/null/x", value=1),
        operation("add", "/list/4", value=1),
        operation("add", "/list/x", value=1),
        operation("remove", "/nosuch"),
        operation("remove", "/list/-"),
        operation("remove", "/list/-4"),
        operation("replace", "/list/3", value=1),
        operation("replace", "", value="text"),
        operation("move", "/new", **{"from": "/nosuch"}),
        operation("move", "/deep/b/c", **{"from": "/deep"}),
        operation("move", "/new"),
        operation("test", "/a", value="y"),
        operation("test", "/a"),
        operation("test", "/list/0", value=False),
        operation("frob", "/a"),
        {"op": "add", "value": 1},
        {"path": "/a"},
        {},
    ],
)
def test_an_operation_that_cannot_be_done_is_refused(refused: dict[str, Any]) -> None:
    with pytest.raises(PatchError):
        apply(DOCUMENT, [refused])


def test_a_patch_can_replace_the_whole_document() -> None:
    assert apply(DOCUMENT, [operation("replace", "", value=[1])]) == [1]


def test_a_patch_does_not_modify_its_input() -> None:
    before = repr(DOCUMENT)
    apply(DOCUMENT, [operation("add", "/list/-", value=3), operation("remove", "/deep/b")])
    assert repr(DOCUMENT) == before


def test_a_patch_is_all_or_nothing(client: PlainClient) -> None:
    client.create("a", image="one")
    patch = [operation("replace", "/spec/image", value="two"), operation("test", "/spec/image", value="one")]
    refused = client.ask("PATCH", f"{DEVSERVERS}/a", patch, JSON_PATCH)
    assert (refused.status, refused.reason) == (422, "Invalid")
    assert client.ask("GET", f"{DEVSERVERS}/a").json()["spec"]["image"] == "one"


def test_replacing_a_field_that_is_not_there_sets_it(client: PlainClient) -> None:
    client.create("a")
    patched = client.ask("PATCH", f"{DEVSERVERS}/a", [operation("replace", "/spec/owner", value="ann")], JSON_PATCH)
    assert (patched.status, patched.json()["spec"]["owner"]) == (200, "ann")


def test_a_null_among_the_operations_is_an_operation_without_a_name(client: PlainClient) -> None:
    client.create("a")
    refused = client.ask("PATCH", f"{DEVSERVERS}/a", b"[null]", JSON_PATCH)
    assert (refused.status, refused.reason) == (422, "Invalid")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~", max_size=3), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text("ab/~", max_size=3), values, max_size=4)


@given(objects, objects)
def test_a_patch_made_by_another_library_turns_one_object_into_the_other(before: Any, after: Any) -> None:
    original = json.dumps(before)
    patched = apply(before, jsonpatch.JsonPatch.from_diff(before, after).patch)
    assert json.dumps(patched, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert json.dumps(before) == original
