"""JSON values: copied, and checked while they are copied, so that what cannot be sent is named before it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def copy_json(value: Any, field: str = "") -> Any:
    """A deep copy of ``value`` as plain JSON: tuples become lists, mappings and typed views dicts.

    Raises:
        TypeError: something in it has no JSON form. ValueError: NaN, infinity, or a value that holds itself. Each says
            where in ``field``.
    """
    try:
        return json.loads(json.dumps(value, default=_plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise type(error)(_complaint(value, field, error)) from None


def _plain(value: Any) -> Any:
    """What json does not know by itself: any mapping, and the typed views."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _complaint(value: Any, field: str, error: Exception) -> str:
    """Which part of ``value`` cannot be copied and why; found by trying its parts one by one."""
    for path, part in () if "Circular" in str(error) else _parts(value, field):
        try:
            json.dumps(part, default=_plain, allow_nan=False)
        except (TypeError, ValueError) as closer:
            return _complaint(part, path, closer)
    return f"{field or 'the object'}: {error}"


def _parts(value: Any, field: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((f"{field}.{key}" if field else str(key), part) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ((f"{field}[{index}]", part) for index, part in enumerate(value))
    return iter(())
