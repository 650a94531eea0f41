"""Refusals that clients are known to parse, word for word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.goish.gojson import JSONError, load
from tests.fakeapiserver.goish.goyaml import dump as dump_yaml
from tests.fakeapiserver.goish.goyaml import load as load_yaml
from tests.fakeapiserver.vocabulary.selectors import SelectorError, parse_fields

from .plainclient import APPLY, DEVSERVERS, PlainClient, devserver


def test_invalid_utf8_in_strings_is_replaced() -> None:
    assert load(b'{"a": "\xff"}') == {"a": "\ufffd"}


@pytest.mark.parametrize(
    ("selector", "sentence"),
    [
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("metadata.name=a\\q", "invalid field selector: invalid escape sequence: \\q"),
        ("metadata.name=a\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_a_field_selectors_bad_escapes_are_named(selector: str, sentence: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_fields(selector)
    assert str(caught.value) == sentence


def causes(client: PlainClient, owners: list[dict[str, Any]]) -> list[tuple[str, str]]:
    body = devserver("owned")
    body["metadata"]["ownerReferences"] = owners
    answer = client.ask("POST", DEVSERVERS, body)
    assert answer.status == 422
    return [(cause["field"], cause["message"]) for cause in answer.json()["details"]["causes"]]


def test_only_one_owner_is_the_controller(fake: FakeAPIServer, client: PlainClient) -> None:
    owners = [
        {"uid": uid, "name": f"n{uid}", "kind": "Pod", "apiVersion": "v1", "controller": True} for uid in ("1", "2")
    ]
    shown = ",".join(
        f'{{"apiVersion":"v1","kind":"Pod","name":"n{uid}","uid":"{uid}","controller":true}}' for uid in "12"
    )
    why = 'Only one reference can have Controller set to true. Found "true" in references for Pod/n1 and Pod/n2'
    assert causes(client, owners) == [("metadata.ownerReferences", f"Invalid value: [{shown}]: {why}")]


def test_an_event_cannot_be_an_owner(fake: FakeAPIServer, client: PlainClient) -> None:
    [(field, message)] = causes(client, [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "1"}])
    assert field == "metadata.ownerReferences"
    assert message.endswith('"uid":"1"}: /v1, Kind=Event is disallowed from being an owner')


def changed(client: PlainClient, kind: str, body: Any) -> Any:
    client.create("a")
    return client.ask("PATCH", f"{DEVSERVERS}/a", body, f"application/{kind}-patch+json")


def test_changed_metadata_is_checked_three_times(client: PlainClient) -> None:
    status = changed(client, "merge", {"metadata": {"labels": {"a": "not valid!"}}}).json()
    assert [cause["field"] for cause in status["details"]["causes"]] == ["metadata.labels"] * 3
    assert status["message"].count("not valid!") == 1


def test_a_finalizer_must_be_a_name_in_updates_too(client: PlainClient) -> None:
    answer = changed(client, "merge", {"metadata": {"finalizers": ["a b"]}})
    assert answer.status == 422
    assert [cause["field"] for cause in answer.json()["details"]["causes"]] == ["metadata.finalizers"]
    assert answer.headers.get("Warning") is None  # there is advice only for what is valid


def test_an_object_without_version_is_an_internal_error(client: PlainClient) -> None:
    answer = changed(client, "merge", {"apiVersion": None})
    why = "Object 'apiVersion' is missing in 'object has no apiVersion field'"
    assert answer.status == 500
    assert answer.json()["message"] == f"Internal error occurred: {why}"
    assert answer.json()["details"] == {"causes": [{"message": why}]}


@pytest.mark.parametrize(
    ("operations", "image"),
    [
        (None, "none"),
        (
            [{"op": "test", "path": "/spec/image", "value": None}, {"op": "add", "path": "/spec/image", "value": "x"}],
            "x",
        ),
        ([{"op": "add", "path": "/spec/image"}], "none"),
    ],
)
def test_missing_parts_of_a_json_patch_are_null(client: PlainClient, operations: Any, image: str) -> None:
    answer = changed(client, "json", json.dumps(operations))
    assert answer.status == 200
    assert answer.json()["spec"].get("image", "none") == image


def test_null_is_not_a_merge_patch(client: PlainClient) -> None:
    answer = changed(client, "merge", "null")
    assert (answer.status, answer.json()["message"]) == (400, "Invalid JSON Patch")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{", "line 1: did not find expected node content"),
        (b"a: b: c", "mapping values are not allowed in this context"),
        (b"a: b\nkind: x: y\n", "line 2: mapping values are not allowed in this context"),
        (b"a: [1", "line 1: did not find expected ',' or ']'"),
        (b"- a\nb: c", "line 1: did not find expected '-' indicator"),
        (b"a: b\nc", "line 3: could not find expected ':'"),
        (b"a: b\n\tc: d", "line 2: found a tab character that violates indentation"),
        (b"@x", "found character that cannot start any token"),
        (b"a: *q", "unknown anchor 'q' referenced"),
    ],
)
def test_malformed_yaml_is_refused_in_gos_words(text: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^yaml: ") as caught:
        load_yaml(text)
    assert str(caught.value) == f"yaml: {sentence}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("y", True),
        ("NO", False),
        ("off", False),
        ("yN", "yN"),
        ("010", 8),
        ("0o17", 15),
        ("-0x1F", -31),
        ("0b11", 3),
        ("1_000", 1000),
        ("+5", 5),
        ("08", 8),
        ("1e3", 1000),
        (".5", 0.5),
        ("1.", 1),
        ("18446744073709551616", 18446744073709552000),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("3Gi", "3Gi"),
        ("0xzz", "0xzz"),
        ("'5'", "5"),
        ("~", None),
    ],
)
def test_a_yaml_scalar_has_the_type_that_go_gives_it(text: str, value: Any) -> None:
    read = load_yaml(text.encode())
    assert (read, type(read)) == (value, type(value))


def test_yaml_keys_become_text() -> None:
    assert load_yaml(b"{1: a, off: b, 1.5: c, ~: d}") == {"1": "a", "false": "b", "1.5": "c", "null": "d"}


def test_yaml_aliases_are_copied() -> None:
    read = load_yaml(b"a: &x {b: 1}\nc: *x\n")
    assert read == {"a": {"b": 1}, "c": {"b": 1}}
    assert read["a"] is not read["c"]


def test_ambiguous_yaml_text_is_quoted() -> None:
    texts = ["1", "y", "1e3", "0o17", "1:30", "2020-01-01", "null", "5m", "1.2.3", "plain"]
    lines = [line.rpartition(": ")[2] for line in dump_yaml(dict(enumerate(texts))).decode().splitlines()]
    assert lines == [*(f'"{text}"' for text in texts[:7]), *texts[7:]]


def test_a_malformed_yaml_body_is_a_bad_request(client: PlainClient) -> None:
    answer = client.ask("POST", DEVSERVERS, b"a: b: c", "application/yaml")
    assert answer.message == (
        "the object provided is unrecognized (must be of type DevServer): "
        "yaml: mapping values are not allowed in this context (613a20623a2063)"
    )


def test_a_malformed_configuration_cannot_be_converted(client: PlainClient) -> None:
    answer = client.ask("PATCH", f"{DEVSERVERS}/a?fieldManager=me", b"a: b: c", APPLY)
    assert answer.message == (
        "error decoding YAML: error converting YAML to JSON: yaml: mapping values are not allowed in this context"
    )


@pytest.mark.parametrize("depth", [1_000, 5_000, 20_000])
@pytest.mark.parametrize(("begin", "end"), [("[", ""), ("[", "]"), ('{"a":', "1}"), ("[", "]x")])
def test_json_too_deep_to_read_is_refused(client: PlainClient, begin: str, end: str, depth: int) -> None:
    answer = client.ask("POST", DEVSERVERS, (begin * depth + end[:-1] + end[-1:] * depth).encode())
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "exceeded max depth" in answer.message


@pytest.mark.parametrize("end", ["", "}", "x"])
def test_nested_malformed_json_is_not_called_too_deep(end: str) -> None:
    with pytest.raises(JSONError, match="malformed JSON"):
        load(b"[" * 300 + end.encode())


def test_brackets_in_json_strings_do_not_count_as_depth() -> None:
    text = '[[\\"{'
    assert load(json.dumps([text * 500]).encode()) == [text * 500]


def test_yaml_too_deep_to_read_is_refused(client: PlainClient) -> None:
    answer = client.ask("POST", DEVSERVERS, b"[" * 2_000 + b"]" * 2_000, "application/yaml")
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "yaml: exceeded max depth" in answer.message


def test_a_deletion_is_answered_in_the_requested_media_type(client: PlainClient) -> None:
    client.create("a")
    view = "application/yaml;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    answer = client.ask("DELETE", f"{DEVSERVERS}/a", None, Accept=view)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/yaml")


@pytest.mark.parametrize(
    ("timeout", "wrong"),
    [
        ("1h2m3.5s", ""),
        ("0", ""),
        ("-1s", ""),
        (".5ms", ""),
        ("abc", 'time: invalid duration "abc"'),
        ("1s!", 'time: unknown unit "s!" in duration "1s!"'),
        ("5", 'time: missing unit in duration "5"'),
        ("5d", 'time: unknown unit "d" in duration "5d"'),
        ("-", 'time: invalid duration "-"'),
        ("1s.", 'time: invalid duration "1s."'),
    ],
)
def test_a_timeout_is_a_go_duration(client: PlainClient, timeout: str, wrong: str) -> None:
    answer = client.get(f"{DEVSERVERS}?timeout={timeout}")
    assert (answer.status == 200) == (not wrong)
    if wrong:
        assert (answer.status, answer.reason) == (400, "BadRequest")
        assert answer.message == f"invalid timeout specified in the request URL - {wrong}"


def test_a_watch_ignores_the_timeout_parameter(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.watches.pace = 20
    assert client.get(f"{DEVSERVERS}?watch=1&timeout=abc&timeoutSeconds=1").status == 200


def test_only_the_first_yaml_document_counts() -> None:
    assert load_yaml(b"a: 1\n---\nb: 2\n") == {"a": 1}


@pytest.mark.parametrize("credentials", ["Basic YTpi", "Bearer", "Bearer ", "Negotiate x"])
def test_credentials_of_an_unknown_scheme_are_ignored(fake: FakeAPIServer, credentials: str) -> None:
    with PlainClient(fake, token=None) as client:
        answer = client.get(DEVSERVERS, Authorization=credentials)
    assert answer.status == 403
    assert 'User "system:anonymous"' in answer.json()["message"]


def test_a_name_whose_object_is_being_deleted_is_still_taken(fake: FakeAPIServer, client: PlainClient) -> None:
    held = {**devserver("held"), "metadata": {"name": "held", "namespace": "default", "finalizers": ["a/b"]}}
    fake.store.create("devservers", held)
    client.ask("DELETE", f"{DEVSERVERS}/held")
    refused = [client.ask("POST", DEVSERVERS + query, devserver("held")) for query in ("", "?dryRun=All")]
    message = 'object is being deleted: devservers.devserver.io "held" already exists'
    assert [(answer.status, answer.message) for answer in refused] == [(409, message)] * 2


def test_an_empty_configuration_has_no_kind(client: PlainClient) -> None:
    answer = client.ask("PATCH", f"{DEVSERVERS}/a?fieldManager=me", b"", APPLY)
    assert (answer.status, answer.message) == (400, "invalid object type: /, Kind=")


def test_applying_a_new_object_ignores_a_resource_version(client: PlainClient) -> None:
    body = {**devserver("a"), "metadata": {"name": "a", "resourceVersion": "7"}}
    answer = client.ask("PATCH", f"{DEVSERVERS}/a?fieldManager=me", json.dumps(body), APPLY)
    assert answer.status == 201
    assert answer.json()["metadata"]["resourceVersion"] != "7"


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize("accept", ["text/html", TABLE, f"application/xml, {TABLE}"])
def test_a_failure_without_an_acceptable_media_type_is_indented_json(client: PlainClient, accept: str) -> None:
    answer = client.get(f"{DEVSERVERS}/nosuch", Accept=accept)
    assert answer.status in (404, 406)
    assert answer.raw.startswith(b'{\n  "kind": "Status",\n')
    assert client.get(f"{DEVSERVERS}/nosuch", Accept=f"{accept}, */*").raw.startswith(b'{"kind":"Status"')


def test_one_object_cannot_be_a_metadata_list(client: PlainClient) -> None:
    client.create("a")
    answer = client.get(f"{DEVSERVERS}/a", Accept=TABLE.replace("Table", "PartialObjectMetadataList"))
    assert (answer.status, answer.message, answer.reason) == (500, "content is not a list", "")


def test_only_tables_include_objects(client: PlainClient) -> None:
    client.create("a")
    assert client.get(f"{DEVSERVERS}/a?includeObject=Some").status == 200
    answer = client.get(f"{DEVSERVERS}?includeObject=Some", Accept=TABLE)
    why = """includeObject: Invalid value: "Some": must be 'Metadata', 'Object', 'None', or empty"""
    assert (answer.status, answer.message) == (400, f"Unable to convert to Table as requested: {why}")


def test_a_watch_is_not_served_as_yaml(client: PlainClient) -> None:
    answer = client.get(f"{DEVSERVERS}?watch=1", Accept="application/yaml")
    assert answer.status == 406
    accepted = b"application/json;stream=watch,\n  application/vnd.kubernetes.protobuf;stream=watch"  # lines are folded
    assert accepted in answer.raw
