"""JSON values: copied, and checked while they are copied, so that what cannot be sent is named
before it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...arguments import is_encodable


def copy_json(value: Any, field: str = "") -> Any:
    """A deep copy of ``value`` as plain JSON: tuples become lists, mappings and typed views dicts.

    ``field`` names what a caller has given; without it, text is taken as it is: a server may have
    sent it.

    Raises:
        TypeError: something in it has no JSON form. ValueError: NaN, infinity, a value that holds
            itself, text that cannot be encoded. Each says where in ``field``.
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
    """As JSON, if need be as such that can be sent: a lone surrogate has no encoding."""
    text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False)
    if sent and not is_encodable(text):
        raise ValueError(
            "holds text that cannot be encoded as UTF-8 (bytes decoded by os.fsdecode?)"
        )
    return text


def _plain(value: Any) -> Any:
    """What json does not know by itself: any mapping, and the typed views."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _complaint(value: Any, field: str, error: Exception) -> str:
    """Which part of ``value`` cannot be copied and why; found by trying its parts one by one."""
    if "Circular" in str(error):
        return f"{_circle(value, field, ()) or field or 'the object'}: holds itself"
    for path, part in _parts(value, field):
        try:
            _dumped(part)
        except (TypeError, ValueError) as closer:
            return _complaint(part, path, closer)
    return f"{field or 'the object'}: {error}"


def _circle(value: Any, path: str, around: tuple[int, ...]) -> str:
    """Where ``value`` holds something that holds it; ``""`` if it does not. ``around``: what it is
    inside of.
    """
    if id(value) in around:
        return path
    return next(
        (
            found
            for name, part in _parts(value, path)
            if (found := _circle(part, name, (*around, id(value))))
        ),
        "",
    )


def _parts(value: Any, field: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((f"{field}.{key}" if field else str(key), part) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ((f"{field}[{index}]", part) for index, part in enumerate(value))
    return iter(())
