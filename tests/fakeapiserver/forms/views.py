"""Other forms of objects and lists: Table, and metadata only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any, Callable, Optional

from ..vocabulary.fielderrors import invalid
from ..vocabulary.objects import Object
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure, bad_request
from .negotiate import MediaType
from .printercolumns import age, cell

NAME_COLUMN = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": (
        "Name must be unique within a namespace. Is required when creating resources, although some resources may "
        "allow a client to request the generation of an appropriate name automatically. Name is primarily intended for "
        "creation idempotence and configuration definition. Cannot be updated. More info: "
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
    ),
    "priority": 0,
}
AGE_COLUMN = {
    "name": "Age",
    "type": "date",
    "format": "",
    "description": (
        "CreationTimestamp is a timestamp representing the server time when this object was created. It is not "
        "guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It "
        "is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More "
        "info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
    ),
    "priority": 0,
}
Cell = Callable[[Object, str], Any]  # an object, and the time that it is


def partial_metadata(obj: Object, version: str) -> Object:
    """The object's metadata alone."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj.get("metadata", {}),
    }


def partial_metadata_list(items: Iterable[Object], metadata: Object, version: str) -> Object:
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": _omit_empty(metadata),
        "items": [partial_metadata(item, version) for item in items] or None,  # nothing appended is null in Go
    }


def _omit_empty(metadata: Object) -> Object:
    return {key: value for key, value in metadata.items() if value not in ("", None)}


def table(
    resource: ResourceType,
    items: Iterable[Object],
    metadata: Object,
    media: MediaType,
    include: str,
    now: str,
    headings: bool = True,
) -> Object:
    """A Table of the items; ``include`` says what each row shows of its object: None, Metadata or Object."""
    columns = table_columns(resource)
    result: Object = {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{media.view_version}",
        "metadata": _omit_empty(metadata),
    }
    result["columnDefinitions"] = [definition for definition, _ in columns] if headings else None
    result["rows"] = [_row(item, columns, include, media.view_version, now) for item in items]
    return result


def _row(item: Object, columns: list[tuple[Object, Cell]], include: str, version: str, now: str) -> Object:
    row: Object = {"cells": [cell(item, now) for _, cell in columns]}
    if include == "Object":
        row["object"] = item
    else:
        row["object"] = partial_metadata(item, version) if include == "Metadata" else None
    return row


def include_object(value: Optional[str], media: MediaType) -> str:
    """The ``includeObject`` parameter; raises 400 for one that is not known, where a Table is asked for."""
    policy = value or "Metadata"
    if media.view == "Table" and policy not in ("None", "Metadata", "Object"):
        cause = invalid("includeObject", policy, "must be 'Metadata', 'Object', 'None', or empty")
        raise bad_request(f"Unable to convert to Table as requested: includeObject: {cause['message']}")
    return policy


def not_a_list() -> APIFailure:
    """What asking for the metadata of a single object's items gets."""
    return APIFailure(500, "", "content is not a list")


# columns


def table_columns(resource: ResourceType) -> list[tuple[Object, Cell]]:
    """The columns of a kind: the CRD's own, those kubectl knows of a builtin kind, else name and age."""
    columns: list[tuple[Object, Cell]] = [(NAME_COLUMN, lambda obj, now: obj["metadata"]["name"])]
    if resource.columns:
        return columns + [(_definition(column), partial(cell, column)) for column in resource.columns]
    if not resource.custom and resource.plural in BUILTIN_COLUMNS:
        return [(_plain_column(name), cell) for name, cell in BUILTIN_COLUMNS[resource.plural]]
    return [*columns, (AGE_COLUMN, _age)]


def _plain_column(name: str) -> Object:
    known = {"Name": NAME_COLUMN, "Age": AGE_COLUMN}.get(name, {"description": ""})
    return {"name": name, "format": "", "priority": int(name in WIDE), **known, "type": "string"}


def _definition(column: Object) -> Object:
    description = (
        column.get("description") or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}"
    )
    return {
        "name": column["name"],
        "type": column["type"],
        "format": column.get("format", ""),
        "description": description,
        "priority": column.get("priority", 0),
    }


def _containers(pod: Object) -> list[Object]:
    found: list[Object] = (pod.get("status") or {}).get("containerStatuses") or []
    return found


def _ready(pod: Object, now: str) -> str:
    total = len((pod.get("spec") or {}).get("containers") or ())
    return f"{sum(1 for status in _containers(pod) if status.get('ready'))}/{total}"


