"""Field errors: the causes of a 422, each with the reason and the wording of Kubernetes' ``field.Error``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Cause = dict[str, str]


ESCAPES = {"\\": "\\\\", '"': '\\"', **{chr(7 + at): f"\\{name}" for at, name in enumerate("abtnvfr")}}


def quote(text: str) -> str:
    """A string as Go's %q shows it."""
    return f'"{"".join(ESCAPES.get(letter) or _printable(letter) for letter in text)}"'


def _printable(letter: str) -> str:
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: Any) -> str:
    """A bad value as a field error shows it."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return '"null"'
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def invalid_value(value: Any, detail: str) -> str:
    return f"Invalid value: {shown(value)}: {detail}" if detail else f"Invalid value: {shown(value)}"


def _cause(reason: str, field: str, message: str) -> Cause:
    return {"reason": reason, "message": message, "field": field}


def invalid(field: str, value: Any, detail: str) -> Cause:
    return _cause("FieldValueInvalid", field, invalid_value(value, detail))


def invalid_text(field: str, text: str, detail: str) -> Cause:
    """The same of a value that knows how to show itself."""
    return _cause("FieldValueInvalid", field, f"Invalid value: {text}: {detail}")


def invalid_struct(field: str, value: Any, detail: str) -> Cause:
    """The same of a typed value, whose fields are shown in the order of their declaration."""
    return invalid_text(field, json.dumps(value, separators=(",", ":"), ensure_ascii=False), detail)


def type_invalid(field: str, value: Any, detail: str) -> Cause:
    return _cause("FieldValueTypeInvalid", field, invalid_value(value, detail))


def required(field: str, detail: str = "") -> Cause:
    return _cause("FieldValueRequired", field, f"Required value: {detail}" if detail else "Required value")


def forbidden(field: str, detail: str) -> Cause:
    return _cause("FieldValueForbidden", field, f"Forbidden: {detail}")


def duplicate(field: str, value: Any) -> Cause:
    return _cause("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}")


def not_supported(field: str, value: Any, supported: Iterable[str]) -> Cause:
    known = ", ".join(quote(item) for item in supported)
    detail = f": supported values: {known}" if known else ""
    return _cause("FieldValueNotSupported", field, f"Unsupported value: {shown(value)}{detail}")


def too_long(field: str, limit: int) -> Cause:
    unit = "byte" if limit == 1 else "bytes"
    return _cause("FieldValueTooLong", field, f"Too long: may not be more than {limit} {unit}")


def too_many(field: str, actual: int, limit: int) -> Cause:
    unit = "item" if limit == 1 else "items"
    return _cause("FieldValueTooMany", field, f"Too many: {actual}: must have at most {limit} {unit}")
