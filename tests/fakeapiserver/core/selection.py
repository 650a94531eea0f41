"""Which objects a request's label and field selectors choose, and which fields may be selected by."""

from __future__ import annotations

from typing import Any

from ..serving.http import Request
from ..vocabulary.resources import ResourceType
from ..vocabulary.selectors import FieldTerm, Requirement, SelectorError, labels_match, parse_fields, parse_labels
from ..vocabulary.status import bad_request
from .eventlog import Stored

POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
)
EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
FIELDS = {"pods": POD_FIELDS, "events": EVENT_FIELDS, "namespaces": ("status.phase",), "secrets": ("type",)}


class Selection:
    """The objects that a request's selectors choose; raises 400 for selectors that cannot be parsed or served."""

    def __init__(self, resource: ResourceType, request: Request) -> None:
        try:
            self.labels: list[Requirement] = parse_labels(request.arg("labelSelector") or "")
            self.fields: list[FieldTerm] = parse_fields(request.arg("fieldSelector") or "")
        except SelectorError as error:
            raise bad_request(str(error)) from None
        for term in self.fields:
            _check_field(resource, term.field)

    @property
    def single(self) -> bool:
        """Is one object asked for by its name?"""
        return any(term.equal and term.field == "metadata.name" and term.value for term in self.fields)

    @property
    def empty(self) -> bool:
        return not self.labels and not self.fields

    def matches(self, stored: Stored) -> bool:
        return labels_match(self.labels, stored.labels) and all(
            (field_value(stored, term.field) == term.value) == term.equal for term in self.fields
        )


def _check_field(resource: ResourceType, label: str) -> None:
    if label in _known_fields(resource):
        return
    if resource.custom or resource.plural in FIELDS:
        raise bad_request(f"field label not supported: {label}")
    raise bad_request(f'"{label}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def _known_fields(resource: ResourceType) -> tuple[str, ...]:
    namespace = ("metadata.namespace",) if resource.namespaced or not resource.custom else ()
    own = () if resource.custom else FIELDS.get(resource.plural, ())
    return ("metadata.name", *namespace, *(path.lstrip(".") for path in resource.selectable), *own)


def field_value(stored: Stored, path: str) -> str:
    """A field as selectors compare it: text, empty if absent."""
    if path == "metadata.name":
        return stored.name
    if path == "metadata.namespace":
        return stored.namespace
    value: Any = stored.load()
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):  # an event's source is selected by its component
        return str(value.get("component", ""))
    return "" if value is None else str(value)
