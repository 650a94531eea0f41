"""Copying JSON values, and naming what cannot be sent before a request is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...arguments import is_encodable


def copy_json(value: Any, field: str = "") -> Any:
    """A deep copy of ``value`` as plain JSON: tuples become lists, mappings and typed views dicts.

    ``field`` names what a caller passed in, for messages. Without it the value may come from a
    server, and text is taken as it is.

    Raises:
        TypeError: something in it has no JSON form. ValueError: NaN, infinity, a value that
            contains itself, text that cannot be encoded. Each says where in ``field``.
    """
    try:
        return json.loads(_dumped(value, sent=bool(field)))
    except TypeError as error:
        raise TypeError(_complaint(value, field, error)) from None
    except ValueError as error:
        raise ValueError(_complaint(value, field, error)) from None
    except RecursionError:
        raise ValueError(f"{field or 'the object'}: is nested too deeply") from None


def _dumped(value: Any, *, sent: bool = True) -> str:
    """The value as JSON text; with ``sent`` one that can be encoded (a lone surrogate cannot)."""
    text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False)
    if sent and not is_encodable(text):
        raise ValueError(
            "contains text that cannot be encoded as UTF-8 (bytes decoded by os.fsdecode?)"
        )
    return text


def _plain(value: Any) -> Any:
    """``default`` of json: any mapping, and the typed views."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _complaint(value: Any, field: str, error: Exception) -> str:
    """Which part of ``value`` cannot be copied and why; found by trying its parts one by one."""
    if "Circular" in str(error):
        return f"{_circle(value, field, ()) or field or 'the object'}: contains itself"
    for path, part in _parts(value, field):
        try:
            _dumped(part)
        except (TypeError, ValueError) as closer:
            return _complaint(part, path, closer)
    return f"{field or 'the object'}: {error}"


def _circle(value: Any, path: str, around: tuple[int, ...]) -> str:
    """The path of a value that contains itself, at or below ``path``; ``""`` if there is none.

    ``around`` are the ids of the containers that ``value`` is in.
    """
    if id(value) in around:
        return path
    for name, part in _parts(value, path):
        found = _circle(part, name, (*around, id(value)))
        if found:
            return found
    return ""


def _parts(value: Any, field: str) -> Iterator[tuple[str, Any]]:
    """The parts of a container, each with its path; of anything else there are none."""
    if isinstance(value, Mapping):
        prefix = f"{field}." if field else ""
        for key, part in value.items():
            yield f"{prefix}{key}", part
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield f"{field}[{index}]", part
