"""What a refusal advises: the Role rule only where a Role would help, and elsewhere what does, or nothing."""

from __future__ import annotations

import json
from typing import Optional

import pytest

from devservers import errors
from devservers.transport.advice import advice
from devservers.transport.resources import request_info

from .scripted import Peer, scripted, serve_all

SERVER = "/apis/devserver.io/v1/namespaces/team/devservers/dev"
SERVERS = "/apis/devserver.io/v1/namespaces/team/devservers"
EXEC = "/api/v1/namespaces/team/pods/dev-0/exec"


def denial(
    verb: str, resource: str = "devservers", group: str = "devserver.io", namespace: str = "team", user: str = "jane"
) -> str:
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    why = f'User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}'
    return f'{resource} "dev" is forbidden: {why}'


def advised(message: str, method: str = "GET", target: str = SERVER, code: int = 403, reason: str = "Forbidden") -> str:
    return advice(code, reason, message, request_info(method, target), len(target))


# the Role rule


@pytest.mark.parametrize(
    ("method", "target", "message", "rule"),
    [
        ("GET", SERVER, denial("get"), 'resources: ["devservers"], verbs: ["get"]'),
        ("GET", SERVERS, denial("list"), 'resources: ["devservers"], verbs: ["list"]'),
        ("GET", SERVERS + "?watch=true", denial("watch"), 'resources: ["devservers"], verbs: ["watch"]'),
        ("POST", SERVERS, denial("create"), 'resources: ["devservers"], verbs: ["create"]'),
        ("PATCH", SERVER, denial("patch"), 'resources: ["devservers"], verbs: ["patch"]'),
        ("PATCH", SERVER, denial("create"), 'resources: ["devservers"], verbs: ["patch", "create"]'),
        ("GET", EXEC, denial("get", "pods/exec", ""), 'resources: ["pods/exec"], verbs: ["get", "create"]'),
        ("GET", EXEC, denial("create", "pods/exec", ""), 'resources: ["pods/exec"], verbs: ["get", "create"]'),
        ("GET", SERVER, denial("get", user="system:serviceaccount:team:ci"), 'resources: ["devservers"]'),
        ("GET", SERVER, denial("get") + ': RBAC: role.rbac.authorization.k8s.io "x" not found', '["devservers"]'),
    ],
)
def test_a_missing_permission_comes_with_the_rule_that_grants_it(
    method: str, target: str, message: str, rule: str
) -> None:
    said = advised(message, method, target)
    assert said.startswith('a Role in namespace "team" bound to the user would allow it with the rule {apiGroups: [')
    assert rule in said


def test_what_has_no_namespace_takes_a_cluster_role() -> None:
    message = denial("list", "devserverflavors", namespace="")
    assert advised(message, target="/apis/devserver.io/v1/devserverflavors").startswith("a ClusterRole bound to")
    assert advised(denial("list", namespace=""), target="/apis/devserver.io/v1/devservers").startswith("a ClusterRole")


def test_a_path_that_is_no_resource_takes_a_rule_of_its_own() -> None:
    message = 'forbidden: User "jane" cannot get path "/metrics"'
    said = advised(message, target="/metrics")
    assert said.endswith('would allow it with the rule {nonResourceURLs: ["/metrics"], verbs: ["get"]}')
    assert advised(message, target="/version") == ""


@pytest.mark.parametrize(
    "message",
    [
        denial("delete"),
        denial("get", "devserverflavors"),
        denial("get", group="example.com"),
        denial("get", namespace="another"),
        denial("get", namespace=""),
        denial("get", "devservers/status"),
        denial("update", "secrets", ""),
        "",
        "no",
        'devservers "dev" is forbidden: not now',
        denial("get") + ': requires one of ["container.thirdPartyObjects.get"] permission(s).',
        denial("get") + ": User does not have access to the resource in Azure. Update role assignment to allow access.",
    ],
)
def test_a_refusal_of_something_else_or_by_somebody_else_gets_no_rule(message: str) -> None:
    assert advised(message) == ""


# who else refuses


def test_an_anonymous_user_is_advised_about_credentials() -> None:
    said = advised(denial("get", user="system:anonymous"))
    assert said.startswith("the API server saw no credentials that it knows: none were sent")
    assert "Role" not in said
    assert advised('forbidden: User "system:anonymous" cannot get path "/x"', target="/x") == said


@pytest.mark.parametrize(
    "message",
    [
        denial("impersonate", "users", "", ""),
        denial("impersonate", "groups", "", ""),
        denial("impersonate-on:user-info:get"),  # Kubernetes 1.36
        denial("impersonate:user-info", "users", "authentication.k8s.io", ""),
    ],
)
def test_a_user_who_may_not_impersonate_is_advised_about_that(message: str) -> None:
    said = advised(message)
    assert said.startswith(
        'the kubeconfig\'s user acts as another one (its keys as, as-groups…), which "jane" may not do'
    )
    assert "Role" not in said


