"""The columns that a custom resource's definition adds to its Tables: a JSONPath each, and how its value is shown.

A path yields any number of values, of which a cell shows the first. What is missing, of another type than the column
or beyond an array's end leaves the cell empty (null); a ``string`` column shows anything, as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Callable, Optional

from ..vocabulary.objects import encode

Step = Callable[[Any], list[Any]]

_STEP = re.compile(
    r"""
    \.?(?P<all>\*) | \.(?P<name>(?:\\.|[^.\[\]\\])+)
    | \[(?P<quoted>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")\]
    | \[\?\((?P<filter>.*?)\)\]
    | \[(?P<index>-?\d+|\*|-?\d*:-?\d*(?::\d*)?)\]
    """,
    re.VERBOSE,
)
_CONDITION = re.compile(r"@(?P<path>[^=!<>\s]*)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>.+))?")
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


class NoValue(Exception):
    """The path does not fit the object."""


def find(path: str, obj: Any) -> list[Any]:
    """The values that a path leads to; raises :class:`NoValue` where it asks an array's part of something else."""
    values = [obj]
    for step in _steps(path):
        values = [found for value in values for found in step(value)]
    return values


def _steps(path: str) -> Iterator[Step]:
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise NoValue(path)
        yield _step(match)
        at = match.end()


def _step(match: re.Match[str]) -> Step:
    name = match["name"] or (match["quoted"] or "")[1:-1]
    if match["filter"] is not None:
        return _filter(match["filter"])
    if match["all"] or match["index"] == "*":
        return _all
    if match["index"] is not None:
        return _slice(match["index"])
    plain = re.sub(r"\\(.)", r"\1", name)
    return lambda value: [value[plain]] if isinstance(value, dict) and plain in value else []


def _all(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NoValue("not an array")
    return value


def _slice(text: str) -> Step:
    if ":" in text:
        part = slice(*(int(number) if number else None for number in text.split(":")))
        return lambda value: _array(value)[part]
    index = int(text)

    def one(value: Any) -> list[Any]:
        if not -len(_array(value)) <= index < len(value):
            raise NoValue("beyond the array")
        return [value[index]]

    return one


def _filter(text: str) -> Step:
    condition = _CONDITION.fullmatch(text.strip())
    if condition is None:
        raise NoValue(text)
    path, operator, wanted = condition["path"], condition["operator"], _literal(condition["value"] or "")

    def holds(item: Any) -> bool:
        found = find(path, item)
        if not operator or not found:
            return bool(found)
        if type(found[0]) is not type(wanted):
            raise NoValue("incompatible types for comparison")
        return _COMPARED[operator](found[0], wanted)

    return lambda value: [item for item in _array(value) if holds(item)]


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"'):
        return text.strip()[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def cell(column: dict[str, Any], obj: Any, now: str) -> Any:
    """What a column shows of an object; ``now`` is the time, for ages."""
    try:
        found = find(column["jsonPath"], obj)
    except NoValue:
        return None
    if not found:
        return None
    return _text(found[0]) if column["type"] == "string" else _typed(column["type"], found[0], now)


def _text(value: Any) -> str:
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    return encode(value).decode() if isinstance(value, (dict, list)) else str(value)


def go_float(value: float) -> str:
    """As Go's %v writes it: the shortest digits, with an exponent from 1e21 and below 1e-4."""
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def _typed(kind: str, value: Any, now: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "integer":
        return int(value) if number else None
    if kind == "number":
        return value if number else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return age(value, now) if kind == "date" and isinstance(value, str) else None


def age(text: Optional[str], now: str) -> str:
    """How long ago a time was, as kubectl shows it: ``5s``, ``2m10s``, ``3h``, ``4d``."""
    if not text or text == "null":
        return "<unknown>"
    moment = _moment(text)
    if moment is None:
        return "<invalid>"
    present = _moment(now)
    assert present is not None
    return human_duration(int((present - moment).total_seconds()))


_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(?:(Z)|([+-]\d\d:\d\d))")


def _moment(text: str) -> Optional[datetime]:
    match = _RFC3339.fullmatch(text)
    try:
        if match is None:
            return None
        moment = datetime.fromisoformat(match[1] + (match[4] or "+00:00"))
        return moment + timedelta(seconds=float(match[2] or 0))
    except ValueError:
        return None


def human_duration(seconds: int) -> str:
    if seconds < -1:
        return "<invalid>"
    seconds = max(0, seconds)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _pair(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _pair(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _pair(days // 365, "y", days % 365, "d") if days < 365 * 8 else f"{days // 365}y"


def _pair(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"
