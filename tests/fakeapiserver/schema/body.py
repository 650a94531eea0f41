"""An object from a request's body: parsed, pruned, completed with defaults; and the warnings on the way.

The steps and their order are those of the API server's decoder for custom resources, because each has its own error.
"""

from __future__ import annotations

from typing import Any

from ..forms.negotiate import JSON, body_type, load_body
from ..goish.gojson import TYPE_META, JSONError, cannot_unmarshal, duplicates, load
from ..serving.http import Request
from ..vocabulary.objects import Object
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure, bad_request
from .objectmeta import MetadataError, read_metadata
from .schema import drop_nulls, fill_defaults, prune

SHOWN = 30  # bytes of an unrecognized body that the message shows


class Unrecognized(ValueError):
    """The body has no kind that one could speak of."""


def decode(request: Request, resource: ResourceType, directive: str) -> tuple[Object, list[str]]:
    """The object in a create's or update's body, and warnings; raises 400 and 415 with the decoder's words."""
    media = body_type(request, resource.custom)
    try:
        parsed = parse(request.body, media)
        if resource.custom and not parsed.get("kind") and directive != "Ignore":  # else the path's kind is assumed
            raise Unrecognized(missing_kind(request.body))
    except Unrecognized as error:
        what = f"the object provided is unrecognized (must be of type {resource.kind}): {error}"
        raise bad_request(f"{what} ({summarize(request.body)})") from None
    try:
        unknown = coerce(parsed, resource, request.body)
    except ValueError as error:
        raise _cannot_be_handled(parsed, resource, str(error)) from None
    return parsed, strictness(parsed, resource, directive, unknown)


def parse(body: bytes, media: str) -> Object:
    """A JSON or YAML object; :class:`Unrecognized` if it is none."""
    try:
        parsed = load(body) if media == JSON else load_body(body, media)
    except JSONError as error:
        raise Unrecognized(f"couldn't get version/kind; json parse error: {error}") from None
    except ValueError as error:
        raise Unrecognized(str(error)) from None
    if parsed is None:  # Go reads null into whatever there is
        return {}
    if not isinstance(parsed, dict):
        why = cannot_unmarshal(parsed, f"value of type {TYPE_META}")
        raise Unrecognized(f"couldn't get version/kind; json parse error: {why}")
    for name in ("apiVersion", "kind"):
        if not isinstance(parsed.get(name) or "", str):
            why = cannot_unmarshal(parsed[name], f"struct field .{name} of type string")
            raise Unrecognized(f"couldn't get version/kind; json parse error: {why}")
    if (parsed.get("apiVersion") or "").count("/") > 1:
        raise Unrecognized(f"unexpected GroupVersion string: {parsed['apiVersion']}")
    return parsed


def missing_kind(body: bytes) -> str:
    return f"Object 'Kind' is missing in '{body.decode('utf-8', 'replace')}'"


def summarize(body: bytes) -> str:
    """What the message shows of a body: its beginning, in hex unless it looks like JSON."""
    if not body:
        return "<empty>"
    shown = body[:SHOWN].decode("utf-8", "replace") if body[:1] == b"{" else body[:SHOWN].hex()
    return shown + (" ..." if len(body) > SHOWN else "")


def _cannot_be_handled(obj: Object, resource: ResourceType, why: str) -> APIFailure:
    kind = obj.get("kind") or resource.kind
    version = (obj.get("apiVersion") or resource.api_version).rpartition("/")[2]
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {why}')


def strictness(obj: Object, resource: ResourceType, directive: str, unknown: list[str]) -> list[str]:
    """What unknown and repeated fields lead to: a warning each, nothing, or (Strict) a 400."""
    errors = [f'duplicate field "{path}"' for path in duplicates(obj)]
    errors += [f'unknown field "{path}"' for path in unknown]
    if directive == "Strict" and errors:
        raise _cannot_be_handled(obj, resource, f"strict decoding error: {', '.join(errors)}")
    return errors if directive == "Warn" else []


def coerce(obj: Object, resource: ResourceType, body: bytes) -> list[str]:
    """Bring an object into the form in which it is kept; returns the paths of the fields that were dropped.

    Raises ValueError with the decoder's sentence where the object cannot be of its kind.
    """
    if not resource.custom:  # builtin kinds may leave out what the path says
        obj.update(
            {"kind": obj.get("kind") or resource.kind, "apiVersion": obj.get("apiVersion") or resource.api_version}
        )
    if not obj.get("kind"):
        raise ValueError(missing_kind(body))
    for name in ("apiVersion", "kind"):
        if name in obj and obj[name] is None:
            raise ValueError(f".{name} accessor error: <nil> is of the type <nil>, expected string")
    metadata, unknown = _metadata(obj)
    if resource.custom:
        unknown += _by_schema(obj, resource)
    obj["metadata"] = metadata
    return unknown


def complete(obj: Object, resource: ResourceType) -> None:
    """Bring a merged object into the form in which it is kept: nulls are left for its validation to find."""
    obj["metadata"] = _metadata(obj)[0]
    fill_defaults(obj, resource.schema)


def _metadata(obj: Object) -> tuple[Object, list[str]]:
    try:
        return read_metadata(obj.get("metadata"))
    except MetadataError as error:
        raise ValueError(str(error)) from None


def _by_schema(obj: Object, resource: ResourceType) -> list[str]:
    """Prune and default by the schema of the body's own version; bodies of another kind pass through untouched."""
    group, _, version = obj.get("apiVersion", "").rpartition("/")
    if group != resource.group or obj["kind"] != resource.kind:
        return []
    schema = resource.schema if version == resource.version else None
    unknown = prune(obj, schema)
    drop_nulls(obj, schema)
    fill_defaults(obj, schema)
    return unknown


def check_version(obj: Object, resource: ResourceType) -> None:
    """Raise 400 unless the body is in the version of the path."""
    version: Any = obj.get("apiVersion") or ""
    if version != resource.api_version:
        why = f"the API version in the data ({version}) does not match the expected API version"
        raise bad_request(f"{why} ({resource.api_version})")
