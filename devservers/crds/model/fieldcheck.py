"""Fields that the API server does not know: refused or warned about, never lost in silence. Pure.

With ``fieldValidation=Strict`` a server since Kubernetes 1.25 refuses a write that contains an
unknown field: with 400 for a create or an update, 422 for a patch, 500 for an apply, each worded
differently, and the 422 quotes the whole object. All of them become one InvalidError that names
the fields. Older servers ignore the parameter and drop what they do not know, which shows when the
answer is compared with what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional, Union

from ... import arguments
from ...errors import APIError, InvalidError

FIELD_VALIDATIONS = ("Strict", "Warn", "Ignore")

Sent = Union[Mapping[str, Any], Sequence[Any]]
"""The body of a write: an object or merge patch, or the steps of a JSON patch."""

_UNKNOWN = re.compile(r'unknown field "([^"]+)"')
_UNDECLARED = re.compile(r"(?:^|[\s:])\.([\w.\[\]=\"'-]+): field not declared in schema")
_METADATA_FIELDS = frozenset({
    "annotations", "clusterName", "creationTimestamp", "deletionGracePeriodSeconds",
    "deletionTimestamp", "finalizers", "generateName", "generation", "initializers", "labels",
    "managedFields", "name", "namespace", "ownerReferences", "resourceVersion", "selfLink", "uid",
})  # fmt: skip
"""Every field that ObjectMeta has had: servers change these on their own."""

Path = tuple[Union[str, int], ...]
"""The keys, and in lists the positions, that lead to a field."""


def check_writing(field_manager: Optional[str], field_validation: str) -> None:
    """Check the arguments that every write takes."""
    if field_manager is not None:
        arguments.field_manager(field_manager)
    arguments.choice(field_validation, "field_validation", FIELD_VALIDATIONS)


def as_invalid(error: APIError, what: str) -> Optional[InvalidError]:
    """``error`` as one that names the unknown fields; None if it was not about unknown fields.

    ``what`` names the object that was to be written.
    """
    fields = refused_fields(error.message)
    if not fields:
        return None
    causes = [
        {"reason": "FieldValueInvalid", "message": "unknown field", "field": name}
        for name in fields
    ]
    return InvalidError(
        f"{what} was not written: the API server does not know {in_words(fields)}",
        status=error.status, reason=error.reason or "Invalid",
        details={**error.details, "causes": causes},
        hint="correct the name (kubectl explain lists the fields), or pass "
        'field_validation="Warn" to have it dropped',
    )  # fmt: skip


def refused_fields(message: str) -> list[str]:
    """The fields that a refusal names."""
    _, strict, listed = message.rpartition("strict decoding error:")
    found = _UNKNOWN.findall(listed) if strict else []
    if "failed to create typed patch object" in message:
        found += _UNDECLARED.findall(message)
    return list(dict.fromkeys(found))


def dropped_fields(sent: Sent, stored: Mapping[str, Any]) -> list[str]:
    """The fields of ``sent`` that are missing from ``stored``, the server's answer."""
    if isinstance(sent, Mapping):
        return ["".join(map(_dotted, path))[1:] for path in _missing(sent, [stored], ())]
    return _dropped_by_json_patch(sent, stored)


def _dotted(part: Union[str, int]) -> str:
    return f".{part}" if isinstance(part, str) else f"[{part}]"


def _missing(sent: Any, found: Sequence[Any], path: Path) -> Iterator[Path]:
    """The paths below ``path`` that ``sent`` has and none of ``found`` has.

    A server may have put the items of a list in another order, or among others. But it drops a
    field that it does not know from all of them, so an item is compared with all of the list: that
    is why there may be several in ``found``. A null asks for a removal.
    """
    if isinstance(sent, Mapping):
        there = [each for each in found if isinstance(each, Mapping)]
        for key, value in sent.items():
            where = (*path, key)
            values = [each[key] for each in there if key in each]
            if value is None or not there:
                continue
            if values:
                yield from _missing(value, values, where)
            elif _is_compared(where):
                yield where
    elif isinstance(sent, list):
        items = _items_of(found)
        for number, value in enumerate(sent):
            yield from _missing(value, items, (*path, number))


def _items_of(found: Sequence[Any]) -> list[Any]:
    return [item for each in found if isinstance(each, list) for item in each]


def _is_compared(path: Path) -> bool:
    """False for what servers change on their own: the status, and what they know of metadata."""
    if path[0] != "metadata":
        return path[0] != "status"
    if len(path) == 1:
        return False
    return path[1] not in _METADATA_FIELDS or (path[1] == "ownerReferences" and len(path) > 2)


def _dropped_by_json_patch(steps: Sequence[Any], stored: Mapping[str, Any]) -> list[str]:
    """The fields that a JSON patch set and that are missing from ``stored``, as JSON pointers.

    The steps are read from the last to the first: what a later one has changed is not compared.
    """
    dropped: list[Path] = []
    changed: list[Path] = []
    for step in reversed(steps):
        if not isinstance(step, Mapping) or not isinstance(step.get("path"), str):
            continue
        operation, path = step.get("op"), _tokens(step["path"])
        if operation in ("add", "replace", "copy", "move"):
            # Of what was copied or moved only the place is known.
            missing = _missing_at(path, step.get("value", ""), stored)
            written = [each for each in missing if not _is_below(changed, each, stored)]
            dropped = written + dropped
        if operation == "move":
            changed.append(_place(_tokens(str(step.get("from"))), stored))
        place = _place(path, stored)
        inserts = operation in ("add", "copy", "move") and place[-1:] == ("*",)
        if operation != "test" and not inserts:
            changed.append(place)
    return ["".join(map(_as_token, path)) for path in dropped]


def _tokens(pointer: str) -> Path:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def _as_token(part: Union[str, int]) -> str:
    return "/" + str(part).replace("~", "~0").replace("/", "~1")


def _step_into(found: Sequence[Any], part: Union[str, int]) -> list[Any]:
    """What is one step below ``found``; below a list all of its items (see :func:`_missing`)."""
    inside = [each[part] for each in found if isinstance(each, Mapping) and part in each]
    return inside + _items_of(found)


def _missing_at(path: Path, value: Any, stored: Any) -> Iterator[Path]:
    """What is missing of ``value``, which was put at ``path``: all of it, or fields inside it."""
    found: Sequence[Any] = [stored]
    for depth, part in enumerate(path, start=1):
        inside = _step_into(found, part)
        if not inside:
            in_mapping = any(isinstance(each, Mapping) for each in found)
            if value is not None and in_mapping and _is_compared(path[:depth]):
                yield path
            return
        found = inside
    yield from _missing(value, found, path)


def _place(path: Path, stored: Any) -> Path:
    """``path`` with ``*`` for every position in a list."""
    place: list[Union[str, int]] = []
    found: Sequence[Any] = [stored]
    for part in path:
        in_list = isinstance(part, int) or any(isinstance(each, list) for each in found)
        place.append("*" if in_list else part)
        found = _step_into(found, part)
    return tuple(place)


def _is_below(changed: Sequence[Path], path: Path, stored: Any) -> bool:
    place = _place(path, stored)
    return any(place[: len(each)] == each for each in changed)


def in_words(fields: list[str]) -> str:
    """The fields, for messages: the first ten by name."""
    noun = "field" if len(fields) == 1 else "fields"
    more = f" and {len(fields) - 10} more" if len(fields) > 10 else ""
    return f"the {noun} {', '.join(fields[:10])}{more}"
