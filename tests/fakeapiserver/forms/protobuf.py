"""Bodies in Kubernetes' protobuf form, which kubectl's typed clients send for a few builtin kinds.

A body is the magic ``k8s\\0`` and an envelope that names the kind and holds the message. Messages are read by the
field numbers of the kinds that kubectl writes so; what has no number here is not read. Answers are never protobuf:
every client that sends it takes JSON, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Union

MAGIC = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Message = dict[int, "Field"]
Field = tuple[str, Any]  # name in JSON, and how its value is read


class ProtobufError(ValueError):
    """The body is not a message of a kind that is read here."""


def text(data: bytes) -> str:
    return data.decode()


def raw_base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


class Many:
    """A repeated field."""

    def __init__(self, read: Any) -> None:
        self.read = read


class Map:
    """A map from text; its values are read by ``read``."""

    def __init__(self, read: Any = text) -> None:
        self.read = read


def _time(data: bytes) -> str:
    seconds = next((value for number, value in _fields(data) if number == 1), 0)
    assert isinstance(seconds, int)
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


OWNER_REFERENCE: Message = {
    5: ("apiVersion", text),
    1: ("kind", text),
    3: ("name", text),
    4: ("uid", text),
    6: ("controller", bool),
    7: ("blockOwnerDeletion", bool),
}
METADATA: Message = {
    1: ("name", text),
    2: ("generateName", text),
    3: ("namespace", text),
    5: ("uid", text),
    6: ("resourceVersion", text),
    7: ("generation", int),
    8: ("creationTimestamp", _time),
    9: ("deletionTimestamp", _time),
    10: ("deletionGracePeriodSeconds", int),
    11: ("labels", Map()),
    12: ("annotations", Map()),
    13: ("ownerReferences", Many(OWNER_REFERENCE)),
    14: ("finalizers", Many(text)),
}
RESOURCE_ATTRIBUTES: Message = {
    1: ("namespace", text),
    2: ("verb", text),
    3: ("group", text),
    4: ("version", text),
    5: ("resource", text),
    6: ("subresource", text),
    7: ("name", text),
}
PATH_ATTRIBUTES: Message = {1: ("path", text), 2: ("verb", text)}
ACCESS_SPEC: Message = {
    1: ("resourceAttributes", RESOURCE_ATTRIBUTES),
    2: ("nonResourceAttributes", PATH_ATTRIBUTES),
    3: ("user", text),
    4: ("groups", Many(text)),
}
KINDS: dict[str, Message] = {
    "Namespace": {
        1: ("metadata", METADATA),
        2: ("spec", {1: ("finalizers", Many(text))}),
        3: ("status", {1: ("phase", text)}),
    },
    "ConfigMap": {
        1: ("metadata", METADATA),
        2: ("data", Map()),
        3: ("binaryData", Map(raw_base64)),
        4: ("immutable", bool),
    },
    "Secret": {
        1: ("metadata", METADATA),
        2: ("data", Map(raw_base64)),
        3: ("type", text),
        4: ("stringData", Map()),
        5: ("immutable", bool),
    },
    "ServiceAccount": {1: ("metadata", METADATA)},
    "SelfSubjectAccessReview": {1: ("metadata", METADATA), 2: ("spec", ACCESS_SPEC)},
    "SubjectAccessReview": {1: ("metadata", METADATA), 2: ("spec", ACCESS_SPEC)},
    "SelfSubjectRulesReview": {1: ("metadata", METADATA), 2: ("spec", {1: ("namespace", text)})},
    "SelfSubjectReview": {1: ("metadata", METADATA)},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", int),
        2: ("preconditions", {1: ("uid", text), 2: ("resourceVersion", text)}),
        3: ("orphanDependents", bool),
        4: ("propagationPolicy", text),
        5: ("dryRun", Many(text)),
    },
}


def reads(kind: str) -> bool:
    return kind in KINDS


def decode(body: bytes) -> dict[str, Any]:
    """The object in a protobuf body; raises :class:`ProtobufError`."""
    if not body.startswith(MAGIC):
        raise ProtobufError("provided data does not appear to be a protobuf message, expected prefix 6b 38 73 00")
    envelope = dict(_fields(body[len(MAGIC) :]))
    head = _read(_message(envelope.get(1, b"")), {1: ("apiVersion", text), 2: ("kind", text)})
    kind = str(head.get("kind", ""))
    if kind not in KINDS:
        raise ProtobufError(f"the fake API server does not read protobuf of kind {kind!r}; send JSON")
    return {**head, **_read(_message(envelope.get(2, b"")), KINDS[kind])}


def _message(value: Union[int, bytes]) -> bytes:
    if not isinstance(value, bytes):
        raise ProtobufError("a message was expected")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, Union[int, bytes]]]:
    """Number and raw value of each field."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, form = tag >> 3, tag & 7
        if form == VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif form in (FIXED64, FIXED32):
            size = 8 if form == FIXED64 else 4
            yield number, data[at : at + size]
            at += size
        elif form == BYTES:
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size
        else:
            raise ProtobufError(f"wire type {form} is not known")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise ProtobufError("unexpected EOF")
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at


def _read(data: bytes, message: Message) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in message:
            continue
        name, read = message[number]
        if isinstance(read, Many):
            result.setdefault(name, []).append(_value(value, read.read))
        elif isinstance(read, Map):
            entry = dict(_fields(_message(value)))
            result.setdefault(name, {})[text(_message(entry.get(1, b"")))] = _value(entry.get(2, b""), read.read)
        else:
            shown = _value(value, read)
            if shown not in ("", {}, 0, False):  # Go writes what is empty; JSON leaves it out
                result[name] = shown
    return result


def _value(value: Union[int, bytes], read: Any) -> Any:
    return _read(_message(value), read) if isinstance(read, dict) else read(value)
