"""Authentication and authorization."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.access.kubeconfig import write_private

from .plainclient import DEVSERVERS, FLAVORS, MERGE, PlainClient, devserver

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture
def bob(fake: FakeAPIServer) -> PlainClient:
    """A user without any rights yet."""
    fake.add_token("bobs-token", "bob", ("developers",))
    return PlainClient(fake, "bobs-token")


def review(group: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}


def test_anonymous_may_ask_for_the_version_and_nothing_else(fake: FakeAPIServer) -> None:
    with PlainClient(fake, None) as anonymous:
        assert anonymous.get("/version").status == 200
        refused = anonymous.get("/apis")
    assert (refused.status, refused.message) == (403, 'forbidden: User "system:anonymous" cannot get path "/apis"')
    assert refused.json()["details"] == {}


@pytest.mark.parametrize("header", ["Bearer wrong", "bearer wrong again"])
def test_bad_credentials_are_unauthorized_everywhere(fake: FakeAPIServer, header: str) -> None:
    with PlainClient(fake, None) as client:
        answer = client.get("/version", Authorization=header)
    assert (answer.status, answer.message, answer.reason) == (401, "Unauthorized", "Unauthorized")


def test_a_new_user_may_discover_but_not_read(bob: PlainClient) -> None:
    with bob:
        assert bob.get("/apis/devserver.io/v1").status == 200
        refused = bob.get(FLAVORS)
    assert refused.message == (
        'devserverflavors.devserver.io is forbidden: User "bob" cannot list resource "devserverflavors" '
        'in API group "devserver.io" at the cluster scope'
    )


def test_a_rule_allows_a_verb_on_a_resource(fake: FakeAPIServer, bob: PlainClient) -> None:
    fake.rules.allow("bob", "get", "devservers")
    fake.store.create("devservers", devserver("a"))
    with bob:
        assert bob.get(f"{DEVSERVERS}/a").status == 200
        assert bob.get(DEVSERVERS).status == 403
        assert bob.ask("DELETE", f"{DEVSERVERS}/a").status == 403


def test_a_rule_may_name_a_group_a_namespace_and_an_object(fake: FakeAPIServer, bob: PlainClient) -> None:
    fake.rules.allow("developers", "*", "devservers", namespace="default", name="mine")
    fake.store.create("devservers", devserver("mine"))
    with bob:
        assert bob.ask("PATCH", f"{DEVSERVERS}/mine", {}, MERGE).status == 200
        assert bob.get(f"{DEVSERVERS}/other").status == 403
        assert bob.get(f"{DEVSERVERS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dother").status == 403


def test_subresources_need_rules_of_their_own(fake: FakeAPIServer, bob: PlainClient) -> None:
    fake.apply("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c}]}}")
    fake.rules.allow("bob", "*", "pods")
    with bob:
        assert bob.get("/api/v1/namespaces/default/pods/p").status == 200
        refused = bob.get("/api/v1/namespaces/default/pods/p/exec?command=x")
        assert refused.message == (
            'pods "p" is forbidden: User "bob" cannot get resource "pods/exec" in API group "" '
            'in the namespace "default"'
        )
        fake.rules.allow("bob", "get", "pods/exec")
        assert bob.get("/api/v1/namespaces/default/pods/p/exec?command=x").status == 400


def test_a_denial_beats_everything_even_for_administrators(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.rules.deny("admin", "create", "devservers")
    assert client.create("a").reason == "Forbidden"
    fake.rules.clear()
    assert client.create("a").status == 201


def test_a_revoked_token_is_unauthorized(fake: FakeAPIServer, bob: PlainClient) -> None:
    fake.tokens.revoke("bobs-token")
    with bob:
        assert bob.get("/apis").status == 401


def test_users_may_ask_what_they_are_allowed_to_do(fake: FakeAPIServer, bob: PlainClient) -> None:
    fake.rules.allow("bob", "create", "pods/exec", namespace="default")
    asked = {"verb": "create", "resource": "pods", "subresource": "exec", "namespace": "default"}
    with bob:
        own = bob.ask(
            "POST", REVIEWS, review("authorization.k8s.io", "SelfSubjectAccessReview", resourceAttributes=asked)
        )
        assert (own.status, own.json()["status"]) == (201, {"allowed": True})
        asked["namespace"] = "other"
        own = bob.ask(
            "POST", REVIEWS, review("authorization.k8s.io", "SelfSubjectAccessReview", resourceAttributes=asked)
        )
        assert own.json()["status"] == {"allowed": False}
        who = bob.ask("POST", WHO, review("authentication.k8s.io", "SelfSubjectReview")).json()["status"]["userInfo"]
    assert (who["username"], who["groups"]) == ("bob", ["developers", "system:authenticated"])


ACCESS, RULES, TOKEN = "SelfSubjectAccessReview", "SelfSubjectRulesReview", "TokenReview"


@pytest.mark.parametrize(
    ("kind", "spec", "status", "why"),
    [
        (ACCESS, {}, 422, "exactly one of nonResourceAttributes or resourceAttributes must be specified"),
        (
            ACCESS,
            {"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"path": "/"}},
            422,
            "cannot be specified in combination with resourceAttributes",
        ),
        (ACCESS, {"resourceAttributes": "x"}, 400, 'SelfSubjectAccessReview in version "v1" cannot be handled'),
        (RULES, {}, 400, "no namespace on request"),
        ("SubjectAccessReview", {"resourceAttributes": {}}, 422, "at least one of user or group must be specified"),
    ],
)
def test_a_review_must_ask_for_one_thing(
    client: PlainClient, kind: str, spec: dict[str, Any], status: int, why: str
) -> None:
    answer = client.ask(
        "POST", f"/apis/authorization.k8s.io/v1/{kind.lower()}s", review("authorization.k8s.io", kind, **spec)
    )
    assert answer.status == status
    assert why in answer.message


def test_a_review_can_only_be_posted(client: PlainClient) -> None:
    assert (client.get(REVIEWS).status, client.get(REVIEWS).json()["details"]) == (405, {})
    assert client.get(f"{REVIEWS}/x").message == "the server could not find the requested resource"


def test_a_token_can_be_reviewed(fake: FakeAPIServer, client: PlainClient) -> None:
    fake.add_token("bobs-token", "bob", ("developers",))
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    known = client.ask("POST", reviews, review("authentication.k8s.io", TOKEN, token="bobs-token")).json()["status"]
    unknown = client.ask("POST", reviews, review("authentication.k8s.io", TOKEN, token="nosuch")).json()["status"]
    assert (known["authenticated"], known["user"]["username"]) == (True, "bob")
    assert unknown == {"user": {}, "error": "invalid bearer token"}


def test_a_rules_review_lists_what_everybody_may(client: PlainClient, bob: PlainClient) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    with bob:
        status = bob.ask("POST", path, review("authorization.k8s.io", RULES, namespace="default")).json()["status"]
    assert "selfsubjectaccessreviews" in status["resourceRules"][0]["resources"]
    assert "/apis/*" in status["nonResourceRules"][0]["nonResourceURLs"]


def test_the_root_lists_the_paths(client: PlainClient) -> None:
    root = client.get("/")
    assert root.status == 200
    assert "/apis/devserver.io/v1" in root.json()["paths"]


def test_a_path_that_nothing_serves_is_not_found(client: PlainClient) -> None:
    answer = client.get("/nosuch")
    assert (answer.status, answer.raw) == (404, b"404 page not found\n")


@pytest.mark.parametrize(
    "path", ["/api/v1/nosuch", "/api/v1/namespaces/default/nosuch/x", "/api/v1/namespaces/default/pods/p/nosuch"]
)
def test_an_unknown_core_resource_is_not_found_with_a_status(client: PlainClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status, answer.reason, answer.json()["details"]) == (404, "NotFound", {})


def test_discovery_allows_get_but_not_head(bob: PlainClient) -> None:
    with bob:
        assert bob.ask("HEAD", "/version").status == 403


def test_kubectl_without_credentials_is_let_in_over_plain_http(fake: FakeAPIServer) -> None:
    with PlainClient(fake, None) as kubectl:
        agent = "kubectl/v1.32.0 (linux/amd64) kubernetes/abcdef"
        assert kubectl.get(DEVSERVERS, User_Agent=agent).status == 200
        assert kubectl.get(DEVSERVERS, User_Agent="curl/8").status == 403


# TLS


def trusting(server: FakeAPIServer) -> ssl.SSLContext:
    assert server.ca_pem is not None
    return ssl.create_default_context(cadata=server.ca_pem.decode())


def test_the_servers_certificate_is_signed_by_its_authority() -> None:
    with FakeAPIServer(tls=True, operator=False) as server:
        assert server.url.startswith("https://")
        with PlainClient(server, tls=trusting(server)) as client:
            assert client.get(DEVSERVERS).status == 200
        with PlainClient(server, tls=ssl.create_default_context()) as client, pytest.raises(ssl.SSLError):
            client.get(DEVSERVERS)


def test_a_client_certificate_names_user_and_group(tmp_path: Path) -> None:
    with FakeAPIServer(tls=True, operator=False) as server:
        certificate, key = server.client_certificate("carol", ("system:masters",))
        context = trusting(server)
        context.load_cert_chain(write_private(tmp_path / "crt", certificate), write_private(tmp_path / "key", key))
        with PlainClient(server, None, tls=context) as client:
            assert client.get(DEVSERVERS).status == 200
            who = client.ask("POST", WHO, review("authentication.k8s.io", "SelfSubjectReview")).json()
        assert who["status"]["userInfo"]["username"] == "carol"


def test_kubectls_user_agent_does_not_authenticate_over_tls() -> None:
    with FakeAPIServer(tls=True, operator=False) as server, PlainClient(server, None, tls=trusting(server)) as client:
        assert client.get(DEVSERVERS, User_Agent="kubectl/v1 (linux/amd64) kubernetes/abc").status == 403
