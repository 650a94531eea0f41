"""JSON values are copied whole, and what has no JSON form is named by its field."""

from __future__ import annotations

import datetime
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devservers.crds.model.jsonvalue import copy_json
from devservers.crds.model.spec import PersistentHomeSpec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_a_copy_is_equal(value: Any) -> None:
    assert copy_json(value) == value


def test_a_copy_shares_nothing() -> None:
    value = {"a": [{"b": 1}]}
    copy = copy_json(value)
    copy["a"][0]["b"] = 2
    assert value == {"a": [{"b": 1}]}


def test_tuples_mappings_and_typed_views_become_plain_json() -> None:
    value = {"t": (1, 2), "m": MappingProxyType({"k": "v"}), "home": PersistentHomeSpec(size="1Gi")}
    assert copy_json(value) == {"t": [1, 2], "m": {"k": "v"}, "home": {"enabled": True, "size": "1Gi"}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {"b": [1, {"c": datetime.date(2026, 1, 2)}]}}, "spec.a.b[1].c: a value of type date has no JSON form"),
        ({"tags": {"x", "y"}}, "spec.tags: a value of type set has no JSON form"),
        ({"raw": b"bytes"}, "spec.raw: a value of type bytes has no JSON form"),
        ({"ports": {(1, 2): "x"}}, "spec.ports: keys must be str"),
    ],
)
def test_what_has_no_json_form_is_a_type_error_that_names_its_field(value: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        copy_json(value, "spec")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_a_value_error_that_names_its_field(value: float) -> None:
    with pytest.raises(ValueError, match=r"^spec\.limits\[0\]: "):
        copy_json({"limits": [value]}, "spec")


def test_a_value_that_holds_itself_is_refused_and_where_it_does_is_told() -> None:
    value: dict[str, Any] = {"before": [1, 2]}
    value["self"] = {"again": [0, value]}
    with pytest.raises(ValueError, match=r"^spec\.self\.again\[1\]: contains itself"):
        copy_json(value, "spec")


def test_what_is_there_twice_does_not_hold_itself() -> None:
    part = {"a": [1]}
    assert copy_json({"one": part, "two": part}) == {"one": {"a": [1]}, "two": {"a": [1]}}


def test_text_without_an_encoding_is_a_value_error_that_names_its_field() -> None:
    with pytest.raises(ValueError, match=r"^spec\.image: contains text that cannot be encoded as UTF-8"):
        copy_json({"flavor": "grüße", "image": "a\udc80"}, "spec")


def test_text_of_a_servers_is_copied_as_it_is() -> None:
    assert copy_json({"message": "a\udc80"}) == {"message": "a\udc80"}


def test_what_is_nested_beyond_all_measure_is_a_value_error() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match=r"^spec: is nested too deeply"):
        copy_json(value, "spec")
