"""ObjectMeta, read as its Go type would read it: what is empty or unknown is gone, what is of another type is refused.

Each struct is a table of its fields and their Go types; nulls are zero values, as everywhere in Go's JSON.
"""

from __future__ import annotations

import re
from typing import Any

from ..goish.gojson import cannot_unmarshal, type_name

Metadata = dict[str, Any]

STRING, BOOL, INT, UID, TIME, ANY = "string", "bool", "int64", "types.UID", "v1.Time", "any"
MAP = "map[string]string"

STRUCTS: dict[str, dict[str, str]] = {
    "ObjectMeta": {
        "name": STRING,
        "generateName": STRING,
        "namespace": STRING,
        "selfLink": STRING,
        "uid": UID,
        "resourceVersion": STRING,
        "generation": INT,
        "creationTimestamp": TIME,
        "deletionTimestamp": TIME,
        "deletionGracePeriodSeconds": INT,
        "labels": MAP,
        "annotations": MAP,
        "ownerReferences": "[]v1.OwnerReference",
        "finalizers": "[]string",
        "managedFields": "[]v1.ManagedFieldsEntry",
    },
    "OwnerReference": {
        "apiVersion": STRING,
        "kind": STRING,
        "name": STRING,
        "uid": UID,
        "controller": BOOL,
        "blockOwnerDeletion": BOOL,
    },
    "ManagedFieldsEntry": {
        "manager": STRING,
        "operation": "v1.ManagedFieldsOperationType",
        "apiVersion": STRING,
        "time": TIME,
        "fieldsType": STRING,
        "fieldsV1": ANY,
        "subresource": STRING,
    },
}
POINTERS = ("deletionGracePeriodSeconds", "controller", "blockOwnerDeletion")  # kept where they are zero, too
INT64 = range(-(1 << 63), 1 << 63)

LAYOUT = "2006-01-02T15:04:05Z07:00"
TIME_PARTS = (  # of the layout, and what is read for each
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d\d"),
    ("-", "-"),
    ("02", r"\d\d"),
    ("T", "T"),
    ("15", r"\d\d?"),
    (":", ":"),
    ("04", r"\d\d"),
    (":", ":"),
    ("05", r"\d\d([.,]\d+)?"),
    ("Z07:00", r"Z|[+-]\d\d:\d\d"),
)


class MetadataError(ValueError):
    """The metadata is not of ObjectMeta's form; the text is that of Go's decoder."""


def read_metadata(metadata: Any) -> tuple[Metadata, list[str]]:
    """The metadata as a Go struct would hold it: what is empty or unknown is gone; and the unknown fields' paths."""
    if metadata is None:
        return {}, []
    if not isinstance(metadata, dict):
        raise MetadataError(cannot_unmarshal(metadata, "value of type v1.ObjectMeta"))
    unknown: list[str] = []
    return _read_struct("ObjectMeta", metadata, "", unknown, "metadata."), unknown


def _read_struct(struct: str, value: dict[str, Any], path: str, unknown: list[str], shown: str) -> dict[str, Any]:
    """The struct's known fields, without those that are empty; ``path`` is Go's, ``shown`` has indices."""
    result: dict[str, Any] = {}
    for name, item in value.items():
        kind = STRUCTS[struct].get(name)
        if kind is None:
            unknown.append(f"{shown}{name}")
        elif item is not None:
            read = _read(struct, kind, item, f"{path}{name}", unknown, f"{shown}{name}")
            if read not in ("", 0, {}, []) or name in POINTERS or kind == ANY:
                result[name] = read
    return result


def _read(struct: str, kind: str, value: Any, path: str, unknown: list[str], shown: str) -> Any:
    if kind == ANY:
        return value
    if kind == MAP:
        return _read_map(struct, value, path)
    if kind.startswith("[]"):
        return _read_list(struct, kind, value, path, unknown, shown)
    if kind == TIME:
        return _read_time(value)
    if kind == INT:
        return _read_integer(struct, value, path)
    if not isinstance(value, bool if kind == BOOL else str):
        raise _wrong(struct, value, path, kind)
    return value


def _wrong(struct: str, value: Any, path: str, kind: str) -> MetadataError:
    return MetadataError(cannot_unmarshal(value, f"struct field {struct}.{path} of type {kind}"))


def _read_map(struct: str, value: Any, path: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong(struct, value, path, MAP)
    for item in value.values():
        if item is not None and not isinstance(item, str):
            raise _wrong(struct, item, path, STRING)
    return {name: item or "" for name, item in value.items()}


def _read_list(struct: str, kind: str, value: Any, path: str, unknown: list[str], shown: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(struct, value, path, kind)
    below = STRUCTS.get(kind.rpartition(".")[2])
    for item in value:
        if item is not None and not isinstance(item, dict if below else str):
            raise _wrong(struct, item, path, kind[2:])
    if below is None:
        return [item or "" for item in value]
    name = kind.rpartition(".")[2]
    return [_read_struct(name, item or {}, f"{path}.", unknown, f"{shown}[{at}].") for at, item in enumerate(value)]


def _read_integer(struct: str, value: Any, path: str) -> int:
    """An integer may be written as a float; what is none is shown with its value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in INT64:
        return value
    if type_name(value) != "number":
        raise _wrong(struct, value, path, INT)
    raise MetadataError(f"json: cannot unmarshal number {value} into Go struct field {struct}.{path} of type {INT}")


def _read_time(value: Any) -> str:
    if not isinstance(value, str):
        raise MetadataError(cannot_unmarshal(value, "value of type string"))
    rest = value
    for part, pattern in TIME_PARTS:
        read = re.match(pattern, rest)
        if read is None:
            raise MetadataError(f'parsing time "{value}" as "{LAYOUT}": cannot parse "{rest}" as "{part}"')
        rest = rest[read.end() :]
    if rest:
        raise MetadataError(f'parsing time "{value}": extra text: "{rest}"')
    return value
