"""Table columns of custom resources: what a JSONPath selects, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakeapiserver.forms.printercolumns import NoValue, age, cell, find

NOW = "2026-11-23T20:00:00Z"
WIDGET = {
    "metadata": {"labels": {"app.kubernetes.io/name": "n"}},
    "spec": {
        "items": [{"name": "x", "size": 1}, {"name": "y", "size": 2}],
        "map": {"b": 1, "a": ["<"]},
        "none": None,
        "number": 1.5,
        "large": 1e30,
        "whole": 3,
        "on": True,
        "text": "7",
    },
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other"}]},
}


def shown(path: str, kind: str) -> Any:
    return cell({"jsonPath": path, "type": kind}, WIDGET, NOW)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.whole", [3]),
        (".spec['whole']", [3]),
        ('.spec["whole"]', [3]),
        (r".metadata.labels.app\.kubernetes\.io/name", ["n"]),
        (r".metadata.labels['app\.kubernetes\.io/name']", ["n"]),
        (".spec.items[0].name", ["x"]),
        (".spec.items[-1].name", ["y"]),
        (".spec.items[*].name", ["x", "y"]),
        (".spec.items[0:1].name", ["x"]),
        (".spec.items[1:].name", ["y"]),
        (".spec.map.*", [1, ["<"]]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        ('.status.conditions[?(@.type != "Ready")].type', ["Other"]),
        (".status.conditions[?(@.status)].type", ["Ready"]),
        (".spec.items[?(@.size > 1)].name", ["y"]),
        (".spec.nosuch.deeper", []),
        (".spec.text.deeper", []),
    ],
)
def test_a_path_selects_values(path: str, found: list[Any]) -> None:
    assert find(path, WIDGET) == found


@pytest.mark.parametrize(
    "path", [".spec.map[0]", ".spec.items[2]", ".spec.items[-3]", ".spec.map[?(@.a)]", '.spec.items[?(@.size=="1")]']
)
def test_a_path_that_does_not_match_has_no_value(path: str) -> None:
    with pytest.raises(NoValue):
        find(path, WIDGET)
    assert shown(path, "string") is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".spec.text", "7"),
        (".spec.whole", "3"),
        (".spec.number", "1.5"),
        (".spec.large", "1e+30"),
        (".spec.on", "true"),
        (".spec.none", "<no value>"),
        (".spec.map", '{"a":["\\u003c"],"b":1}'),
        (".spec.items", '[{"name":"x","size":1},{"name":"y","size":2}]'),
        (".spec.items[*].name", "x"),
        (".spec.nosuch", None),
    ],
)
def test_a_string_column_shows_any_value(path: str, text: str) -> None:
    assert shown(path, "string") == text


@pytest.mark.parametrize(
    ("path", "kind", "value"),
    [
        (".spec.whole", "integer", 3),
        (".spec.number", "integer", 1),
        (".spec.text", "integer", None),
        (".spec.on", "integer", None),
        (".spec.number", "number", 1.5),
        (".spec.text", "number", None),
        (".spec.on", "boolean", True),
        (".spec.whole", "boolean", None),
        (".spec.text", "date", "<invalid>"),
        (".spec.whole", "date", None),
    ],
)
def test_other_columns_show_values_of_their_type_only(path: str, kind: str, value: Any) -> None:
    assert shown(path, kind) == value


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-23T19:58:01Z", "119s"),
        ("2026-11-23T19:58:00Z", "2m"),
        ("2026-11-23T19:57:50.5Z", "2m9s"),
        ("2026-11-23T20:00:00+02:00", "120m"),
        ("2026-11-16T19:00:00Z", "7d1h"),
        ("2024-11-22T20:00:00Z", "2y1d"),
        ("2018-11-01T00:00:00Z", "8y"),
        ("2026-11-23T20:00:01Z", "0s"),
        ("2026-11-23T20:01:00Z", "<invalid>"),
        ("2026-11-23", "<invalid>"),
        ("yesterday", "<invalid>"),
        ("", "<unknown>"),
    ],
)
def test_an_age_has_at_most_two_units(moment: str, text: str) -> None:
    assert age(moment, NOW) == text
