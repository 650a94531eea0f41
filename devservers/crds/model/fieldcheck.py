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
_UNCOMPARED = frozenset({"metadata", "status"})
"""Parts that servers change on their own, and in which no field is unknown to them."""


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
        compared = {key: value for key, value in sent.items() if key not in _UNCOMPARED}
        return list(_missing(compared, stored, ""))
    return _dropped_by_json_patch(sent, stored)


def _dropped_by_json_patch(steps: Sequence[Any], stored: Mapping[str, Any]) -> list[str]:
    """The fields that a JSON patch set and that are missing from ``stored``, the server's answer.

    Of several steps about one field the last one decides.
    """
    last: dict[Any, Any] = {}
    for step in steps:
        if isinstance(step, Mapping) and "path" in step:
            last[step["path"]] = step.get("op")
    written = [path for path, operation in last.items() if operation in ("add", "replace")]
    return [path for path in written if isinstance(path, str) and not _has(stored, path)]


def _has(stored: Any, pointer: str) -> bool:
    """Whether there is a value at a JSON pointer; True if uncertain (at the end of a list)."""
    for part in pointer.split("/")[1:]:
        token = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(stored, Mapping):
            return True
        if token not in stored:
            return token in _UNCOMPARED
        stored = stored[token]
    return True


def _missing(sent: Any, stored: Any, path: str) -> Iterator[str]:
    """The paths that are in ``sent`` but not in ``stored``; a null asks for a removal."""
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


def in_words(fields: list[str]) -> str:
    """The fields, for messages: the first ten by name."""
    noun = "field" if len(fields) == 1 else "fields"
    more = f" and {len(fields) - 10} more" if len(fields) > 10 else ""
    return f"the {noun} {', '.join(fields[:10])}{more}"
