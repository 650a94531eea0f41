"""Access reviews: what a user may do, asked by the user (SelfSubjectAccessReview) or about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from .auth import AUTHENTICATED
from .body import Unrecognized, parse
from .http import Reply, Request, Response, User
from .negotiate import body_type
from .requestinfo import RequestInfo
from .resources import ResourceType
from .status import bad_request, method_not_supported, page_not_found

if TYPE_CHECKING:
    from .api import API

AUTHORIZATION, AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
GROUPS = (AUTHORIZATION, AUTHENTICATION)


def _review(group: str, kind: str) -> ResourceType:
    plural = f"{kind.lower()}s"
    return ResourceType(group, "v1", plural, kind, namespaced=False, singular=kind.lower(), verbs=("create",))


TYPES = (
    _review(AUTHENTICATION, "SelfSubjectReview"),
    _review(AUTHORIZATION, "SelfSubjectAccessReview"),
    _review(AUTHORIZATION, "SelfSubjectRulesReview"),
    _review(AUTHORIZATION, "SubjectAccessReview"),
)


def serve(api: API, request: Request) -> Reply:
    """Answer a review; nothing is stored."""
    info = request.info
    kind = next((t for t in TYPES if (t.group, t.version, t.plural) == (info.group, info.version, info.resource)), None)
    if kind is None:
        return page_not_found()
    if info.verb != "create":
        raise method_not_supported(info.group, info.resource, info.verb)
    try:
        review = parse(request.body, body_type(request, custom=False))
    except Unrecognized as error:
        raise bad_request(str(error)) from None
    spec = review.get("spec") or {}
    answer = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}}
    if kind.group == AUTHORIZATION:
        answer["spec"] = spec
    return Response(201, {**answer, "status": _ANSWERS[kind.kind](api, request.user, spec)})


def _who(api: API, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    return {"userInfo": {"username": user.name, "groups": list(user.groups)}}


def _own_access(api: API, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    return {"allowed": api.server.rules.allows(user, _attributes(spec))}


def _anyones_access(api: API, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    subject = User(spec.get("user", ""), (*spec.get("groups", ()), AUTHENTICATED))
    return _own_access(api, subject, spec)


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


def _rules(api: API, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    """What the rules grant, as far as a list of rules can say it."""
    granted = [
        {"verbs": [rule.verb], "apiGroups": ["*"], "resources": [rule.target]}
        for rule in api.server.rules.granted(user)
    ]
    return {"resourceRules": granted, "nonResourceRules": [], "incomplete": False}


_ANSWERS: dict[str, Callable[[API, User, dict[str, Any]], dict[str, Any]]] = {
    "SelfSubjectReview": _who,
    "SelfSubjectAccessReview": _own_access,
    "SelfSubjectRulesReview": _rules,
    "SubjectAccessReview": _anyones_access,
}
