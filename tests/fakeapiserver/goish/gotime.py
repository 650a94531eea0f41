"""Times in RFC 3339, as Go's time.Parse reads them: with its words for where one ceases to be a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Optional

LAYOUT = "2006-01-02T15:04:05Z07:00"


class Element(NamedTuple):
    """A piece of the layout: how it is matched, and what its number may be."""

    layout: str
    pattern: str
    name: str = ""
    least: int = 0
    most: int = 0


ELEMENTS = (
    Element("2006", r"[0-9]{4}", "year", 0, 9999),
    Element("-", "-"),
    Element("01", r"[0-9]{2}", "month", 1, 12),
    Element("-", "-"),
    Element("02", r"[0-9]{2}"),
    Element("T", "T"),
    Element("15", r"[0-9]{1,2}", "hour", 0, 23),
    Element(":", ":"),
    Element("04", r"[0-9]{2}", "minute", 0, 59),
    Element(":", ":"),
    Element("05", r"[0-9]{2}(?:[.,][0-9]+)?", "second", 0, 59),
    Element("Z07:00", r"Z|[+-][0-9]{2}:[0-9]{2}"),
)


def parse(text: str) -> float:
    """Seconds since the epoch; ValueError with Go's message."""
    parts = list(_parts(text))
    date, clock, second, zone = parts[0:5], parts[6:10], parts[10].replace(",", "."), parts[11]
    whole, _, fraction = second.partition(".")
    try:
        moment = datetime.fromisoformat(
            f"{''.join(date)}T{clock[0]:0>2}{''.join(clock[1:])}{whole}{zone.replace('Z', '+00:00')}"
        )
    except ValueError:
        raise ValueError(f'parsing time "{text}": day out of range') from None
    return moment.timestamp() + float(f"0.{fraction or 0}")


def _parts(text: str) -> Iterator[str]:
    rest = text
    for element in ELEMENTS:
        match = re.match(element.pattern, rest)
        if match is None:
            raise ValueError(f'parsing time "{text}" as "{LAYOUT}": cannot parse "{rest}" as "{element.layout}"')
        rest = rest[match.end() :]
        out_of_range = _range(element, match[0])
        if out_of_range:
            raise ValueError(f'parsing time "{text}": {out_of_range} out of range')
        yield match[0]
    if rest:
        raise ValueError(f'parsing time "{text}": extra text: "{rest}"')


def _range(element: Element, found: str) -> Optional[str]:
    if not element.name or element.least <= int(re.split("[.,]", found)[0]) <= element.most:
        return None
    return element.name
