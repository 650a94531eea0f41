"""Text from elsewhere: what may be shown of it, and whether it is JSON."""

from __future__ import annotations

from typing import Any, Union

import pytest

from devservers.transport.text import has_controls, json_or_none, printable, shown_path, without_terminal_controls


@pytest.mark.parametrize("text", ["a\nb", "\0", "\x7f", "\t"])
def test_a_control_character_is_found(text: str) -> None:
    assert has_controls(text)


@pytest.mark.parametrize("text", ["", "plain text", "\u00fc\u20ac"])
def test_other_text_has_none(text: str) -> None:
    assert not has_controls(text)


def test_what_steers_a_terminal_goes_and_lines_stay() -> None:
    assert without_terminal_controls("\x1b[31mred\x1b[0m\x07,\tand\r\nmore\x7f") == "red,\tand\nmore"


def test_what_cannot_be_printed_is_replaced() -> None:
    assert printable("a\nb\u202ec") == "a b c"
    assert printable("a\nb", "?") == "a?b"


def test_a_path_of_bytes_can_be_printed() -> None:
    assert shown_path("/etc/\udcff/\u00fc") == "/etc/\\udcff/\u00fc"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (b"\xef\xbb\xbf[1]", [1]),
        ("null", None),
        ("", None),
        ("no JSON", None),
        (b"\xff", None),
        ("[" * 100_000, None),
    ],
)
def test_what_is_no_json_is_none(text: Union[str, bytes], value: Any) -> None:
    assert json_or_none(text) == value
