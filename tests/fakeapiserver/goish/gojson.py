"""JSON as Go reads it: its sentences for what is malformed, and the fields that were given twice.

Python's parser does the work; only when it fails is the text scanned again, to find the words that Go's scanner would
have used. A status message quotes them, so clients see them.
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
    """Malformed JSON; the text is that of Go's encoding/json."""


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
    """Parse JSON; raises :class:`JSONError` with Go's message. Bytes that are no UTF-8 are replaced, as Go does."""
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
        raise JSONError(_explain(text.decode("latin-1"))) from None  # Go's scanner goes byte by byte


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


# The scanner that explains.

SPACE = " \t\r\n"


class _Malformed(Exception):
    pass


def _explain(text: str) -> str:
    scanner = _Scanner(text)
    try:
        scanner.value("looking for beginning of value")
        scanner.skip_space()
        scanner.expect_end()
    except _Malformed as error:
        return str(error)
    return "invalid character in JSON"


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _peek(self) -> str:
        if self._at >= len(self._text):
            raise _Malformed("unexpected end of JSON input")
        return self._text[self._at]

    def _fail(self, context: str) -> None:
        raise _Malformed(f"invalid character {_quoted(self._peek())} {context}")

    def skip_space(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in SPACE:
            self._at += 1

    def expect_end(self) -> None:
        if self._at < len(self._text):
            self._fail("after top-level value")

    def value(self, context: str) -> None:
        self.skip_space()
        first = self._peek()
        if first == "{":
            self._object()
        elif first == "[":
            self._array()
        elif first == '"':
            self._string()
        elif first == "-" or first.isdigit():
            self._number()
        else:
            self._literal(first, context)

    def _literal(self, first: str, context: str) -> None:
        word = {"t": "true", "f": "false", "n": "null"}.get(first)
        if word is None:
            self._fail(context)
            return
        for letter in word:
            if self._peek() != letter:
                self._fail(f"in literal {word} (expecting {_quoted(letter)})")
            self._at += 1

    def _string(self) -> None:
        self._at += 1
        while (letter := self._peek()) != '"':
            if letter < " ":
                self._fail("in string literal")
            self._at += 1
            if letter == "\\":
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        letter = self._peek()
        if letter not in '"\\/bfnrtu':
            self._fail("in string escape code")
        self._at += 1
        for _ in range(4 if letter == "u" else 0):
            if self._peek() not in "0123456789abcdefABCDEF":
                self._fail("in \\u hexadecimal character escape")
            self._at += 1

    def _number(self) -> None:
        if self._peek() == "-":
            self._at += 1
            if not self._peek().isdigit():
                self._fail("in numeric literal")
        zero = self._peek() == "0"
        self._at += 1
        if not zero:
            self._digits()
        if self._text[self._at : self._at + 1] == ".":
            self._at += 1
            if not self._peek().isdigit():
                self._fail("after decimal point in numeric literal")
            self._digits()
        if self._text[self._at : self._at + 1] in ("e", "E"):
            self._at += 1
            if self._peek() in "+-":
                self._at += 1
            if not self._peek().isdigit():
                self._fail("in exponent of numeric literal")
            self._digits()

    def _digits(self) -> None:
        while self._text[self._at : self._at + 1].isdigit():
            self._at += 1

    def _object(self) -> None:
        self._at += 1
        self.skip_space()
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            self.skip_space()
            if self._peek() != '"':
                self._fail("looking for beginning of object key string")
            self._string()
            self.skip_space()
            if self._peek() != ":":
                self._fail("after object key")
            self._at += 1
            self.value("looking for beginning of value")
            if self._ends("}", "after object key:value pair"):
                return

    def _array(self) -> None:
        self._at += 1
        self.skip_space()
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            self.value("looking for beginning of value")
            if self._ends("]", "after array element"):
                return

    def _ends(self, closing: str, context: str) -> bool:
        self.skip_space()
        letter = self._peek()
        if letter not in (",", closing):
            self._fail(context)
        self._at += 1
        return letter == closing


def _quoted(letter: str) -> str:
    """A byte as Go's scanner quotes it."""
    return f"'{ESCAPES.get(letter) or _printable(letter)}'"


ESCAPES = {"'": "\\'", "\\": "\\\\", **{chr(7 + at): f"\\{name}" for at, name in enumerate("abtnvfr")}}


def _printable(letter: str) -> str:
    if letter.isprintable():
        return letter
    return f"\\x{ord(letter):02x}" if letter < "\x80" else f"\\u{ord(letter):04x}"
