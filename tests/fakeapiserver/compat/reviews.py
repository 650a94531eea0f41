"""Access reviews: what a user may do, asked by the user (SelfSubjectAccessReview) or about one."""

from __future__ import annotations

from typing import Any, Callable

from ..access.auth import AUTHENTICATED, DISCOVERY_PATHS, MASTERS, PUBLIC_PATHS, Access
from ..goish.gojson import cannot_unmarshal
from ..schema.body import decode
from ..serving.http import Reply, Request, Response, User
from ..vocabulary.fielderrors import Cause, invalid
from ..vocabulary.requestinfo import RequestInfo
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import bad_request, unserved, wrong_method
from ..vocabulary.status import invalid as invalid_object

AUTHORIZATION, AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
GROUPS = (AUTHORIZATION, AUTHENTICATION)
OWN_REVIEW_RULES = [
    {"verbs": ["create"], "apiGroups": [group], "resources": list(resources)}
    for group, resources in (
        (AUTHORIZATION, ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
        (AUTHENTICATION, ("selfsubjectreviews",)),
    )
]
DISCOVERY_URLS = sorted({*PUBLIC_PATHS, *DISCOVERY_PATHS, *(f"{path}/*" for path in DISCOVERY_PATHS)})


def _review(group: str, kind: str) -> ResourceType:
    plural = f"{kind.lower()}s"
    return ResourceType(group, "v1", plural, kind, namespaced=False, singular=kind.lower(), verbs=("create",))


TYPES = (
    _review(AUTHENTICATION, "SelfSubjectReview"),
    _review(AUTHENTICATION, "TokenReview"),
    _review(AUTHORIZATION, "SelfSubjectAccessReview"),
    _review(AUTHORIZATION, "SelfSubjectRulesReview"),
    _review(AUTHORIZATION, "SubjectAccessReview"),
)


def serve(access: Access, request: Request) -> Reply:
    """Answer a review; nothing is stored."""
    info = request.info
    kind = next((t for t in TYPES if (t.group, t.version, t.plural) == (info.group, info.version, info.resource)), None)
    if kind is None or info.name:
        return unserved(info.group)
    if info.verb != "create":
        raise wrong_method()
    review, _ = decode(request, kind, "Ignore")
    if review["kind"] != kind.kind:
        raise bad_request(f"{review['kind']} in version {review['apiVersion']!r} cannot be handled as a {kind.kind}")
    spec = _spec(review)
    causes = _wrong(kind.kind, spec)
    if causes:
        raise invalid_object(kind.group, "", "", causes)
    status = _ANSWERS[kind.kind](access, request.user, spec)
    answer = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}}
    if kind.kind != "SelfSubjectReview":
        answer["spec"] = {} if kind.kind == "SelfSubjectRulesReview" else spec
    return Response(201, {**answer, "status": status})


SPEC_FIELDS = ("resourceAttributes", "nonResourceAttributes", "user", "groups", "extra", "uid", "namespace", "token")


def _spec(review: dict[str, Any]) -> dict[str, Any]:
    """What is known of the spec; raises 400 where it is of another type."""
    spec = review.get("spec") or {}
    for part in (spec, *(spec.get(name) for name in SPEC_FIELDS[:2] if isinstance(spec, dict))):
        if part is not None and not isinstance(part, dict):
            why = cannot_unmarshal(part, f"struct field {review['kind']}Spec.spec of type v1.{review['kind']}Spec")
            raise bad_request(f'{review["kind"]} in version "v1" cannot be handled as a {review["kind"]}: {why}')
    return {name: spec[name] for name in SPEC_FIELDS if spec.get(name) is not None}


def _wrong(kind: str, spec: dict[str, Any]) -> list[Cause]:
    if not kind.endswith("AccessReview"):
        return []
    causes = []
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        causes.append(invalid("spec.nonResourceAttributes", path, why))
    if resource is None and path is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(invalid("spec.resourceAttributes", "null", why))
    if kind == "SubjectAccessReview" and not spec.get("user") and not spec.get("groups"):
        causes.append(invalid("spec.user", "", "at least one of user or group must be specified"))
    return causes


def _who(access: Access, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    return {"userInfo": {"username": user.name, "groups": list(user.groups)}}


def _whose(access: Access, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    owner = access.tokens.owner(str(spec.get("token", "")))
    if owner is None:
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": {"username": owner.name, "groups": list(owner.groups)}}


def _own_access(access: Access, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    return {"allowed": access.rules.allows(user, _attributes(spec))}


def _anyones_access(access: Access, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    subject = User(spec.get("user", ""), (*spec.get("groups", ()), AUTHENTICATED))
    return _own_access(access, subject, spec)


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


def _rules(access: Access, user: User, spec: dict[str, Any]) -> dict[str, Any]:
    """What the rules grant, as far as a list of rules can say it."""
    if not spec.get("namespace"):
        raise bad_request("no namespace on request")
    granted = [
        {"verbs": [rule.verb], "apiGroups": ["*"], "resources": [rule.target]} for rule in access.rules.granted(user)
    ]
    if AUTHENTICATED not in user.groups:
        return {"resourceRules": granted, "nonResourceRules": [], "incomplete": False}
    paths: list[dict[str, Any]] = [{"verbs": ["*"], "nonResourceURLs": ["*"]}] if MASTERS in user.groups else []
    return {
        "resourceRules": [*granted, *OWN_REVIEW_RULES],
        "nonResourceRules": [*paths, {"verbs": ["get"], "nonResourceURLs": DISCOVERY_URLS}],
        "incomplete": False,
    }


_ANSWERS: dict[str, Callable[[Access, User, dict[str, Any]], dict[str, Any]]] = {
    "TokenReview": _whose,
    "SelfSubjectReview": _who,
    "SelfSubjectAccessReview": _own_access,
    "SelfSubjectRulesReview": _rules,
    "SubjectAccessReview": _anyones_access,
}
