"""``spec.lifecycle.timeToLive``: how long a DevServer may live, as text such as ``1h30m``. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime

LONGEST = 2**63 // 10**9
"""Seconds, 292 years: what Go's time.Duration can hold. With a longer one the operator's own
arithmetic fails, and nothing on the cluster says so."""

_PATTERN = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_MOST_DIGITS = 15
"""More than in the longest one, and far fewer than int() refuses to read."""


def time_to_live(value: Any, field: str) -> str:
    """A timedelta as ``1h30m``; a string that is a time to live already is kept as it is."""
    if isinstance(value, str):
        parse_time_to_live(value, field)
        return value
    total = 0
    if hasattr(value, "total_seconds"):
        total = value.total_seconds()
    if total <= 0 or total != int(total):
        raise ValueError(
            f"{field}: must be '1h30m' or a positive timedelta of whole seconds, not {value!r}"
        )
    if total > LONGEST:
        raise _too_long(value, field)
    minutes, seconds = divmod(int(total), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def parse_time_to_live(value: str, field: str) -> datetime.timedelta:
    """``"1h30m"`` as a timedelta.

    Raises:
        ValueError: it is not a time to live, or longer than :data:`LONGEST`.
    """
    from datetime import timedelta

    match = _PATTERN.fullmatch(value)
    if match is None:
        raise ValueError(
            f"{field}: must be hours, minutes and seconds such as '8h' or '1h30m', not {value!r}"
        )
    digits = [part or "0" for part in match.groups()]
    if any(len(part.lstrip("0")) > _MOST_DIGITS for part in digits):
        raise _too_long(value, field)
    hours, minutes, seconds = map(int, digits)
    if hours * 3600 + minutes * 60 + seconds > LONGEST:
        raise _too_long(value, field)
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _too_long(value: object, field: str) -> ValueError:
    shown = value if isinstance(value, str) and len(value) <= 40 else "more"
    return ValueError(f"{field}: must be at most {LONGEST // 3600}h (292 years), not {shown}")


def check_time_to_live(spec: Mapping[str, Any]) -> None:
    """Refuse a time to live that is too long; whatever else is wrong with it the API server says.

    ``spec`` is a spec as in the API.
    """
    lifecycle = spec.get("lifecycle")
    value = lifecycle.get("timeToLive") if isinstance(lifecycle, Mapping) else None
    if isinstance(value, str) and _PATTERN.fullmatch(value):
        parse_time_to_live(value, "spec.lifecycle.timeToLive")
