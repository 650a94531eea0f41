"""Lists: pages, revisions, selectors."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.vocabulary.selectors import SelectorError, labels_match, parse_fields, parse_labels

from .plainclient import DEVSERVERS, PlainClient, devserver


def fill(fake: FakeAPIServer, *names: str, namespace: str = "default") -> None:
    for name in names:
        fake.store.create("devservers", {**devserver(name), "metadata": {"name": name, "namespace": namespace}})


def names(body: Any) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


def token(**fields: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps({"v": "meta.k8s.io/v1", **fields}).encode()).decode().rstrip("=")


# pages


def test_all_pages_show_the_same_moment(fake: FakeAPIServer, client: PlainClient) -> None:
    fill(fake, "a", "b", "c", "d")
    first = client.get(f"{DEVSERVERS}?limit=2").json()
    fake.store.delete("devservers", "c")
    fake.store.modify("devservers", "d", "default", lambda obj: obj["spec"].update(image="new"))
    fill(fake, "bb", "e")
    second = client.get(f"{DEVSERVERS}?limit=2&continue={first['metadata']['continue']}").json()
    assert (names(first), names(second)) == (["a", "b"], ["c", "d"])
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert second["metadata"]["continue"] == ""
    assert "image" not in second["items"][1]["spec"]


def test_remaining_items_are_counted_only_without_selectors(fake: FakeAPIServer, client: PlainClient) -> None:
    fill(fake, "a", "b", "c")
    assert client.get(f"{DEVSERVERS}?limit=1").json()["metadata"]["remainingItemCount"] == 2
    selected = client.get(f"{DEVSERVERS}?limit=1&fieldSelector=metadata.name!%3Da").json()["metadata"]
    assert selected["continue"]
    assert "remainingItemCount" not in selected


def test_an_expired_continue_token_is_answered_with_a_fresh_one(fake: FakeAPIServer, client: PlainClient) -> None:
    fill(fake, "a", "b", "c")
    first = client.get(f"{DEVSERVERS}?limit=1").json()["metadata"]["continue"]
    fill(fake, "d")
    fake.store.compact()
    expired = client.get(f"{DEVSERVERS}?limit=1&continue={first}")
    assert (expired.status, expired.reason) == (410, "Expired")
    assert "Continuing with the provided token results in an inconsistent list" in expired.message
    rest = client.get(f"{DEVSERVERS}?limit=9&continue={expired.json()['metadata']['continue']}").json()
    assert names(rest) == ["b", "c", "d"]


def test_a_full_page_continues_even_if_nothing_that_follows_is_selected(
    fake: FakeAPIServer, client: PlainClient
) -> None:
    fill(fake, "a", "b")
    fake.store.modify("devservers", "a", "default", lambda obj: obj["metadata"].update(labels={"team": "red"}))
    full = client.get(f"{DEVSERVERS}?limit=1&labelSelector=team").json()
    rest = client.get(f"{DEVSERVERS}?limit=1&labelSelector=team&continue={full['metadata']['continue']}").json()
    assert (names(full), names(rest), rest["metadata"]["continue"]) == (["a"], [], "")


def test_a_page_selected_by_name_does_not_continue(fake: FakeAPIServer, client: PlainClient) -> None:
    fill(fake, "a", "b")
    assert client.get(f"{DEVSERVERS}?limit=1&fieldSelector=metadata.name%3Da").json()["metadata"]["continue"] == ""


@pytest.mark.parametrize(
    ("limit", "why"), [("%2B", "invalid syntax"), ("1_0", "invalid syntax"), ("9" * 20, "value out of range")]
)
def test_a_limit_is_parsed_as_in_go(client: PlainClient, limit: str, why: str) -> None:
    answer = client.get(f"{DEVSERVERS}?limit={limit}")
    assert (answer.status, answer.reason, answer.message.rpartition(": ")[2]) == (400, "BadRequest", why)


def test_a_list_at_any_version_ignores_the_limit(fake: FakeAPIServer, client: PlainClient) -> None:
    fill(fake, "a", "b", "c")
    whole = client.get(f"{DEVSERVERS}?limit=1&resourceVersion=0").json()
    assert (names(whole), whole["metadata"]["continue"]) == (["a", "b", "c"], "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not a token!", "illegal base64 data at input byte 3"),
        ("abcde", "illegal base64 data at input byte 4"),
        ("bad", "malformed JSON"),
        (token(rv=0, start="/a"), "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
        (token(rv=1), "encoded start key empty (version meta.k8s.io/v1)"),
        (token(rv=1, start="/../../secrets"), "/../../secrets"),
        (token(rv=1, start="/a", v="v9"), "server does not recognize this encoded version v9"),
        ("bnVsbA", "server does not recognize this encoded version "),
        ("W10", "json: cannot unmarshal array into Go value of type storage.continueToken"),
        (token(rv="1"), "json: cannot unmarshal string into Go struct field continueToken.rv of type int64"),
        (token(v=1), "json: cannot unmarshal number into Go struct field continueToken.v of type string"),
    ],
)
def test_a_bad_token_says_what_is_wrong_with_it(client: PlainClient, text: str, why: str) -> None:
    answer = client.get(f"{DEVSERVERS}?continue={quote(text)}")
    assert (answer.status, answer.message) == (400, f"invalid continue token: continue key is not valid: {why}")


# revisions


def test_exact_lists_the_past_and_not_older_than_lists_the_present(fake: FakeAPIServer, client: PlainClient) -> None:
    fill(fake, "a")
    then = fake.store.revision
    fill(fake, "b")
    exact = client.get(f"{DEVSERVERS}?resourceVersion={then}&resourceVersionMatch=Exact").json()
    newer = client.get(f"{DEVSERVERS}?resourceVersion={then}&resourceVersionMatch=NotOlderThan").json()
    assert (names(exact), exact["metadata"]["resourceVersion"]) == (["a"], str(then))
    assert (names(newer), newer["metadata"]["resourceVersion"]) == (["a", "b"], str(fake.store.revision))


def test_the_version_before_the_first_object_is_empty(fake: FakeAPIServer, client: PlainClient) -> None:
    fill(fake, "a")
    body = client.get(f"{DEVSERVERS}?resourceVersion=1&resourceVersionMatch=Exact").json()
    assert (body["items"], body["metadata"]["resourceVersion"]) == ([], "1")


def test_a_list_at_a_malformed_version_is_a_bad_request(client: PlainClient) -> None:
    answer = client.get(f"{DEVSERVERS}?resourceVersion=abc")
    why = 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
    assert (answer.status, answer.reason, answer.message) == (400, "BadRequest", f"invalid resource version: {why}")


def test_a_future_version_is_too_large_with_retry_after(client: PlainClient) -> None:
    answer = client.get(f"{DEVSERVERS}?resourceVersion=999999")
    assert (answer.status, answer.reason, answer.headers["Retry-After"]) == (504, "Timeout", "1")
    assert answer.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_an_exact_revision_that_is_gone_is_expired(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.store.compact()
    answer = client.get(f"{DEVSERVERS}?resourceVersion=1&resourceVersionMatch=Exact")
    assert (answer.status, answer.message) == (410, "The resourceVersion for the provided list is too old.")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("resourceVersionMatch=Exact", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        (
            "resourceVersion=0&resourceVersionMatch=Exact",
            'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        ("sendInitialEvents=true", "sendInitialEvents is forbidden for list"),
        ("watch=1&sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        (
            "watch=1&resourceVersionMatch=NotOlderThan",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
    ],
)
def test_options_that_contradict_each_other_are_invalid(client: PlainClient, query: str, why: str) -> None:
    answer = client.get(f"{DEVSERVERS}?{query}")
    assert (answer.status, answer.json()["details"]["kind"]) == (422, "ListOptions")
    assert answer.message.endswith(f"Forbidden: {why}")


def test_a_malformed_limit_is_a_bad_request(client: PlainClient) -> None:
    answer = client.get(f"{DEVSERVERS}?limit=ten")
    assert (answer.status, answer.message) == (400, 'strconv.ParseInt: parsing "ten": invalid syntax')


# order


def test_lists_are_in_the_order_of_etcd_keys(fake: FakeAPIServer, client: PlainClient) -> None:
    for namespace in ("a-b", "a"):
        fake.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}")
        fill(fake, "x", namespace=namespace)
    listed = client.get("/apis/devserver.io/v1/devservers").json()["items"]
    assert [item["metadata"]["namespace"] for item in listed] == ["a-b", "a"]  # "-" comes before "/"


# selectors


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("team", True),
        ("!team", False),
        ("! nosuch", True),
        ("team=red,tier", True),
        ("team==red", True),
        ("team!=red", False),
        ("nosuch!=red", True),
        ("team in (blue,red)", True),
        ("team notin (blue)", True),
        ("nosuch notin (blue)", True),
        ("team=", False),
        ("tier>1", True),
        ("tier<2", False),
        ("in=x", False),
        ("team in ()", False),
    ],
)
def test_label_selectors(selector: str, matches: bool) -> None:
    assert labels_match(parse_labels(selector), {"team": "red", "tier": "2"}) == matches


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ("team isnt red", "unable to parse requirement: found 'isnt', expected: in, notin, =, ==, !=, gt, lt"),
        ("team=red blue", "found 'blue', expected: ',' or 'end of string'"),
        ("team,", "found '', expected: identifier after ','"),
        ("=red", "found '=', expected: !, identifier, or 'end of string'"),
        ("team in red", "unable to parse requirement: found 'red' expected: '('"),
        ("team in (red", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("team in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("tier>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, "),
        ("-x", 'unable to parse requirement: <nil>: Invalid value: "-x": name part must consist of'),
        ("team=-", 'unable to parse requirement: values[0][team]: Invalid value: "-": a valid label must be'),
        ("!", "unable to parse requirement: found '', expected: identifier"),
    ],
)
def test_a_bad_label_selector_is_refused_in_the_servers_words(selector: str, why: str) -> None:
    with pytest.raises(SelectorError) as error:
        parse_labels(selector)
    assert str(error.value).startswith(why)


def test_field_selectors_unescape_values_and_refuse_the_rest() -> None:
    assert [(t.field, t.equal, t.value) for t in parse_fields(r"b!=x\,y,a=1")] == [
        ("a", True, "1"),
        ("b", False, "x,y"),
    ]
    with pytest.raises(SelectorError, match="invalid selector: 'a'; can't understand 'a'"):
        parse_fields("a")


def test_an_unsupported_field_selector_is_a_bad_request(client: PlainClient) -> None:
    custom = client.get(f"{DEVSERVERS}?fieldSelector=spec.flavor%3Dx")
    builtin = client.get("/api/v1/namespaces/default/configmaps?fieldSelector=data%3Dx")
    assert custom.message == "field label not supported: spec.flavor"
    assert builtin.message == ('"data" is not a known field selector: only "metadata.name", "metadata.namespace"')


def test_pods_can_be_selected_by_phase_and_node(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.apply("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {nodeName: n}, status: {phase: Running}}")
    fake.apply("{apiVersion: v1, kind: Pod, metadata: {name: q}, spec: {}, status: {phase: Pending}}")
    pods = "/api/v1/namespaces/default/pods?fieldSelector="
    assert names(client.get(f"{pods}status.phase%3DRunning,spec.nodeName%3Dn").json()) == ["p"]
    assert names(client.get(f"{pods}spec.nodeName%3D").json()) == ["q"]


def test_all_bad_values_of_a_set_are_listed() -> None:
    with pytest.raises(SelectorError) as caught:
        parse_labels("team in (-a,-b)")
    assert str(caught.value).startswith('unable to parse requirement: [values[0][team]: Invalid value: "-a": ')
    assert ', values[1][team]: Invalid value: "-b": ' in str(caught.value)


@pytest.mark.parametrize("number", ["1.5", "", "x", "9223372036854775808"])
def test_only_whole_numbers_are_compared(number: str) -> None:
    with pytest.raises(SelectorError, match="the value must be an integer"):
        parse_labels(f"tier>{number}")


def test_items_of_builtin_kinds_have_no_kind(client: PlainClient) -> None:
    body = client.get("/api/v1/namespaces").json()
    assert (body["kind"], body["apiVersion"], set(body["metadata"])) == ("NamespaceList", "v1", {"resourceVersion"})
    assert {"kind", "apiVersion"} & set(body["items"][0]) == set()


def test_a_pods_address_and_node_are_wide_columns(client: PlainClient) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    columns = client.get("/api/v1/namespaces/default/pods", Accept=accept).json()["columnDefinitions"]
    assert [column["name"] for column in columns if column["priority"]] == [
        "IP",
        "Node",
        "Nominated Node",
        "Readiness Gates",
    ]


def test_an_empty_list_of_metadata_is_null(client: PlainClient) -> None:
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    assert client.get(DEVSERVERS, Accept=accept).json()["items"] is None
