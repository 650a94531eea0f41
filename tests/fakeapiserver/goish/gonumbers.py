"""Decimal numbers in text, as Go's strconv reads them: its notion of what is one, and its words for what is none."""

from __future__ import annotations

import re
from typing import Optional

_SIGNED, _UNSIGNED = re.compile(r"[+-]?[0-9]+"), re.compile(r"[0-9]+")


def parse_int(text: str, bits: int = 64) -> int:
    """A signed number; ValueError with ``strconv.ParseInt``'s message."""
    limit = 1 << (bits - 1)
    return _in_range("ParseInt", text, int(text) if _SIGNED.fullmatch(text) else None, -limit, limit - 1)


def parse_uint(text: str, bits: int = 64) -> int:
    """A number without a sign; ValueError with ``strconv.ParseUint``'s message."""
    return _in_range("ParseUint", text, int(text) if _UNSIGNED.fullmatch(text) else None, 0, (1 << bits) - 1)


def _in_range(function: str, text: str, value: Optional[int], least: int, most: int) -> int:
    if value is None:
        raise ValueError(f'strconv.{function}: parsing "{text}": invalid syntax')
    if not least <= value <= most:
        raise ValueError(f'strconv.{function}: parsing "{text}": value out of range')
    return value
