"""Patching: the stored object, what a patch makes of it, and server-side apply."""

from __future__ import annotations

from typing import Callable

from ..apply import patches
from ..forms.negotiate import MediaType, negotiate
from ..goish import goyaml
from ..goish.gojson import cannot_unmarshal
from ..schema.body import coerce, complete
from ..serving.http import Reply, Request
from ..vocabulary.fielderrors import invalid
from ..vocabulary.objects import Object, encode
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure, bad_request, conflict, not_found, unsupported_media_type
from ..vocabulary.status import invalid as invalid_object
from . import strategy
from .api import API
from .eventlog import Stored
from .options import write_options
from .writes import Write, change, check_name, check_namespace, match_namespace, store_new, without_system_fields


def patch(api: API, resource: ResourceType, request: Request) -> Reply:
    kind = (request.headers.get("Content-Type") or "").split(";")[0].strip()
    supported = patches.CUSTOM_PATCHES if resource.custom else patches.BUILTIN_PATCHES
    if kind not in supported:
        raise unsupported_media_type(supported)
    if not request.info.name:
        raise bad_request("name must be provided")
    media = negotiate(request)
    write = Write(api, resource, request, write_options("PatchOptions", request, kind == patches.APPLY_PATCH))
    try:
        return _PATCHES[kind](write, media)
    except APIFailure as failure:
        raise write.fail(failure) from None


def _merge_patch(write: Write, media: MediaType) -> Reply:
    def patched(obj: Object) -> tuple[Object, list[str]]:
        change, strict = patches.read_merge_patch(write.request.body)
        return patches.merge(obj, change), strict

    return write.answer(200, _patch_with(write, patched), media)


def _json_patch(write: Write, media: MediaType) -> Reply:
    def patched(obj: Object) -> tuple[Object, list[str]]:
        operations, strict = patches.read_json_patch(write.request.body)
        return patches.apply_json_patch(obj, operations), strict

    return write.answer(200, _patch_with(write, patched), media)


def _strategic_patch(write: Write, media: MediaType) -> Reply:
    def patched(obj: Object) -> tuple[Object, list[str]]:
        change, strict = patches.read_merge_patch(write.request.body)
        return patches.strategic_merge(obj, change), strict

    return write.answer(200, _patch_with(write, patched), media)


def _patch_with(write: Write, patched: Callable[[Object], tuple[Object, list[str]]]) -> bytes:
    def make(current: Stored, live: Object) -> Object:
        obj, strict = patched(live)
        obj = _decode_patched(write, obj, strict)
        obj = write.owners(write.track(live, obj), when=" after mutating admission happens")
        match_namespace(write.resource, obj["metadata"], write.namespace)
        check_name(obj["metadata"], write.name)
        return obj

    return change(write, make)


def _decode_patched(write: Write, obj: Object, strict: list[str]) -> Object:
    """The patched object as a body would be decoded; what is wrong with it is a 422 on the patch."""
    raw = encode(obj)
    try:
        if not isinstance(obj, dict):
            raise ValueError(cannot_unmarshal(obj, "value of type map[string]interface {}"))
        errors = strict + [f'unknown field "{path}"' for path in coerce(obj, write.resource, raw)]
    except ValueError as error:
        raise _bad_patch(raw, str(error)) from None
    if write.options.field_validation == "Strict" and errors:
        raise _bad_patch(raw, f"strict decoding error: {', '.join(errors)}")
    if write.options.field_validation == "Warn":
        write.warnings.extend(errors)
    return obj


def _bad_patch(raw: bytes, why: str) -> APIFailure:
    return invalid_object("", "", "", [invalid("patch", raw.decode(), why)])


def _apply_patch(write: Write, media: MediaType) -> Reply:
    applied = _read_configuration(write.request.body)
    with write.api.store.lock:
        try:
            write.api.store.find(write.resource, write.namespace, write.name)
        except APIFailure:
            return write.answer(201, _apply_new(write, applied), media)
        return write.answer(200, change(write, lambda current, live: _applied(write, live, applied)), media)


def _read_configuration(raw: bytes) -> Object:
    try:
        applied = goyaml.load(raw)
    except ValueError as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if applied is None:
        return {}
    if not isinstance(applied, dict):
        why = cannot_unmarshal(applied, "value of type map[string]interface {}")
        raise bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    return applied


def _applied(write: Write, live: Object, applied: Object) -> Object:
    manager = strategy.field_manager(write.resource, write.subresource)
    time = write.api.store.sources.now()
    obj = manager.apply(live, applied, write.options.field_manager, bool(write.options.force), time)
    complete(obj, write.resource)
    match_namespace(write.resource, obj["metadata"], write.namespace)
    check_name(obj["metadata"], write.name)
    return obj


def _apply_new(write: Write, applied: Object) -> bytes:
    if write.subresource:
        raise not_found(write.resource, write.name)
    blank: Object = {"apiVersion": write.resource.api_version, "kind": write.resource.kind, "metadata": {}}
    obj = _applied(write, blank, applied)
    if obj["metadata"].get("uid"):
        why = f"uid mismatch: the provided object specified uid {obj['metadata']['uid']}"
        raise conflict(write.resource, write.name, f"{why}, and no existing object was found")
    check_namespace(write.api, write.resource, write.namespace)
    obj["metadata"].pop("resourceVersion", None)
    return store_new(write, without_system_fields(obj))


_PATCHES: dict[str, Callable[[Write, MediaType], Reply]] = {
    patches.JSON_PATCH: _json_patch,
    patches.MERGE_PATCH: _merge_patch,
    patches.STRATEGIC_PATCH: _strategic_patch,
    patches.APPLY_PATCH: _apply_patch,
}
