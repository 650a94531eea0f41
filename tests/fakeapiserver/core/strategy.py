"""What the server makes of an object before it is stored: whose fields are whose, what is a change, what is valid."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

from ..apply.fieldtypes import object_type
from ..apply.managedfields import FieldManager
from ..schema.crdrules import definition_causes
from ..schema.crds import complete, not_yet_served
from ..schema.metarules import name_rule, validate_new, validate_update
from ..schema.schemavalidation import validate
from ..vocabulary.fielderrors import Cause, invalid, required
from ..vocabulary.names import path_segment_errors
from ..vocabulary.objects import Object
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure
from ..vocabulary.status import invalid as invalid_object

EVENT_FIELDS: dict[str, Any] = {  # written even where they are empty
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}
GENERATION = ("pods", "customresourcedefinitions", "persistentvolumeclaims", "deployments", "replicasets")


@lru_cache(maxsize=512)
def field_manager(resource: ResourceType, subresource: str) -> FieldManager:
    """The manager of a resource's fields, or of its status."""
    ignored: tuple[tuple[str, ...], ...] = ()
    if subresource == "status":
        ignored = (("f:spec",), ("f:metadata",), ("f:apiVersion",), ("f:kind",))
    elif resource.custom and resource.has_subresource("status"):
        ignored = (("f:status",),)
    return FieldManager(object_type(resource.schema), resource.api_version, resource.kind, subresource, ignored)


def prepare_create(resource: ResourceType, obj: Object) -> None:
    """Drop what the creator may not set."""
    if resource.has_subresource("status") and resource.plural not in ("namespaces", "pods"):
        obj.pop("status", None)
    if resource.custom or resource.plural in GENERATION:
        obj["metadata"]["generation"] = 1
    if resource.plural == "customresourcedefinitions":
        complete(obj)
        obj["status"] = not_yet_served(obj)
    if resource.plural == "secrets":
        _fold_string_data(obj)
    if resource.plural == "events":
        obj.update({name: obj.get(name, default) for name, default in EVENT_FIELDS.items()})
    if resource.plural == "pods":
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    if resource.plural == "namespaces":
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}


def _fold_string_data(secret: Object) -> None:
    """What is given as text is kept in base64."""
    text = secret.pop("stringData", None) or {}
    if text:
        encoded = {name: base64.b64encode(str(value).encode()).decode() for name, value in text.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}
    secret.setdefault("type", "Opaque")


def prepare_update(resource: ResourceType, subresource: str, old: Object, new: Object) -> Object:
    """The object to store: the server's fields from the old one, the status or the rest kept, generation counted."""
    metadata = new["metadata"]
    if not new.get("apiVersion"):
        why = "Object 'apiVersion' is missing in 'object has no apiVersion field'"
        raise APIFailure(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})
    _keep(metadata, old["metadata"])
    if subresource == "status":
        return _status_only(resource, old, new)
    if resource.has_subresource("status"):
        _copy(old, new, "status")
    if resource.custom or resource.plural in GENERATION:
        changed = _content(resource, new) != _content(resource, old)
        metadata["generation"] = old["metadata"].get("generation", 0) + (1 if changed else 0)
    return new


def _keep(metadata: Object, old: Object) -> None:
    """What an update cannot change, and what it says nothing about."""
    for name in ("generation", "creationTimestamp"):
        _copy(old, metadata, name)
    if not metadata.get("uid"):
        _copy(old, metadata, "uid")
    if "deletionTimestamp" in old:
        metadata["deletionTimestamp"] = old["deletionTimestamp"]
        if "deletionGracePeriodSeconds" not in metadata:
            _copy(old, metadata, "deletionGracePeriodSeconds")


def _copy(source: Object, target: Object, name: str) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


def _status_only(resource: ResourceType, old: Object, new: Object) -> Object:
    kept = {**old, "metadata": dict(old["metadata"])}
    if not resource.custom:  # builtin kinds let a status update change labels and annotations
        kept["metadata"] = {**new["metadata"], "generation": old["metadata"].get("generation")}
        if kept["metadata"]["generation"] is None:
            del kept["metadata"]["generation"]
    _copy(new, kept, "status")
    _copy(new["metadata"], kept["metadata"], "managedFields")
    return kept


def _content(resource: ResourceType, obj: Object) -> dict[str, Any]:
    """What counts for the generation: all but metadata; of builtin kinds the spec."""
    if not resource.custom:
        return {"spec": obj.get("spec")}
    return {name: value for name, value in obj.items() if name != "metadata"}


def validate_create(resource: ResourceType, obj: Object) -> None:
    """Raise 422 with all causes."""
    causes = type_causes(resource, obj)
    if not causes:
        causes = list(validate_new(obj["metadata"], resource.namespaced, name_rule(resource.plural)))
        causes += _content_causes(resource, obj)
    refuse(obj, causes)


def validate_change(resource: ResourceType, new: Object, old: Object) -> None:
    """Raise 422 with all causes; metadata is checked as if new, as changed, and once more by the kind's own rules."""
    changed = list(validate_update(new["metadata"], old["metadata"]))
    causes = [*validate_new(new["metadata"], resource.namespaced, path_segment_errors), *changed]
    wrong_type = type_causes(resource, new)
    if wrong_type:
        causes += wrong_type
    else:
        causes += changed
        causes += _content_causes(resource, new)
    refuse(new, causes)


def _content_causes(resource: ResourceType, obj: Object) -> list[Cause]:
    if resource.plural == "customresourcedefinitions":
        return definition_causes(obj)
    if resource.plural == "pods" and not (obj.get("spec") or {}).get("containers"):
        return [required("spec.containers")]
    return validate(obj, resource.schema) if resource.schema else []


def type_causes(resource: ResourceType, obj: Object) -> list[Cause]:
    causes = []
    if obj.get("kind") != resource.kind:
        causes.append(invalid("kind", obj.get("kind") or "", f"must be {resource.kind}"))
    if obj.get("apiVersion") != resource.api_version:
        causes.append(invalid("apiVersion", obj.get("apiVersion") or "", f"must be {resource.api_version}"))
    return causes


def refuse(obj: Object, causes: list[Cause]) -> None:
    if causes:
        raise failure(obj, causes)


def failure(obj: Object, causes: list[Cause]) -> APIFailure:
    """422 in the name of the object's own kind, whatever the path said."""
    group = obj.get("apiVersion", "").rpartition("/")[0]
    return invalid_object(group, obj.get("kind", ""), obj["metadata"].get("name", ""), causes)
