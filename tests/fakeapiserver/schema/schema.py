"""What a structural schema does to an object before it is validated: pruning, dropping nulls, filling in defaults."""

from __future__ import annotations

import copy
from typing import Any, Optional

Schema = dict[str, Any]

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
ROOT_FIELDS = ("apiVersion", "kind", "metadata")


def prune(obj: dict[str, Any], schema: Optional[Schema]) -> list[str]:
    """Remove the fields that the schema does not know; returns their paths, sorted.

    Without a schema (a version that is not served) nothing but the object's head is known.
    """
    unknown: list[str] = []
    properties = {name: {PRESERVE: True} for name in ROOT_FIELDS}
    root = {**(schema or {}), "properties": {**((schema or {}).get("properties") or {}), **properties}}
    _prune(obj, root, "", unknown)
    return sorted(unknown)


def _prune(value: Any, schema: Schema, path: str, unknown: list[str]) -> None:
    if isinstance(value, dict):
        _prune_object(value, schema, path, unknown)
    elif isinstance(value, list):
        items = schema.get("items")
        if items is not None:
            for index, item in enumerate(value):
                _prune(item, items, f"{path}[{index}]", unknown)


def _prune_object(value: dict[str, Any], schema: Schema, path: str, unknown: list[str]) -> None:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    preserve = schema.get(PRESERVE)
    for name in list(value):
        child = f"{path}.{name}" if path else name
        if schema.get(EMBEDDED) and name in ROOT_FIELDS:
            continue
        if name in properties:
            _prune(value[name], properties[name], child, unknown)
        elif additional not in (None, False):
            if isinstance(additional, dict):
                _prune(value[name], additional, child, unknown)
        elif not preserve:
            unknown.append(child)
            del value[name]


def drop_nulls(value: Any, schema: Optional[Schema]) -> None:
    """Remove nulls where the schema allows none and has no default to put in their place."""
    if schema is None:
        return
    if isinstance(value, list):
        for item in value:
            drop_nulls(item, schema.get("items"))
        return
    if not isinstance(value, dict):
        return
    for name in list(value):
        child = _child(schema, name)
        if value[name] is None and child is not None and not child.get("nullable") and "default" not in child:
            del value[name]
        else:
            drop_nulls(value[name], child)


def fill_defaults(value: Any, schema: Optional[Schema]) -> None:
    """Set what is absent (or null where null is not allowed) to the schema's defaults, all the way down."""
    if schema is None:
        return
    if isinstance(value, list):
        for item in value:
            fill_defaults(item, schema.get("items"))
        return
    if not isinstance(value, dict):
        return
    for name, child in (schema.get("properties") or {}).items():
        if "default" not in child:
            continue
        if name not in value or (value[name] is None and not child.get("nullable")):
            value[name] = copy.deepcopy(child["default"])
    for name in value:
        fill_defaults(value[name], _child(schema, name))


def _child(schema: Schema, name: str) -> Optional[Schema]:
    properties = schema.get("properties") or {}
    if name in properties:
        found: Schema = properties[name]
        return found
    additional = schema.get("additionalProperties")
    return additional if isinstance(additional, dict) else None
