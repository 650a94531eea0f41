"""ObjectMeta: the metadata every Kubernetes object has, as a view over the raw JSON.

An :class:`ObjectMeta` has no state besides that JSON, so what it does not know (managedFields, new
fields) is never lost. On its own it describes an object to be created; as ``server.metadata`` it
reads and writes through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional, Union

from ... import arguments
from ...transport.names import validate_generate_name, validate_name, validate_namespace
from .jsonvalue import copy_json

if TYPE_CHECKING:
    import datetime

SERVER_OWNED = (
    "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "managedFields", "selfLink",
)  # fmt: skip
"""Fields that only the server sets: an object to be created must not have them."""

_TIME = re.compile(r"([0-9-]{10}T[0-9:]{8})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})")

_STRING_MAPS = ("labels", "annotations")
COLLECTIONS = ("labels", "annotations", "finalizers", "ownerReferences")


class ObjectMeta:
    """Standard object metadata (Kubernetes API reference, "ObjectMeta").

    Args:
        name: unique within the namespace; RFC 1123 subdomain of at most 253 characters.
        namespace: RFC 1123 label; default: that of the active context. None for cluster-scoped
            kinds.
        labels, annotations: string to string.
        generate_name: prefix of a name that the server makes up when ``name`` is not given.
        finalizers: names of what must be done before the object can be deleted.
        owner_references: objects with which this one is deleted, as in the API (camelCase keys).

    Raises:
        ValueError: a name that the API server would refuse.
    """

    __slots__ = ("_raw",)

    def __init__(
        self,
        name: Optional[str] = None,
        namespace: Optional[str] = None,
        labels: Optional[Mapping[str, str]] = None,
        annotations: Optional[Mapping[str, str]] = None,
        generate_name: Optional[str] = None,
        finalizers: Optional[list[str]] = None,
        owner_references: Optional[list[dict[str, Any]]] = None,
    ) -> None:
        self._raw: dict[str, Any] = {}
        if name is not None:
            self._raw["name"] = validate_name(name)
        if generate_name is not None:
            self._raw["generateName"] = validate_generate_name(generate_name)
        if namespace is not None:
            self._raw["namespace"] = validate_namespace(namespace)
        given = zip(COLLECTIONS, (labels, annotations, finalizers, owner_references))
        checked = {
            key: _checked_collection(value, key) for key, value in given if value is not None
        }
        self._raw.update({key: value for key, value in checked.items() if value})

    @classmethod
    def over(cls, raw: dict[str, Any]) -> ObjectMeta:
        """A view over ``raw``: no copy is made."""
        view = cls.__new__(cls)
        view._raw = raw
        return view

    # -- what the user sets -----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The object's name; ``""`` for one whose name the server is still to make up."""
        return self._raw.get("name") or ""

    @name.setter
    def name(self, value: str) -> None:
        self._raw["name"] = validate_name(value)

    @property
    def namespace(self) -> Optional[str]:
        """The namespace; None: that of the active context, or the object is cluster-scoped."""
        return self._raw.get("namespace")

    @namespace.setter
    def namespace(self, value: Optional[str]) -> None:
        if value is not None:
            validate_namespace(value)
        self._set("namespace", value)

    @property
    def generate_name(self) -> Optional[str]:
        """The prefix of a name that the server makes up when there is no ``name``."""
        return self._raw.get("generateName")

    @generate_name.setter
    def generate_name(self, value: Optional[str]) -> None:
        if value is not None:
            validate_generate_name(value)
        self._set("generateName", value)

    @property
    def labels(self) -> dict[str, str]:
        """The labels, live: ``metadata.labels["team"] = "red"`` is in the object."""
        labels: dict[str, str] = self._collection("labels", {})
        return labels

    @labels.setter
    def labels(self, value: Optional[Mapping[str, str]]) -> None:
        self._set_collection("labels", value)

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations, live."""
        annotations: dict[str, str] = self._collection("annotations", {})
        return annotations

    @annotations.setter
    def annotations(self, value: Optional[Mapping[str, str]]) -> None:
        self._set_collection("annotations", value)

    @property
    def finalizers(self) -> list[str]:
        """The finalizers, live."""
        finalizers: list[str] = self._collection("finalizers", [])
        return finalizers

    @finalizers.setter
    def finalizers(self, value: Optional[list[str]]) -> None:
        self._set_collection("finalizers", value)

    @property
    def owner_references(self) -> list[dict[str, Any]]:
        """The owner references as in the API, live."""
        references: list[dict[str, Any]] = self._collection("ownerReferences", [])
        return references

    @owner_references.setter
    def owner_references(self, value: Optional[list[dict[str, Any]]]) -> None:
        self._set_collection("ownerReferences", value)

    # -- what the server sets ---------------------------------------------------------------------

    @property
    def uid(self) -> Optional[str]:
        """The identity of this very object; an earlier or later one of its name has another."""
        return self._raw.get("uid")

    @property
    def resource_version(self) -> Optional[str]:
        """The version of the object as read; opaque."""
        return self._raw.get("resourceVersion")

    @property
    def generation(self) -> Optional[int]:
        """Counts the changes of the desired state."""
        return self._raw.get("generation")

    @property
    def creation_timestamp(self) -> Optional[datetime.datetime]:
        """When it was created, as an aware datetime in UTC."""
        return parse_time(self._raw.get("creationTimestamp"))

    @property
    def deletion_timestamp(self) -> Optional[datetime.datetime]:
        """When its deletion was requested, if it was; aware, in UTC."""
        return parse_time(self._raw.get("deletionTimestamp"))

    def to_dict(self) -> dict[str, Any]:
        """The metadata as in the API: a copy, all of it, without empty collections."""
        raw: dict[str, Any] = copy_json(self._raw, "metadata")
        return {key: value for key, value in raw.items() if value or key not in COLLECTIONS}

    def __repr__(self) -> str:
        keys = ("name", "generateName", "namespace", "uid", "resourceVersion")
        shown = [f"{key}={self._raw[key]!r}" for key in keys if self._raw.get(key)]
        return f"ObjectMeta({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectMeta):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def _collection(self, key: str, empty: Any) -> Any:
        value = self._raw.get(key)
        if value is None:
            value = self._raw[key] = empty
        return value

    def _set_collection(self, key: str, value: Any) -> None:
        checked = None
        if value is not None:
            checked = _checked_collection(value, key) or None
        self._set(key, checked)

    def _set(self, key: str, value: Any) -> None:
        if value is None:
            self._raw.pop(key, None)
        else:
            self._raw[key] = value


def _checked_collection(value: Any, key: str) -> Any:
    """A copy of labels, annotations, finalizers or owner references.

    Raises:
        TypeError, ValueError: the API cannot take it; the message names the entry.
    """
    field = f"metadata.{key}"
    parts: list[tuple[str, Any]]
    if key in _STRING_MAPS:
        pairs = arguments.mapping(value, field)
        parts = [(f"{field}[{name!r}]", part) for name, part in pairs.items()]
        parts += [(f"{field}: the key {name!r}", name) for name in pairs]
    elif isinstance(value, (list, tuple)):
        parts = [(f"{field}[{index}]", part) for index, part in enumerate(value)]
    else:
        raise TypeError(f"{field}: must be a list, not {type(value).__name__}")
    for where, part in parts:
        if key == "ownerReferences":
            arguments.mapping(part, where)
        elif not isinstance(part, str):
            raise TypeError(f"{where}: must be a string, not {type(part).__name__}")
    return copy_json(value, field)


def parse_time(value: Optional[str]) -> Optional[datetime.datetime]:
    """An RFC 3339 time (``2026-01-02T03:04:05.25Z``) in UTC, cut to microseconds."""
    if not value:
        return None
    import datetime

    match = _TIME.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is not a time as the API writes it (RFC 3339)")
    whole, fraction, offset = match.groups()
    moment = datetime.datetime.strptime(whole + offset, "%Y-%m-%dT%H:%M:%S%z")
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    return moment.astimezone(datetime.timezone.utc).replace(microsecond=microseconds)


Metadata = Union[ObjectMeta, Mapping[str, Any]]


def new_metadata(metadata: Metadata) -> dict[str, Any]:
    """The metadata of an object to be created: checked, and without what only the server sets.

    Raises:
        ValueError: a bad name, or neither ``name`` nor ``generate_name``. TypeError: not metadata
            at all, or a label, annotation or finalizer that is not a string.
    """
    if isinstance(metadata, ObjectMeta):
        raw = metadata.to_dict()
    elif isinstance(metadata, Mapping):
        raw = ObjectMeta.over(dict(metadata)).to_dict()
    else:
        raise TypeError(f"metadata: must be an ObjectMeta, not {type(metadata).__name__}")
    raw = {key: value for key, value in raw.items() if key not in SERVER_OWNED}
    for key in COLLECTIONS:
        if raw.get(key) is not None:
            _checked_collection(raw[key], key)
    if raw.get("name"):
        validate_name(raw["name"])
    elif raw.get("generateName"):
        validate_generate_name(raw["generateName"])
    else:
        raise ValueError("metadata.name: Required value: name or generate_name is needed")
    if raw.get("namespace") is not None:
        validate_namespace(raw["namespace"])
    return raw


def metadata_to_recreate(
    now: Mapping[str, Any], read: Mapping[str, Any], sent: Mapping[str, Any]
) -> dict[str, Any]:
    """The metadata for creating an object again: as it is now, without what others added.

    An operator knows by its own finalizer and annotations which objects it has processed: with
    them, the new object would look processed to it. ``sent`` is the metadata of the last create,
    ``read`` that of the object as it was read last; what was read and not sent, others added.
    """
    metadata = dict(now)
    for key in _STRING_MAPS:
        added = (read.get(key) or {}).keys() - (sent.get(key) or {}).keys()
        entries = (now.get(key) or {}).items()
        metadata[key] = {name: value for name, value in entries if name not in added}
    for key in ("finalizers", "ownerReferences"):
        others = [entry for entry in read.get(key) or [] if entry not in (sent.get(key) or [])]
        metadata[key] = [entry for entry in now.get(key) or [] if entry not in others]
    return {key: value for key, value in metadata.items() if value}
