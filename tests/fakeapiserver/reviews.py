"""Access reviews: what a user may do, asked by the user (SelfSubjectAccessReview) or about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .auth import AUTHENTICATED
from .body import Unrecognized, parse
from .http import Reply, Request, Response, User
from .negotiate import body_type
from .requestinfo import RequestInfo
from .status import bad_request, method_not_supported, page_not_found

if TYPE_CHECKING:
    from .api import API

GROUP = "authorization.k8s.io"
VERSION = "v1"
KINDS = {
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "subjectaccessreviews": "SubjectAccessReview",
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
}


def serve(api: API, request: Request) -> Reply:
    """Answer a review; nothing is stored."""
    info = request.info
    if info.version != VERSION or info.resource not in KINDS:
        return page_not_found()
    if info.verb != "create":
        raise method_not_supported(GROUP, info.resource, info.verb)
    try:
        review = parse(request.body, body_type(request))
    except Unrecognized as error:
        raise bad_request(str(error)) from None
    return Response(201, _reviewed(api, request.user, info.resource, review))


def _reviewed(api: API, user: User, resource: str, review: dict[str, Any]) -> dict[str, Any]:
    spec = review.get("spec") or {}
    if resource == "selfsubjectrulesreviews":
        status = _rules(api, user)
    else:
        if resource == "subjectaccessreviews":
            user = User(spec.get("user", ""), (*spec.get("groups", ()), AUTHENTICATED))
        allowed = api.server.rules.allows(user, _attributes(spec))
        status = {"allowed": allowed}
    return {
        "kind": KINDS[resource],
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {},
        "spec": spec,
        "status": status,
    }


def _attributes(spec: dict[str, Any]) -> RequestInfo:
    path = spec.get("nonResourceAttributes")
    if path:
        return RequestInfo(path.get("verb", ""), path.get("path", ""))
    asked = spec.get("resourceAttributes") or {}
    return RequestInfo(
        verb=asked.get("verb", ""),
        path="",
        group=asked.get("group", ""),
        version=asked.get("version", ""),
        namespace=asked.get("namespace", ""),
        resource=asked.get("resource", ""),
        subresource=asked.get("subresource", ""),
        name=asked.get("name", ""),
    )


def _rules(api: API, user: User) -> dict[str, Any]:
    """What the rules grant, as far as a list of rules can say it."""
    granted = [
        {"verbs": [rule.verb], "apiGroups": ["*"], "resources": [rule.target]}
        for rule in api.server.rules.granted(user)
    ]
    return {"resourceRules": granted, "nonResourceRules": [], "incomplete": False}
