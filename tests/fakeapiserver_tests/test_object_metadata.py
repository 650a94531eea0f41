"""ObjectMeta: how it is read, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakeapiserver.schema.objectmeta import MetadataError, read_metadata
from tests.fakeapiserver.vocabulary.fielderrors import quote

from .plainclient import DEVSERVERS, Answer, PlainClient, devserver

OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


def create(client: PlainClient, **metadata: Any) -> Answer:
    body = devserver("a")
    body["metadata"].update(metadata)
    return client.ask("POST", DEVSERVERS, body)


def created(client: PlainClient, **metadata: Any) -> Any:
    answer = create(client, **metadata)
    assert answer.status == 201, answer.raw
    return answer.json()["metadata"]


@pytest.mark.parametrize(
    ("metadata", "read"),
    [
        ({"labels": {"a": None}}, {"labels": {"a": ""}}),
        ({"finalizers": [None]}, {"finalizers": [""]}),
        ({"ownerReferences": [None]}, {"ownerReferences": [{}]}),
        (
            {"ownerReferences": [{"uid": "u", "controller": False, "x": 1}]},
            {"ownerReferences": [{"uid": "u", "controller": False}]},
        ),
        ({"generation": 7.0, "name": "", "labels": {}}, {"generation": 7}),
        ({"creationTimestamp": "2020-01-01T00:00:00.5+02:00"}, {"creationTimestamp": "2020-01-01T00:00:00.5+02:00"}),
    ],
)
def test_metadata_is_read_as_a_go_struct_reads_it(metadata: dict[str, Any], read: dict[str, Any]) -> None:
    assert read_metadata(metadata)[0] == read


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ("x", "json: cannot unmarshal string into Go value of type v1.ObjectMeta"),
        ({"name": 5}, "json: cannot unmarshal number into Go struct field ObjectMeta.name of type string"),
        (
            {"generation": 7.5},
            "json: cannot unmarshal number 7.5 into Go struct field ObjectMeta.generation of type int64",
        ),
        ({"generation": "7"}, "json: cannot unmarshal string into Go struct field ObjectMeta.generation of type int64"),
        (
            {"finalizers": ["a", 1]},
            "json: cannot unmarshal number into Go struct field ObjectMeta.finalizers of type string",
        ),
        (
            {"ownerReferences": [{"controller": "true"}]},
            "json: cannot unmarshal string into Go struct field OwnerReference.ownerReferences.controller of type bool",
        ),
        (
            {"ownerReferences": [{"uid": 5}]},
            "json: cannot unmarshal number into Go struct field OwnerReference.ownerReferences.uid of type types.UID",
        ),
        (
            {"creationTimestamp": "2020-01-01"},
            'parsing time "2020-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"',
        ),
        (
            {"deletionTimestamp": "yesterday"},
            'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"',
        ),
        ({"creationTimestamp": "2020-01-01T00:00:00Z!"}, 'parsing time "2020-01-01T00:00:00Z!": extra text: "!"'),
    ],
)
def test_malformed_metadata_is_refused_in_gos_words(metadata: Any, sentence: str) -> None:
    with pytest.raises(MetadataError) as caught:
        read_metadata(metadata)
    assert str(caught.value) == sentence


def test_unknown_metadata_fields_are_listed_with_their_paths() -> None:
    given = {"nosuch": 1, "ownerReferences": [OWNER, {**OWNER, "x": 1}]}
    assert read_metadata(given)[1] == ["metadata.nosuch", "metadata.ownerReferences[1].x"]


def test_a_duplicate_owner_is_dropped_with_a_warning(client: PlainClient) -> None:
    answer = create(client, ownerReferences=[OWNER, OWNER, {**OWNER, "name": "q"}])
    assert answer.json()["metadata"]["ownerReferences"] == [OWNER, {**OWNER, "name": "q"}]
    assert answer.headers["Warning"] == (
        '299 - ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, '
        'and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: u"'
    )


def test_an_owners_apiversion_has_one_slash_at_most(client: PlainClient) -> None:
    answer = create(client, ownerReferences=[{**OWNER, "apiVersion": "a/b/c"}])
    assert answer.json()["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: "a/b/c": version must not be empty',
            "field": "metadata.ownerReferences.apiVersion",
        }
    ]


@pytest.mark.parametrize("version", ["0", "abc", ""])
def test_a_new_object_gets_a_resource_version_of_its_own(client: PlainClient, version: str) -> None:
    assert created(client, resourceVersion=version)["resourceVersion"] not in ("0", "abc", "")


def test_a_self_link_is_dropped_on_update_too(client: PlainClient) -> None:
    body = client.create("a").json()
    body["metadata"]["selfLink"] = "/x"
    answer = client.ask("PUT", f"{DEVSERVERS}/a", body)
    assert answer.status == 200
    assert "selfLink" not in answer.json()["metadata"]


def test_an_immutable_time_is_shown_as_json(client: PlainClient) -> None:
    body = client.create("a").json()
    body["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z"
    answer = client.ask("PUT", f"{DEVSERVERS}/a", body)
    assert answer.status == 422
    assert answer.message == (
        'DevServer.devserver.io "a" is invalid: '
        'metadata.deletionTimestamp: Invalid value: "2020-01-01T00:00:00Z": field is immutable'
    )


def test_a_version_with_two_slashes_is_unrecognized(client: PlainClient) -> None:
    answer = client.ask("POST", DEVSERVERS, {**devserver("a"), "apiVersion": "a/b/c"})
    assert answer.status == 400
    assert "(must be of type DevServer): unexpected GroupVersion string: a/b/c (" in answer.message


def test_a_null_version_is_not_a_string(client: PlainClient) -> None:
    answer = client.ask("POST", DEVSERVERS, {**devserver("a"), "apiVersion": None})
    assert answer.status == 400
    assert answer.message.endswith(": .apiVersion accessor error: <nil> is of the type <nil>, expected string")


def test_names_are_quoted_as_go_quotes_them(client: PlainClient) -> None:
    answer = client.create("a\nb")
    assert answer.message.startswith(
        'DevServer.devserver.io "a\\nb" is invalid: metadata.name: Invalid value: "a\\nb":'
    )


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("ż日😀", '"ż日😀"'),
        ('"\\', r'"\"\\"'),
        ("\a\x01\x7f", r'"\a\x01\x7f"'),
        ("\u2028\U000e0001", r'"\u2028\U000e0001"'),
    ],
)
def test_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert quote(text) == quoted


def test_numbers_beyond_64_bits_are_floats(client: PlainClient) -> None:
    answer = client.ask(
        "POST",
        "/apis/devserver.io/v1/devserverusers",
        b'{"apiVersion":"devserver.io/v1","kind":"DevServerUser","metadata":{"name":"u"},"spec":{"username":"a",'
        b'"least":-9223372036854775808,"big":12345678901234567890}}',
    )
    spec = answer.json()["spec"]
    assert (spec["least"], spec["big"]) == (-9223372036854775808, 12345678901234567000)
