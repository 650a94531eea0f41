"""CustomResourceDefinitions: what is refused, and the status of a new one."""

from __future__ import annotations

from typing import Any

import pytest

from .plainclient import MERGE, Answer, PlainClient

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def version(name: str = "v1", storage: bool = True, **schema: Any) -> dict[str, Any]:
    schema = schema or {"type": "object"}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}}


def definition(plural: str = "things", group: str = "x.io", **spec: Any) -> dict[str, Any]:
    names = {"plural": plural, "kind": "Thing"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version()], **spec},
    }


def causes(answer: Answer) -> list[tuple[str, str]]:
    """Field, and what is wrong with it without its value."""
    assert answer.status == 422, answer.raw
    return [(cause["field"], cause["message"].rpartition(": ")[2]) for cause in answer.json()["details"]["causes"]]


def test_a_new_definition_has_accepted_no_names_yet(client: PlainClient) -> None:
    created = client.ask("POST", DEFINITIONS, definition()).json()
    assert created["status"] == {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }
    status = client.get(f"{DEFINITIONS}/things.x.io").json()["status"]
    assert [condition["type"] for condition in status["conditions"]] == ["NamesAccepted", "Established"]
    assert status["acceptedNames"]["listKind"] == "ThingList"


TWICE = [version(), version(storage=False)]
TYPELESS = [version(type="object", properties={"a": {"properties": {}}, "b": {"type": "array"}})]
FREE: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (definition(group="xio"), [("spec.group", "should be a domain with at least one dot")]),
        (definition(scope=""), [("spec.scope", "Required value")]),
        (definition(versions=TWICE), [("spec.versions", "must contain unique version names")]),
        (
            definition(versions=[version(storage=False)]),
            [
                ("spec.versions", "must have exactly one version marked as storage version"),
                ("status.storedVersions", "must have at least one stored version"),
            ],
        ),
        (
            definition(versions=[version(type="string")]),
            [("spec.validation.openAPIV3Schema.type", "must be object at the root")],
        ),
        (
            definition(versions=[version(**FREE)]),
            [("spec.validation.openAPIV3Schema.type", "must not be empty at the root")],
        ),
        (
            definition(versions=TYPELESS),
            [
                ("spec.validation.openAPIV3Schema.properties[a].type", "must not be empty for specified object fields"),
                ("spec.validation.openAPIV3Schema.properties[b].items", "must be specified"),
            ],
        ),
        (
            definition(names={"plural": "things", "kind": "Thing", "listKind": "Thing"}),
            [("spec.names.listKind", "kind and listKind may not be the same")],
        ),
    ],
)
def test_a_definition_that_cannot_be_served_is_refused(
    client: PlainClient, refused: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert causes(client.ask("POST", DEFINITIONS, refused)) == expected


def test_a_protected_group_needs_approval(client: PlainClient) -> None:
    unapproved = definition(group="foo.k8s.io")
    refused = client.ask("POST", DEFINITIONS, unapproved)
    assert [field for field, _ in causes(refused)] == ["metadata.annotations[api-approved.kubernetes.io]"]
    unapproved["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://example.com"}
    assert client.ask("POST", DEFINITIONS, unapproved).status == 201


def test_a_definitions_names_are_labels(client: PlainClient) -> None:
    refused = client.ask("POST", DEFINITIONS, definition(names={"plural": "things", "kind": "thing-x!"}))
    assert [field for field, _ in causes(refused)] == ["spec.names.singular", "spec.names.kind", "spec.names.listKind"]


def test_a_change_that_breaks_a_definition_is_refused(client: PlainClient) -> None:
    client.ask("POST", DEFINITIONS, definition())
    refused = client.ask("PATCH", f"{DEFINITIONS}/things.x.io", {"spec": {"scope": None}}, MERGE)
    assert causes(refused) == [("spec.scope", "Required value")]


def test_preserve_unknown_fields_and_int_or_string_need_no_type(client: PlainClient) -> None:
    fields = {"free": FREE, "port": {"x-kubernetes-int-or-string": True}}
    answer = client.ask("POST", DEFINITIONS, definition(versions=[version(type="object", properties=fields)]))
    assert answer.status == 201