def _pod_status(pod: Object, now: str) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    initializing = _init_status(pod)
    if initializing:
        return initializing
    for status in _containers(pod):
        state = status.get("state") or {}
        for kind in ("waiting", "terminated"):
            if (state.get(kind) or {}).get("reason"):
                return str(state[kind]["reason"])
    return str((pod.get("status") or {}).get("phase", "Pending"))


def _init_status(pod: Object) -> str:
    """How far the init containers are, ``Init:0/1``; empty once all have ended well."""
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
    for index, status in enumerate(statuses):
        state = status.get("state") or {}
        if (state.get("terminated") or {}).get("exitCode") == 0:
            continue
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason", "PodInitializing")
        return f"Init:{index}/{len(statuses)}" if reason == "PodInitializing" else f"Init:{reason}"
    return ""


def _restarts(pod: Object, now: str) -> str:
    return str(sum(status.get("restartCount", 0) for status in _containers(pod)))


def _involved(event: Object, now: str) -> str:
    subject = event.get("involvedObject") or {}
    return f"{str(subject.get('kind', '')).lower()}/{subject.get('name', '')}"


def _field(*path: str, default: str = "") -> Cell:
    """A column that shows a field."""

    def cell(obj: Object, now: str) -> Any:
        value: Any = obj
        for name in path:
            value = (value or {}).get(name)
        return default if value is None else value

    return cell


def _size(name: str) -> Cell:
    return lambda obj, now: len(obj.get(name) or {})


def _age(obj: Object, now: str) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _last_seen(event: Object, now: str) -> str:
    return age(event.get("lastTimestamp") or event["metadata"].get("creationTimestamp"), now)


def _number(*path: str) -> Cell:
    return _field(*path, default="0")


def _deployment_ready(deployment: Object, now: str) -> str:
    ready = (deployment.get("status") or {}).get("readyReplicas", 0)
    return f"{ready}/{(deployment.get('spec') or {}).get('replicas', 1)}"


def _template_field(name: str) -> Cell:
    """A field of the containers of a template, joined."""

    def cell(obj: Object, now: str) -> str:
        containers = obj["spec"]["template"]["spec"].get("containers") or []
        return ",".join(str(each.get(name, "")) for each in containers)

    return cell


def _selector(obj: Object, now: str) -> str:
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


_TEMPLATE: tuple[tuple[str, Cell], ...] = (
    ("Containers", _template_field("name")),
    ("Images", _template_field("image")),
    ("Selector", _selector),
)
_NAME: tuple[str, Cell] = ("Name", _field("metadata", "name"))
_AGE: tuple[str, Cell] = ("Age", _age)
WIDE = (  # shown by kubectl get -o wide alone
    *("IP", "Node", "Nominated Node", "Readiness Gates"),
    *(name for name, _ in _TEMPLATE),
)
BUILTIN_COLUMNS: dict[str, tuple[tuple[str, Cell], ...]] = {
    "pods": (
        _NAME,
        ("Ready", _ready),
        ("Status", _pod_status),
        ("Restarts", _restarts),
        _AGE,
        ("IP", _field("status", "podIP", default="<none>")),
        ("Node", _field("spec", "nodeName", default="<none>")),
        ("Nominated Node", _field("status", "nominatedNodeName", default="<none>")),
        ("Readiness Gates", lambda pod, now: "<none>"),
    ),
    "deployments": (
        _NAME,
        ("Ready", _deployment_ready),
        ("Up-to-date", _number("status", "updatedReplicas")),
        ("Available", _number("status", "availableReplicas")),
        _AGE,
        *_TEMPLATE,
    ),
    "replicasets": (
        _NAME,
        ("Desired", _number("spec", "replicas")),
        ("Current", _number("status", "replicas")),
        ("Ready", _number("status", "readyReplicas")),
        _AGE,
        *_TEMPLATE,
    ),
    "namespaces": (_NAME, ("Status", _field("status", "phase")), _AGE),
    "events": (
        ("Last Seen", _last_seen),
        ("Type", _field("type")),
        ("Reason", _field("reason")),
        ("Object", _involved),
        ("Message", _field("message")),
    ),
    "configmaps": (_NAME, ("Data", _size("data")), _AGE),
    "secrets": (_NAME, ("Type", _field("type", default="Opaque")), ("Data", _size("data")), _AGE),
    "customresourcedefinitions": (_NAME, ("Created At", _field("metadata", "creationTimestamp"))),
}


def encode_view(obj: Object) -> bytes:
    """A typed object as the API writes it: in the order of its fields."""
    return json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
