"""Writing: create, update and patch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonpatch

from .eventlog import Stored
from .http import Reply, Request
from .negotiate import body_type, load_body, negotiate
from .reads import OBJECT_VIEWS
from .resources import ResourceType
from .status import MODIFIED, APIFailure, bad_request, conflict, unsupported_media_type
from .store import Object, generate_name, new_uid, now

if TYPE_CHECKING:
    from .api import API

PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")


def create(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request, OBJECT_VIEWS)
    obj = load_body(request.body, body_type(request))
    metadata = obj.setdefault("metadata", {})
    _set_namespace(resource, metadata, request.info.namespace)
    if not metadata.get("name"):
        metadata["name"] = generate_name(metadata.get("generateName", ""))
    metadata.update({"uid": new_uid(), "creationTimestamp": now(), "generation": 1})
    if resource.has_subresource("status") and resource.custom:
        obj.pop("status", None)
    if request.arg("dryRun") == "All":
        return api.answer(201, resource, json.dumps(obj).encode(), media)
    return api.answer(201, resource, api.store.add(resource, obj).raw, media)


def _set_namespace(resource: ResourceType, metadata: Object, namespace: str) -> None:
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.get("namespace") not in (None, "", namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    metadata["namespace"] = namespace


def update(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request, OBJECT_VIEWS)
    obj = load_body(request.body, body_type(request))
    return api.answer(200, resource, _write(api, resource, request, lambda current: obj).raw, media)


def patch(api: API, resource: ResourceType, request: Request) -> Reply:
    media = negotiate(request, OBJECT_VIEWS)
    kind = (request.headers.get("Content-Type") or "").split(";")[0].strip()
    if kind not in PATCH_TYPES:
        raise unsupported_media_type(PATCH_TYPES)
    body = load_body(request.body, "application/yaml" if "yaml" in kind else "application/json")

    def patched(current: Object) -> Object:
        if kind == "application/json-patch+json":
            result: Object = jsonpatch.apply_patch(current, body)
            return result
        merged = merge(current, body)
        assert isinstance(merged, dict)
        return merged

    return api.answer(200, resource, _write(api, resource, request, patched).raw, media)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def _write(api: API, resource: ResourceType, request: Request, make: Any) -> Stored:
    info = request.info

    def decide(current: Stored) -> Object:
        old = current.load()
        new = make(current.load())
        metadata = new.setdefault("metadata", {})
        version = metadata.get("resourceVersion")
        if version is None:
            raise APIFailure(422, "Invalid", "metadata.resourceVersion: must be specified for an update")
        if version != str(current.revision):
            raise conflict(resource, current.name, MODIFIED)
        for key in ("uid", "creationTimestamp", "name", "namespace"):
            if key in old["metadata"]:
                metadata[key] = old["metadata"][key]
        if resource.custom or resource.plural == "pods":
            _split_status(resource, info.subresource, old, new)
        _count_generation(old, new)
        return new

    return api.store.change(resource, info.namespace, info.name, decide)


def _split_status(resource: ResourceType, subresource: str, old: Object, new: Object) -> None:
    if not resource.has_subresource("status"):
        return
    kept = [key for key in {*old, *new} if (key == "status") != (subresource == "status")]
    for key in {*old, *new} - set(kept) - {"metadata"}:
        if key in old:
            new[key] = old[key]
        else:
            new.pop(key, None)


def _count_generation(old: Object, new: Object) -> None:
    skip = ("metadata", "status") if "status" in old or "status" in new else ("metadata",)
    changed = any(old.get(key) != new.get(key) for key in {*old, *new} if key not in skip)
    generation = old["metadata"].get("generation", 1)
    new["metadata"]["generation"] = generation + 1 if changed else generation
