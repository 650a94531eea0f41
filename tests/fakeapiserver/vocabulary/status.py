"""Failures in the API server's words: each builder makes the :class:`APIFailure` that becomes a ``Status`` answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ..serving.http import Response
from .fielderrors import quote
from .names import path_segment_errors
from .resources import ResourceType

Cause = dict[str, str]


BUILTIN_GROUPS = ("", "apiextensions.k8s.io", "authentication.k8s.io", "authorization.k8s.io")
WRONG_METHOD = "the server does not allow this method on the requested resource"


class APIFailure(Exception):
    """Raised anywhere while a request is served; carries the whole ``Status`` object."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Optional[dict[str, Any]] = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = list(headers)
        self.metadata: dict[str, Any] = {}
        self.warnings: list[str] = []

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status

    def response(self) -> Response:
        headers = [*self.headers, *warning_headers(self.warnings)]
        retry = (self.details or {}).get("retryAfterSeconds")
        if retry:
            headers.append(("Retry-After", str(retry)))
        return Response(self.code, self.status(), headers=headers)


def warning_headers(warnings: Iterable[str]) -> list[tuple[str, str]]:
    """One ``Warning`` header for each distinct warning."""
    return [("Warning", f"299 - {quote(text)}") for text in dict.fromkeys(warnings)]


def success(details: dict[str, Any]) -> dict[str, Any]:
    """The ``Status`` that answers a completed deletion."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def details_of(name: str, group: str, kind: str, **more: Any) -> dict[str, Any]:
    """Details without the empty fields, as Go's omitempty leaves them."""
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind, **more}
    return {key: value for key, value in details.items() if value}


def bad_request(message: str) -> APIFailure:
    return APIFailure(400, "BadRequest", message)


def unauthorized() -> APIFailure:
    return APIFailure(401, "Unauthorized", "Unauthorized")


def internal(message: str, code: int = 500, reason: str = "") -> APIFailure:
    """An error that no status was made of: code 500 and the bare text."""
    return APIFailure(code, reason, message)


def forbidden(group: str, resource: str, name: str, why: str) -> APIFailure:
    subject = f"{resource}.{group}" if group else resource
    if not resource:
        message = f"forbidden: {why}"
    elif name:
        message = f"{subject} {quote(name)} is forbidden: {why}"
    else:
        message = f"{subject} is forbidden: {why}"
    return APIFailure(403, "Forbidden", message, details_of(name, group, resource))


def wrong_method() -> APIFailure:
    """405 of a path that has no route for the method."""
    return APIFailure(405, "MethodNotAllowed", WRONG_METHOD, {})


def not_found(resource: ResourceType, name: str) -> APIFailure:
    details = details_of(name, resource.group, resource.plural)
    return APIFailure(404, "NotFound", f"{resource.qualified} {quote(name)} not found", details)


def method_not_supported(group: str, resource: str, verb: str) -> APIFailure:
    subject = f"{resource}.{group}" if group else resource
    message = f'{verb} is not supported on resources of kind "{subject}"'
    return APIFailure(405, "MethodNotAllowed", message, details_of("", group, resource))


def unusable_name(name: str) -> Optional[APIFailure]:
    """400 for a name that cannot be one segment of a path."""
    errors = path_segment_errors(name)
    return bad_request(f"Name parameter invalid: {quote(name)}: {';'.join(errors)}") if errors else None


def already_exists(resource: ResourceType, name: str, terminating: bool = False) -> APIFailure:
    details = details_of(name, resource.group, resource.plural)
    why = "object is being deleted: " if terminating else ""
    return APIFailure(409, "AlreadyExists", f"{why}{resource.qualified} {quote(name)} already exists", details)


def conflict(resource: ResourceType, name: str, why: str, kind: str = "") -> APIFailure:
    kind = kind or resource.plural
    subject = f"{kind}.{resource.group}" if resource.group else kind
    message = f"Operation cannot be fulfilled on {subject} {quote(name)}: {why}"
    return APIFailure(409, "Conflict", message, details_of(name, resource.group, kind))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def expired(message: str) -> APIFailure:
    return APIFailure(410, "Expired", message)


def invalid(group: str, kind: str, name: str, causes: list[Cause]) -> APIFailure:
    """422 with one cause for each field error; the message joins them as field errors aggregate."""
    subject = f"{kind}.{group}" if group else kind
    texts = list(dict.fromkeys(f"{cause['field']}: {cause['message']}" for cause in causes))
    summary = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f"{subject} {quote(name)} is invalid: {summary}"
    return APIFailure(422, "Invalid", message, details_of(name, group, kind, causes=causes))


def too_large_version(wanted: int, current: int) -> APIFailure:
    """504: the version asked for lies in the future."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return APIFailure(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def too_large_body(limit: int) -> APIFailure:
    return APIFailure(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def not_acceptable(types: Iterable[str]) -> APIFailure:
    message = f"only the following media types are accepted: {', '.join(types)}"
    return APIFailure(406, "NotAcceptable", message)


def unsupported_media_type(types: Iterable[str]) -> APIFailure:
    known = ", ".join(types)
    message = f"the body of the request was in an unknown format - accepted media types include: {known}"
    return APIFailure(415, "UnsupportedMediaType", message)


def unserved(group: str) -> Response:
    """What a path gets whose resource is not served: a Status from the groups that a server is built with."""
    if group in BUILTIN_GROUPS:
        return APIFailure(404, "NotFound", "the server could not find the requested resource", {}).response()
    return page_not_found()


def page_not_found() -> Response:
    """What a path that nothing serves gets: plain text, not a ``Status``."""
    headers = (("X-Content-Type-Options", "nosniff"),)
    return Response(404, b"404 page not found\n", "text/plain; charset=utf-8", headers)
