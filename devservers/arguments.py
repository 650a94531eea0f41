"""Arguments are checked where they enter, and a wrong one is refused before any request is sent.

A wrong type is a TypeError, a wrong value a ValueError, and the message begins with the argument's
name. Each kind of argument has its rule here and nowhere else, so that every timeout means the
same. Pure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional

FIELD_MANAGER_LIMIT = 128
"""Bytes: the API server's own limit."""


def seconds(value: object, name: str) -> float:
    """A number of seconds, at least 0; infinity means no limit.

    Anything that converts to a float is one (int, Decimal, Fraction, numpy's numbers), except
    booleans, strings and timedeltas.
    """
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        advice = " (pass its total_seconds())" if hasattr(value, "total_seconds") else ""
        raise TypeError(f"{name}: must be a number of seconds, not {type(value).__name__}{advice}")
    try:
        number = float(value)
    except OverflowError:  # an int too large for a float
        number = float("inf") if value > 0 else -1.0  # type: ignore[operator]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name}: must be a number of seconds, not {type(value).__name__} ({error})"
        ) from None
    if not number >= 0:
        raise ValueError(f"{name}: must be at least 0 seconds, not {value!r}")
    return number


def timeout(value: object, name: str = "timeout") -> Optional[float]:
    """A number of seconds, at least 0; None means no limit."""
    return None if value is None else seconds(value, name)


def count(value: object, name: str, least: int) -> int:
    """A whole number, at least ``least``."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: must be a whole number, not {type(value).__name__}")
    number = int(value.__index__())
    if number < least:
        raise ValueError(f"{name}: must be at least {least}, not {number}")
    return number


def flag(value: object, name: str) -> bool:
    """True or False; other true values are mostly mistakes (``dry_run="false"``)."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}: must be True or False, not {type(value).__name__}")
    return value


def flags(**values: object) -> None:
    """Several arguments that must be True or False."""
    for name, value in values.items():
        flag(value, name)


def text(value: object, name: str) -> str:
    """A string that is not empty and can be sent."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: must be a string, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name}: must not be empty")
    return sendable(value, name)


def sendable(value: str, name: str) -> str:
    """A string that can be encoded, and so sent."""
    if not is_encodable(value):
        raise ValueError(
            f"{name}: {value!r} is not text that can be encoded as UTF-8 "
            "(bytes decoded by os.fsdecode?)"
        )
    return value


def is_encodable(text: str) -> bool:
    """Whether ``text`` has a UTF-8 encoding.

    Half of a surrogate pair has none. It comes from JSON, which can spell it, and from bytes that
    were decoded by os.fsdecode.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def choice(value: object, name: str, options: Sequence[str]) -> str:
    """One of ``options``."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name}: must be one of {', '.join(options)}, not {value!r}")
    return value


def mapping(value: object, name: str) -> Mapping[Any, Any]:
    """A dict, or another mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: must be a dict, not {type(value).__name__}")
    return value


def path(value: object, name: str) -> str:
    """A path as a string that is not empty. Paths given as bytes are refused."""
    found = value
    if hasattr(value, "__fspath__"):
        found = os.fspath(value)
    if not isinstance(found, str):
        raise TypeError(f"{name}: must be a path (str or os.PathLike), not {type(found).__name__}")
    if not found:
        raise ValueError(f"{name}: the path is empty")
    if "\0" in found:
        raise ValueError(f"{name}: the path {found!r} contains a NUL character")
    return found


def field_manager(value: object) -> str:
    """The name of a field manager, by the API server's rule."""
    name = text(value, "field_manager")
    if len(name.encode()) > FIELD_MANAGER_LIMIT or not name.isprintable():
        raise ValueError(
            f"field_manager: must be printable and no more than {FIELD_MANAGER_LIMIT} bytes, "
            f"not {name[:40]!r}"
        )
    return name