OBJECT = 'devservers.devserver.io "dev" is forbidden: '


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (f"{OBJECT}exceeded quota: objects, requested: pods=1, used: pods=2, limited: pods=2", "a quota of the "),
        (f"{OBJECT}failed quota: compute: must specify limits.cpu", "a quota of the namespace"),
        ('admission webhook "check.example.com" denied the request: no', "a policy of the cluster"),
        (f'admission webhook "x.example.com" denied the request: {denial("create")}', "a policy of the cluster"),
        ('admission webhook "x.example.com" denied the request: exceeded quota', "a policy of the cluster"),
        (f"{OBJECT}ValidatingAdmissionPolicy 'a' with binding 'b' denied request: no", "a policy of the cluster"),
        (f'{OBJECT}violates PodSecurity "restricted:latest": runAsNonRoot', "a policy of the cluster"),
        (f"{OBJECT}unable to validate against any pod security policy: []", "a policy of the cluster"),
        (f"{OBJECT}cannot set blockOwnerDeletion if an ownerReference refers to", "leave blockOwnerDeletion out"),
        (f"{OBJECT}cannot set an ownerRef on a resource you can't delete: , <nil>", "setting metadata.owner"),
        (
            f"{OBJECT}unable to create new content in namespace team because it is being terminated",
            "the namespace is being deleted",
        ),
    ],
)
def test_a_refusal_that_no_role_would_lift_comes_with_what_would(message: str, said: str) -> None:
    found = advised(message, "POST", SERVERS)
    assert found.startswith(said)
    assert "a Role" not in found


def test_a_policy_may_refuse_with_another_code() -> None:
    message = "devservers \"dev\" is invalid: : ValidatingAdmissionPolicy 'size' with binding 'size' denied request: no"
    assert advised(message, "POST", SERVERS, code=422, reason="Invalid").startswith("a policy of the cluster")


def refused(target: str, body: bytes, content_type: str, code: int = 403) -> str:
    def answer(peer: Peer, request: str) -> None:
        peer.answer(code, body, content_type=content_type)

    with scripted(serve_all(answer)) as server, server.client() as client:
        with pytest.raises(errors.APIError) as caught:
            client.request("GET", target)
    return str(caught.value)


def test_a_proxys_page_gets_no_advice() -> None:
    said = refused(SERVER, b"<html><body><h1>403 Forbidden</h1></body></html>", "text/html")
    assert said.endswith("a proxy or load balancer answered (403)")


def test_the_authorizers_sentence_without_a_status_is_hearsay() -> None:
    assert "Role" not in refused(SERVER, denial("get").encode(), "text/plain")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (EXEC, "kubectl proxy lets exec through only when started with --reject-paths='^$'"),
        (SERVER, "a proxy refused it"),
    ],
)
def test_a_refusal_of_kubectl_proxy_is_attributed_to_it(target: str, said: str) -> None:
    found = refused(target, b"Forbidden\n", "text/plain; charset=utf-8")
    assert said in found
    assert "Role" not in found


def test_a_status_that_is_a_denial_arrives_with_its_rule() -> None:
    status = {"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden", "message": denial("get")}
    assert refused(SERVER, json.dumps(status).encode(), "application/json").endswith(
        '(403 Forbidden); a Role in namespace "team" bound to the user would allow it with the rule '
        '{apiGroups: ["devserver.io"], resources: ["devservers"], verbs: ["get"]}'
    )


# what is too long

TOO_LONG = "send long data through input=, or upload it as a file"


@pytest.mark.parametrize(
    ("code", "reason", "message", "size"),
    [
        (414, "", "", 100),
        (431, "", "Request Header Fields Too Large", 100),
        (400, "", "the answer is an HTML page, not a Status: a proxy or load balancer answered", 20_000),
        (500, "InternalError", "Internal error occurred: fork/exec /usr/bin/env: argument list too long", 100),
        (500, "InternalError", "OCI runtime exec failed: exec /bin/sh: Argument list too long: unknown", 100),
    ],
)
def test_a_command_that_is_too_long_comes_with_another_way(code: int, reason: str, message: str, size: int) -> None:
    assert advised(message, target=EXEC + "?command=" + "x" * size, code=code, reason=reason).endswith(TOO_LONG)


@pytest.mark.parametrize(
    ("target", "code", "reason", "size"),
    [(EXEC, 400, "", 100), (EXEC, 400, "BadRequest", 20_000), (SERVERS, 400, "", 20_000), (SERVERS, 414, "", 20_000)],
)
def test_a_short_command_or_another_request_gets_no_such_advice(
    target: str, code: int, reason: Optional[str], size: int
) -> None:
    assert advised("no", target=f"{target}?x={'x' * size}", code=code, reason=reason or "") == ""
