"""JSON as Go reads it: its numbers, its sentences for values of a wrong type, and the fields that were given twice.

Python's parser does the work. Where Go names the character that makes a text malformed, this says that it is malformed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from math import inf
from typing import Any, Union

# what Go's messages call the value that the head of every object is read into
TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


class JSONError(ValueError):
    """The text is no JSON, or not of the type that was wanted."""


class _Object(dict):  # type: ignore[type-arg]
    """An object that remembers which of its keys came more than once."""

    duplicates: tuple[str, ...] = ()


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    result = _Object(plain)
    seen: set[str] = set()
    result.duplicates = tuple(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return result


def load(text: bytes) -> Any:
    """Parse JSON; raises :class:`JSONError`. Bytes that are no UTF-8 are replaced, as Go does."""
    decoded = text.decode("utf-8", "replace")
    if _too_deep(decoded):
        raise JSONError("exceeded max depth")
    try:
        return json.loads(
            decoded, object_pairs_hook=_pairs, parse_constant=_refuse, parse_float=number, parse_int=integer
        )
    except JSONError:
        raise
    except ValueError:
        raise JSONError("malformed JSON") from None


DEEPEST = 300  # Go's limit is 10,000; what goes through a value level by level finds the end of Python's stack sooner
STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[]\[{}]', re.DOTALL)


def _too_deep(text: str) -> bool:
    """How deep Python's own parser goes is another matter in each version of Python."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = 0
    for found in STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > DEEPEST:
            return True
    return False


INT64 = range(-(1 << 63), 1 << 63)


def integer(text: str) -> Union[int, float]:
    """An integer of more than 64 bits is a float."""
    value = int(text)
    return value if value in INT64 else number(text)


def number(text: str) -> Union[int, float]:
    """Go writes a float without a fraction as an integer again, up to a size, with zeros behind its digits."""
    value = float(text)
    if value in (inf, -inf):
        raise JSONError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return int(Decimal(repr(value))) if value.is_integer() and abs(value) < 1e21 else value


def _refuse(name: str) -> Any:
    raise ValueError(name)


def duplicates(value: Any, path: str = "") -> Iterator[str]:
    """Paths of the fields that were given twice, in the order of the text."""
    if isinstance(value, dict):
        for key in getattr(value, "duplicates", ()):
            yield f"{path}.{key}" if path else key
        for key, item in value.items():
            yield from duplicates(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from duplicates(item, f"{path}[{index}]")


def type_name(value: Any) -> str:
    """What Go calls the kind of a JSON value in "cannot unmarshal …"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def cannot_unmarshal(value: Any, into: str) -> str:
    return f"json: cannot unmarshal {type_name(value)} into Go {into}"
