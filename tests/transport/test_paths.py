"""Names are checked by the server's rules, and only checked names reach a URL."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devservers.transport.names import validate_generate_name, validate_name, validate_namespace
from devservers.transport.resources import PODS, Resource, request_info, with_query

DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)
FLAVORS = Resource("devserver.io", "v1", "devserverflavors", "DevServerFlavor", False)


def test_a_namespaced_object_has_a_path_in_its_namespace() -> None:
    assert DEVSERVERS.item("team-a", "dev") == "/apis/devserver.io/v1/namespaces/team-a/devservers/dev"


def test_a_cluster_scoped_object_has_a_path_without_namespace() -> None:
    assert FLAVORS.item(None, "cpu") == "/apis/devserver.io/v1/devserverflavors/cpu"


def test_the_core_group_lives_under_api() -> None:
    assert PODS.item("default", "p", "exec") == "/api/v1/namespaces/default/pods/p/exec"


def test_no_namespace_means_the_collection_of_all() -> None:
    assert DEVSERVERS.collection(None) == "/apis/devserver.io/v1/devservers"


def test_a_namespace_for_a_cluster_scoped_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="DevServerFlavor is cluster-scoped"):
        FLAVORS.item("default", "cpu")


def test_a_namespaced_object_needs_a_namespace() -> None:
    with pytest.raises(ValueError, match="a namespace is required"):
        DEVSERVERS.item(None, "dev")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "%2e", "A", "a_b", "-a", "a-", "a..b", "a b", "a\n", "ä", "a" * 254]
)
def test_a_name_the_server_refuses_never_reaches_a_path(name: str) -> None:
    with pytest.raises(ValueError, match=r"metadata\.name"):
        DEVSERVERS.item("default", name)


@pytest.mark.parametrize("name", ["a", "a.b", "a-b.c-d", "0", "a" * 253])
def test_a_name_the_server_takes_is_taken(name: str) -> None:
    assert validate_name(name) == name


@pytest.mark.parametrize("namespace", ["", "a.b", "..", "A", "a/b", "a" * 64])
def test_a_namespace_is_an_rfc_1123_label(namespace: str) -> None:
    with pytest.raises(ValueError, match=r"metadata\.namespace"):
        validate_namespace(namespace)


def test_a_name_of_another_type_is_refused_with_its_type() -> None:
    with pytest.raises(ValueError, match="must be a string, not int"):
        validate_name(5)


def test_a_generated_names_prefix_may_end_in_a_dash() -> None:
    assert validate_generate_name("gen-") == "gen-"
    with pytest.raises(ValueError, match="generateName"):
        validate_generate_name("Gen-")


@given(st.text(max_size=30))
def test_whatever_passes_validation_needs_no_encoding(text: str) -> None:
    try:
        validate_name(text)
    except ValueError:
        return
    assert re.fullmatch(r"[a-z0-9.-]+", text)
    assert ".." not in text


def test_query_values_are_encoded_and_none_is_left_out() -> None:
    query = {"labelSelector": "team in (a,b)", "limit": 5, "watch": True, "continue": None}
    assert with_query("/p", query) == "/p?labelSelector=team+in+%28a%2Cb%29&limit=5&watch=true"


def test_no_query_leaves_the_path_alone() -> None:
    assert with_query("/p", {"a": None}) == "/p"


@pytest.mark.parametrize(
    ("method", "target", "text"),
    [
        ("GET", DEVSERVERS.item("n", "a"), 'get devservers.devserver.io "a" in namespace "n"'),
        ("GET", DEVSERVERS.collection("n"), 'list devservers.devserver.io in namespace "n"'),
        ("GET", DEVSERVERS.collection(None) + "?watch=true", "watch devservers.devserver.io"),
        ("POST", FLAVORS.collection(None), "create devserverflavors.devserver.io"),
        ("DELETE", FLAVORS.item(None, "c"), 'delete devserverflavors.devserver.io "c"'),
        ("PUT", DEVSERVERS.item("n", "a", "status"), 'update devservers.devserver.io/status "a" in namespace "n"'),
        ("GET", PODS.item("n", "p", "exec") + "?command=ls", 'get pods/exec "p" in namespace "n"'),
        ("GET", "/version", "GET /version"),
        ("GET", "/api/v1/namespaces/n", 'get namespaces "n"'),
    ],
)
def test_a_request_is_described_in_the_terms_of_rbac(method: str, target: str, text: str) -> None:
    assert str(request_info(method, target)) == text


def test_exec_needs_get_and_create_in_its_rule() -> None:
    info = request_info("GET", PODS.item("n", "p", "exec"))
    assert info.rule() == '{apiGroups: [""], resources: ["pods/exec"], verbs: ["get", "create"]}'
