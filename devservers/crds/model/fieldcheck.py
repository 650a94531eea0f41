"""Fields that the API server does not know: refused, or dropped, but never lost in silence. Pure.

With ``fieldValidation=Strict`` a server since Kubernetes 1.25 refuses a write that holds an unknown
field: with 400 for a create or an update, 422 for a patch, 500 for an apply, each in words of its
own, and the 422 quotes the whole object. All of them become one InvalidError that names the fields.
Older servers ignore the parameter and drop what they do not know: that shows when the answer is
compared with what was sent.
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
_UNCOMPARED = frozenset({"metadata", "status"})
"""What servers change on their own, and have no unknown fields in."""


def check_writing(field_manager: Optional[str], field_validation: str) -> None:
    """The arguments that every write has."""
    if field_manager is not None:
        arguments.field_manager(field_manager)
    arguments.choice(field_validation, "field_validation", FIELD_VALIDATIONS)


def as_invalid(error: APIError, what: str) -> Optional[InvalidError]:
    """The error that names the unknown fields for which ``error`` refused a write of ``what``; None
    if it did not.
    """
    fields = refused_fields(error.message)
    if not fields:
        return None
    causes = [
        {"reason": "FieldValueInvalid", "message": "unknown field", "field": name}
        for name in fields
    ]
    return InvalidError(
        f"{what} was not written: the API server does not know {told(fields)}",
        status=error.status, reason=error.reason or "Invalid", details={**error.details, "causes": causes},
        hint='correct the name (kubectl explain lists them), or pass field_validation="Warn" to have it dropped',
    )  # fmt: skip


def refused_fields(message: str) -> list[str]:
    """The fields that a refusal names."""
    strict = (
        message.rpartition("strict decoding error:")[2]
        if "strict decoding error:" in message
        else ""
    )
    found = _UNKNOWN.findall(strict)
    if "failed to create typed patch object" in message:
        found += _UNDECLARED.findall(message)
    return list(dict.fromkeys(found))


def dropped_fields(sent: Sent, stored: Mapping[str, Any]) -> list[str]:
    """The fields of ``sent`` that are not in ``stored``, the answer. A null asks for a field's
    removal.
    """
    if not isinstance(sent, Mapping):
        return dropped_by_json_patch(sent, stored)
    return list(
        _missing({key: value for key, value in sent.items() if key not in _UNCOMPARED}, stored, "")
    )


def dropped_by_json_patch(steps: Sequence[Any], stored: Mapping[str, Any]) -> list[str]:
    """The fields that a JSON patch set (its last step decides) and that are not in ``stored``, the
    answer.
    """
    last = {
        step["path"]: step.get("op")
        for step in steps
        if isinstance(step, Mapping) and "path" in step
    }
    set_ = (path for path, operation in last.items() if operation in ("add", "replace"))
    return [path for path in set_ if isinstance(path, str) and not _has(stored, path)]


def _has(stored: Any, pointer: str) -> bool:
    """Whether there is something at a JSON pointer; where that cannot be told (a list's end), there
    is.
    """
    for token in (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]):
        if not isinstance(stored, Mapping):
            return True
        if token not in stored:
            return token in _UNCOMPARED
        stored = stored[token]
    return True


def _missing(sent: Any, stored: Any, path: str) -> Iterator[str]:
    if isinstance(sent, Mapping) and isinstance(stored, Mapping):
        for key, value in sent.items():
            where = f"{path}.{key}" if path else str(key)
            if value is None:
                continue
            if key not in stored:
                yield where
            else:
                yield from _missing(value, stored[key], where)
    elif isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        for number, (mine, theirs) in enumerate(zip(sent, stored)):
            yield from _missing(mine, theirs, f"{path}[{number}]")


def told(fields: list[str]) -> str:
    """The fields, for messages."""
    shown = ", ".join(fields[:10]) + (f" and {len(fields) - 10} more" if len(fields) > 10 else "")
    return f"the field{'s' if len(fields) > 1 else ''} {shown}"
