"""Who gets in, and who may do what."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.kubeconfig import write_private

from .plainclient import DEVSERVERS, FLAVORS, MERGE, PlainClient, devserver

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.fixture
def bob(fake: FakeAPIServer) -> PlainClient:
    """A user who may do nothing yet."""
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


def test_users_may_ask_what_they_may(fake: FakeAPIServer, bob: PlainClient) -> None:
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


def test_kubectl_sends_no_credentials_on_plain_http_and_is_let_in(fake: FakeAPIServer) -> None:
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


def test_kubectls_user_agent_is_no_credential_over_tls() -> None:
    with FakeAPIServer(tls=True, operator=False) as server, PlainClient(server, None, tls=trusting(server)) as client:
        assert client.get(DEVSERVERS, User_Agent="kubectl/v1 (linux/amd64) kubernetes/abc").status == 403
