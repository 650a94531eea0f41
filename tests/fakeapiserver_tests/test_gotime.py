"""RFC 3339 times, parsed as in Go."""

from __future__ import annotations

import pytest

from tests.fakeapiserver.goish.gotime import LAYOUT, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1969-12-31T23:00:00-01:00", 0.0),
        ("1970-01-02T00:00:00.123456789Z", 86400.123456789),
    ],
)
def test_a_time_is_parsed(text: str, seconds: float) -> None:
    assert parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "rest", "wanted"),
    [
        ("abc", "abc", "2006"),
        ("2020-01-01", "", "T"),
        ("20200101", "0101", "-"),
        ("2020-01-01T00:00:00", "", "Z07:00"),
        ("2020-01-01T00:00:00+0100", "+0100", "Z07:00"),
        ("2020-01-xx", "xx", "02"),
    ],
)
def test_the_message_says_where_parsing_failed(text: str, rest: str, wanted: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == f'parsing time "{text}" as "{LAYOUT}": cannot parse "{rest}" as "{wanted}"'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2020-13-01T00:00:00Z", "month out of range"),
        ("2020-02-30T00:00:00Z", "day out of range"),
        ("2020-01-01T25:00:00Z", "hour out of range"),
        ("2020-01-01T00:60:00Z", "minute out of range"),
        ("2020-01-01T00:00:00Zx", 'extra text: "x"'),
    ],
)
def test_numbers_out_of_range_are_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == f'parsing time "{text}": {why}'
