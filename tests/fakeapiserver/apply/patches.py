"""Patches: JSON merge patch, JSON patch, and strategic merge patch for the builtin kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..goish.gojson import JSONError, cannot_unmarshal, duplicates, load
from ..vocabulary.status import APIFailure, bad_request
from . import rfc6902

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
CUSTOM_PATCHES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
BUILTIN_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
MAX_OPERATIONS = 10_000

OPERATION_FIELDS = {"op": str, "path": str, "from": str, "value": object}


def read_merge_patch(body: bytes) -> tuple[dict[str, Any], list[str]]:
    """The patch and its strict errors; raises 400."""
    patch = _load(body)
    if patch is None:
        raise bad_request("Invalid JSON Patch")
    if not isinstance(patch, dict):
        raise _undecodable(cannot_unmarshal(patch, "value of type map[string]interface {}"))
    return patch, [f'duplicate field "{path}"' for path in duplicates(patch)]


def read_json_patch(body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """The operations and their strict errors; raises 400."""
    operations = _load(body)
    operations = [] if operations is None else operations
    if not isinstance(operations, list):
        raise _undecodable(cannot_unmarshal(operations, "value of type []handlers.jsonPatchOp"))
    strict = [error for index, item in enumerate(operations) for error in _operation_errors(item, index)]
    if len(operations) > MAX_OPERATIONS:
        why = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise APIFailure(413, "RequestEntityTooLarge", f"Request entity too large: {why}")
    return [operation or {} for operation in operations], strict


def _operation_errors(operation: Any, index: int) -> Iterator[str]:
    if operation is None:  # as good as an operation without a name
        return
    if not isinstance(operation, dict):
        raise _undecodable(cannot_unmarshal(operation, "value of type handlers.jsonPatchOp"))
    for name, value in operation.items():
        if name not in OPERATION_FIELDS:
            yield f'json patch unknown field "[{index}].{name}"'
        elif name != "value" and value is not None and not isinstance(value, str):
            raise _undecodable(cannot_unmarshal(value, f"struct field jsonPatchOp.{name} of type string"))


def _load(body: bytes) -> Any:
    try:
        return load(body)
    except JSONError as error:
        raise _undecodable(str(error)) from None


def _undecodable(why: str) -> APIFailure:
    return bad_request(f"error decoding patch: {why}")


def apply_json_patch(obj: dict[str, Any], operations: list[dict[str, Any]]) -> Any:
    """Whatever goes wrong is one and the same 422."""
    try:
        return rfc6902.apply(obj, operations)
    except rfc6902.PatchError:
        message = "the server rejected our request due to an error in our request"
        raise APIFailure(422, "Invalid", message, {}) from None


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


# Strategic merge: lists of objects are merged by the key their kind declares; these are the declarations of pods,
# services and metadata.

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "conditions": "type",
    "ownerReferences": "uid",
    "hostAliases": "ip",
    "secrets": "name",
    "podIPs": "ip",
}
PORT_KEYS = ("containerPort", "port")


def strategic_merge(target: Any, patch: Any, name: str = "") -> Any:
    """Kubernetes' own patch: like a merge patch, but lists with a merge key are merged item by item."""
    if isinstance(patch, list):
        return _merge_list(target if isinstance(target, list) else [], patch, name)
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            _directive(result, key, value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = strategic_merge(result.get(key), value, key)
    return result


def _directive(result: dict[str, Any], key: str, value: Any) -> None:
    directive, _, field = key.partition("/")
    if directive == "$deleteFromPrimitiveList" and isinstance(result.get(field), list):
        result[field] = [item for item in result[field] if item not in value]
    elif directive == "$retainKeys":
        for name in set(result) - set(value):
            del result[name]


def _merge_key(name: str, items: list[Any]) -> str:
    if name == "ports":
        return next((key for key in PORT_KEYS if any(isinstance(i, dict) and key in i for i in items)), "")
    return MERGE_KEYS.get(name, "")


def _merge_list(target: list[Any], patch: list[Any], name: str) -> list[Any]:
    if name == "finalizers":
        return [*target, *(item for item in patch if item not in target)]
    key = _merge_key(name, patch)
    if not key or {"$patch": "replace"} in patch:
        return [item for item in patch if item != {"$patch": "replace"}]
    result = list(target)
    for item in patch:
        at = next((i for i, old in enumerate(result) if old.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item.get(key)]
        elif at is None:
            result.append(item)
        else:
            result[at] = strategic_merge(result[at], item)
    return result
