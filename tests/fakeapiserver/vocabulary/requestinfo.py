"""What a request asks for, read from its method and path by the API server's own rules."""

from __future__ import annotations

from typing import NamedTuple, Optional

from ..serving.http import Request

VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
NAMESPACE_SUBRESOURCES = ("status", "finalize")


class RequestInfo(NamedTuple):
    """Attributes of a request; ``resource`` is empty for a path that is no resource's."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()

    @property
    def is_resource(self) -> bool:
        return bool(self.resource)


def request_info(request: Request) -> RequestInfo:
    """Parse ``/api/v1/…`` and ``/apis/GROUP/VERSION/…``; anything else is a non-resource request."""
    parts = [part for part in request.path.split("/") if part]
    split = _group_and_rest(parts)
    if split is None:
        return RequestInfo(request.method.lower(), request.path)
    group, version, rest = split
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = VERBS.get(request.method, "")
    if not name:
        verb, name = _collection_verb(verb, request)
    return RequestInfo(verb, request.path, group, version, namespace, resource, subresource, name, tuple(rest))


def _group_and_rest(parts: list[str]) -> Optional[tuple[str, str, list[str]]]:
    if len(parts) >= 3 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) >= 4 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    return None


def _collection_verb(verb: str, request: Request) -> tuple[str, str]:
    """Without a name, get is list or watch (a field selector may name one object), delete is deletecollection."""
    if verb == "delete":
        return "deletecollection", ""
    if verb != "get":
        return verb, ""
    return ("watch" if request.flag("watch") else "list"), _exact_name(request.arg("fieldSelector") or "")


def _exact_name(selector: str) -> str:
    for term in selector.split(","):
        for operator in ("==", "="):
            field, found, value = term.partition(operator)
            if found and field == "metadata.name":
                return value
    return ""
