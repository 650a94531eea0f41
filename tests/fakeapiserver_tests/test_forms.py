"""Media types of answers, discovery, and definitions."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.fakeapiserver import FakeAPIServer

from .plainclient import DEVSERVERS, FLAVORS, PlainClient, devserver

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(**version: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.io"},
        "spec": {
            "group": "example.io",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version}
            ],
        },
    }


def test_metadata_alone(client: PlainClient) -> None:
    client.create("a")
    one = client.get(f"{DEVSERVERS}/a", Accept=PARTIAL).json()
    assert (one["kind"], set(one)) == ("PartialObjectMetadata", {"kind", "apiVersion", "metadata"})
    many = client.get(DEVSERVERS, Accept=PARTIAL_LIST).json()
    assert (many["kind"], many["items"][0]["metadata"]["name"]) == ("PartialObjectMetadataList", "a")
    assert "spec" not in many["items"][0]


def test_a_table_includes_metadata_objects_or_nothing(client: PlainClient) -> None:
    client.create("a")
    kinds = []
    for include in ("", "?includeObject=Object", "?includeObject=None"):
        row = client.get(DEVSERVERS + include, Accept=TABLE).json()["rows"][0]
        kinds.append((row["object"] or {}).get("kind"))
    assert kinds == ["PartialObjectMetadata", "DevServer", None]


@pytest.mark.parametrize("accept", ["text/html", "application/vnd.kubernetes.protobuf", f"{TABLE.replace('v1', 'v9')}"])
def test_an_unknown_media_type_is_not_acceptable(client: PlainClient, accept: str) -> None:
    answer = client.get(DEVSERVERS, Accept=accept)
    assert (answer.status, answer.reason) == (406, "NotAcceptable")
    assert answer.message == (
        "only the following media types are accepted: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def test_the_first_acceptable_media_type_is_used(client: PlainClient) -> None:
    client.create("a")
    assert client.get(f"{DEVSERVERS}/a", Accept=f"text/html, {PARTIAL}, application/json").json()["kind"] != "DevServer"
    assert client.get(f"{DEVSERVERS}/a", Accept="application/json;q=0.5, */*").json()["kind"] == "DevServer"


def test_yaml_is_read_and_written(client: PlainClient) -> None:
    metadata = "{name: a, annotations: {day: '2026-01-01'}}"
    text = f"apiVersion: devserver.io/v1\nkind: DevServer\nmetadata: {metadata}\nspec: {{flavor: x}}\n"
    assert client.ask("POST", DEVSERVERS, text, "application/yaml").status == 201
    answer = client.get(f"{DEVSERVERS}/a", Accept="application/yaml")
    assert answer.headers["Content-Type"] == "application/yaml"
    assert yaml.safe_load(answer.raw)["spec"] == {"flavor": "x", "mode": "standalone"}
    assert b'day: "2026-01-01"' in answer.raw
    assert yaml.safe_load(client.get(f"{DEVSERVERS}/b", Accept="application/yaml").raw)["reason"] == "NotFound"


def test_pretty_is_indented(client: PlainClient) -> None:
    client.create("a")
    assert client.get(f"{DEVSERVERS}/a?pretty=true").raw.startswith(b'{\n  "apiVersion"')


def test_head_is_answered_without_a_body(client: PlainClient) -> None:
    answer = client.ask("HEAD", DEVSERVERS)
    assert (answer.status, answer.raw) == (200, b"")


def test_a_verb_that_a_resource_does_not_support_is_not_allowed(client: PlainClient) -> None:
    flavor = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": "f"}, "spec": {}}
    client.ask("POST", FLAVORS, flavor)
    answer = client.ask("DELETE", f"{FLAVORS}/f/status")
    assert (answer.status, answer.reason) == (405, "MethodNotAllowed")
    assert answer.message == 'delete is not supported on resources of kind "devserverflavors.devserver.io"'


# discovery


def test_discovery_leads_from_groups_to_resources(client: PlainClient) -> None:
    groups = {group["name"] for group in client.get("/apis").json()["groups"]}
    assert {"apiextensions.k8s.io", "authorization.k8s.io", "devserver.io"} <= groups
    core = {entry["name"] for entry in client.get("/api/v1").json()["resources"]}
    assert {"pods", "pods/exec", "pods/log", "namespaces", "events"} <= core
    assert client.get("/api").json()["versions"] == ["v1"]


def test_openapi_lists_the_media_types_of_a_patch(client: PlainClient) -> None:
    located = client.get("/openapi/v3").json()["paths"]["apis/devserver.io/v1"]["serverRelativeURL"]
    document = client.get(located).json()
    patch = document["paths"]["/apis/devserver.io/v1/namespaces/{namespace}/devservers/{name}"]["patch"]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert "io.devserver.v1.DevServer" in document["components"]["schemas"]
    assert client.get("/openapi/v2").json()["swagger"] == "2.0"


@pytest.mark.parametrize("path", ["/apis/nosuch.io", "/apis/devserver.io/v9", "/openapi/v9"])
def test_an_unknown_path_is_page_not_found(client: PlainClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status, answer.raw) == (404, b"404 page not found\n")


# definitions


def test_a_definition_is_served_from_the_moment_it_is_posted(client: PlainClient) -> None:
    assert client.ask("POST", DEFINITIONS, definition()).status == 201
    widgets = "/apis/example.io/v1/namespaces/default/widgets"
    widget = {"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": "big"}}
    assert client.ask("POST", widgets, widget).status == 422
    widget["spec"] = {"size": 3}
    assert client.ask("POST", widgets, widget).status == 201
    assert client.get(widgets).json()["kind"] == "WidgetList"
    conditions = client.get(f"{DEFINITIONS}/widgets.example.io").json()["status"]["conditions"]
    assert {c["type"]: c["status"] for c in conditions} == {"NamesAccepted": "True", "Established": "True"}


def test_a_changed_definition_changes_what_is_valid(client: PlainClient, fake: FakeAPIServer) -> None:
    fake.apply(definition())
    widgets = "/apis/example.io/v1/namespaces/default/widgets"
    widget = {"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}}
    changed = definition()
    schema = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["size"]["maximum"] = 2
    fake.apply(changed)
    assert "should be less than or equal to 2" in client.ask("POST", widgets, widget).message


def test_deleting_a_definition_deletes_its_objects(client: PlainClient, fake: FakeAPIServer) -> None:
    fake.apply(definition())
    fake.store.create("widgets", {"metadata": {"name": "w"}})
    client.ask("DELETE", f"{DEFINITIONS}/widgets.example.io")
    assert client.get("/apis/example.io/v1/namespaces/default/widgets").raw == b"404 page not found\n"


def test_versions_of_a_definition_show_the_same_objects(client: PlainClient, fake: FakeAPIServer) -> None:
    two = definition()
    two["spec"]["versions"].append({**two["spec"]["versions"][0], "name": "v1alpha1", "storage": False})
    fake.apply(two)
    widget = {"apiVersion": "example.io/v1alpha1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}}
    assert client.ask("POST", "/apis/example.io/v1alpha1/namespaces/default/widgets", widget).status == 201
    shown = client.get("/apis/example.io/v1/namespaces/default/widgets").json()
    assert [item["apiVersion"] for item in shown["items"]] == ["example.io/v1"]
    assert (
        client.get("/apis/example.io/v1alpha1/namespaces/default/widgets/w").json()["apiVersion"]
        == "example.io/v1alpha1"
    )


def test_a_definition_must_be_named_after_its_resource(client: PlainClient) -> None:
    wrong = {**definition(), "metadata": {"name": "gadgets.example.io"}}
    assert 'must be spec.names.plural+"."+spec.group' in client.ask("POST", DEFINITIONS, wrong).message


def test_a_table_has_the_columns_of_the_definition(client: PlainClient, fake: FakeAPIServer) -> None:
    columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
    fake.apply(definition(additionalPrinterColumns=columns))
    fake.store.create("widgets", {"metadata": {"name": "w"}, "spec": {"size": 3}})
    shown = client.get("/apis/example.io/v1/namespaces/default/widgets", Accept=TABLE).json()
    assert [column["name"] for column in shown["columnDefinitions"]] == ["Name", "Size"]
    assert shown["rows"][0]["cells"] == ["w", 3]


def test_a_pod_without_a_schema_keeps_every_field(client: PlainClient) -> None:
    pod = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{}], "anything": [1, {"goes": True}]},
    }  # even its kind may be left out
    assert client.ask("POST", "/api/v1/namespaces/default/pods", pod).json()["spec"] == pod["spec"]
    assert client.ask("POST", DEVSERVERS, devserver("p")).status == 201
