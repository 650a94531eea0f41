"""Types of fields, as ownership sees them: what is merged field by field, and what is owned as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from ..schema.schema import PRESERVE, Schema
from ..schema.schemavalidation import INT_OR_STRING

ATOMIC, SET, MAP = "atomic", "set", "map"


@dataclass(frozen=True)
class FieldType:
    """A scalar, a map (``fields`` and ``element``) or a list; ``deduced`` takes the form of whatever is there."""

    scalar: str = ""  # "string", "numeric", "boolean", "untyped"
    fields: dict[str, FieldType] = field(default_factory=dict, hash=False)
    element: Optional[FieldType] = None
    is_map: bool = False
    atomic: bool = False
    list_kind: str = ""
    keys: tuple[str, ...] = ()
    item: Optional[FieldType] = None
    deduced: bool = False
    defaulted: bool = False

    def form(self, value: Any) -> str:
        """``scalar``, ``map`` or ``list``: what a value of this type is treated as."""
        if not self.deduced:
            return "map" if self.is_map else "list" if self.list_kind else "scalar"
        return "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"

    def child(self, name: str) -> Optional[FieldType]:
        """The type of a map's field; None if none is declared."""
        return self.fields.get(name, DEDUCED if self.deduced else self.element)

    def declares(self, name: str) -> bool:
        return name in self.fields


DEDUCED = FieldType(deduced=True, list_kind="", atomic=False)
STRING = FieldType(scalar="string")
UNTYPED = FieldType(scalar="untyped")
STRINGS = FieldType(is_map=True, element=STRING)

BOOLEAN = FieldType(scalar="boolean")
OWNER_REFERENCE = FieldType(
    is_map=True,
    atomic=True,
    fields={
        **dict.fromkeys(("apiVersion", "kind", "name", "uid"), STRING),
        **dict.fromkeys(("controller", "blockOwnerDeletion"), BOOLEAN),
    },
)
METADATA_STRINGS = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
)
METADATA = FieldType(
    is_map=True,
    fields={
        **dict.fromkeys(METADATA_STRINGS, STRING),
        "generation": FieldType(scalar="numeric"),
        "deletionGracePeriodSeconds": FieldType(scalar="numeric"),
        "labels": STRINGS,
        "annotations": STRINGS,
        "finalizers": FieldType(list_kind=SET, item=STRING),
        "ownerReferences": FieldType(list_kind=MAP, keys=("uid",), item=OWNER_REFERENCE),
        "managedFields": FieldType(list_kind=ATOMIC, item=UNTYPED),
    },
)
SCALARS = {"string": "string", "integer": "numeric", "number": "numeric", "boolean": "boolean"}


def object_type(schema: Optional[Schema]) -> FieldType:
    """The type of a whole object; without a schema everything but its metadata is deduced."""
    head = {"apiVersion": STRING, "kind": STRING, "metadata": METADATA}
    if schema is None:
        return FieldType(is_map=True, fields=head, element=DEDUCED)
    root = from_schema(schema)
    return FieldType(is_map=True, fields={**root.fields, **head}, element=root.element)


def from_schema(schema: Schema) -> FieldType:
    kind = schema.get("type")
    if schema.get(INT_OR_STRING):
        return UNTYPED
    if kind == "object":
        return _map_type(schema)
    if kind == "array":
        return FieldType(
            list_kind=schema.get("x-kubernetes-list-type", ATOMIC),
            keys=tuple(schema.get("x-kubernetes-list-map-keys") or ()),
            item=from_schema(schema.get("items") or {}),
        )
    return FieldType(scalar=SCALARS[kind], defaulted="default" in schema) if kind in SCALARS else DEDUCED


def _map_type(schema: Schema) -> FieldType:
    additional = schema.get("additionalProperties")
    element = from_schema(additional) if isinstance(additional, dict) else None
    if element is None and (schema.get(PRESERVE) or additional):
        element = DEDUCED
    return FieldType(
        is_map=True,
        fields={name: from_schema(child) for name, child in (schema.get("properties") or {}).items()},
        element=element,
        atomic=schema.get("x-kubernetes-map-type") == ATOMIC,
    )
