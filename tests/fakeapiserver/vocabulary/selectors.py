"""Label and field selectors: parsed as the API server parses them, with its sentences for what it cannot parse.

A label selector is scanned into tokens and read by recursive descent, because the messages name the token that was
found and those that were expected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Callable, Optional

from ..goish.gonumbers import parse_int
from .fielderrors import invalid_value
from .names import label_value_errors, qualified_name_errors

Labels = Mapping[str, str]

SYMBOLS = {"(": "(", ")": ")", ",": ",", "!": "!", "=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt"}
BINARY = ("in", "notin", "=", "==", "!=", "gt", "lt")
SPACES = " \t\r\n"
END, WORD, BROKEN = "end", "word", "broken"


class SelectorError(ValueError):
    """The selector cannot be parsed; the text is the server's."""


@dataclass(frozen=True)
class Requirement:
    """One term of a label selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool:
        return OPERATORS[self.operator](labels.get(self.key), self.values)


def _compares(sign: int) -> Callable[[Optional[str], tuple[str, ...]], bool]:
    def test(value: Optional[str], values: tuple[str, ...]) -> bool:
        try:
            return value is not None and (parse_int(value) - parse_int(values[0])) * sign > 0
        except ValueError:
            return False

    return test


OPERATORS: dict[str, Callable[[Optional[str], tuple[str, ...]], bool]] = {
    "exists": lambda value, values: value is not None,
    "!": lambda value, values: value is None,
    "=": lambda value, values: value in values,
    "==": lambda value, values: value in values,
    "in": lambda value, values: value in values,
    "!=": lambda value, values: value not in values,
    "notin": lambda value, values: value not in values,
    "gt": _compares(1),
    "lt": _compares(-1),
}


def parse_labels(text: str) -> list[Requirement]:
    """The requirements of a label selector, all of which must hold; raises :class:`SelectorError`."""
    return _LabelParser(text).selector()


def labels_match(requirements: list[Requirement], labels: Labels) -> bool:
    return all(requirement.matches(labels) for requirement in requirements)


def _scan(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while at < len(text):
        if text[at] in SPACES:
            at += 1
            continue
        token, literal = _symbol(text, at) if text[at] in "=!(),><" else _word(text, at)
        tokens.append((token, literal))
        at += len(literal)
    return tokens


def _symbol(text: str, at: int) -> tuple[str, str]:
    """The longest symbol that begins here."""
    for length in (2, 1):
        literal = text[at : at + length]
        if literal in SYMBOLS:
            return SYMBOLS[literal], literal
    return BROKEN, text[at]


def _word(text: str, at: int) -> tuple[str, str]:
    end = at
    while end < len(text) and text[end] not in "=!(),><" + SPACES:
        end += 1
    literal = text[at:end]
    return (literal if literal in ("in", "notin") else WORD), literal


class _LabelParser:
    def __init__(self, text: str) -> None:
        self._tokens = _scan(text)
        self._at = 0

    def _look(self, words: bool = True) -> tuple[str, str]:
        """The next token; where a value is read, ``in`` and ``notin`` are words like others."""
        if self._at >= len(self._tokens):
            return END, ""
        token, literal = self._tokens[self._at]
        return (WORD if words and token in ("in", "notin") else token), literal

    def _take(self, words: bool = True) -> tuple[str, str]:
        found = self._look(words)
        self._at += 1
        return found

    def selector(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        while True:
            token, literal = self._look()
            if token == END:
                return requirements
            if token not in (WORD, "!"):
                raise SelectorError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            requirements.append(self._requirement())
            token, literal = self._take()
            if token == END:
                return requirements
            if token != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            token, literal = self._look()
            if token not in (WORD, "!"):
                raise SelectorError(f"found '{literal}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        try:
            requirement = self._parse_requirement()
            _validate(requirement)
            return requirement
        except SelectorError as error:
            raise SelectorError(f"unable to parse requirement: {error}") from None

    def _parse_requirement(self) -> Requirement:
        token, key = self._take()
        absent = token == "!"
        if absent:
            token, key = self._take()
        if token != WORD:
            raise SelectorError(f"found '{key}', expected: identifier")
        errors = qualified_name_errors(key)
        if errors:
            raise SelectorError(f"<nil>: {invalid_value(key, '; '.join(errors))}")
        if absent or self._look()[0] in (END, ","):
            return Requirement(key, "!" if absent else "exists")
        operator, literal = self._take(words=False)
        if operator not in BINARY:
            raise SelectorError(f"found '{literal}', expected: {', '.join(BINARY)}")
        values = self._values() if operator in ("in", "notin") else self._value()
        return Requirement(key, operator, tuple(sorted(values)))

    def _value(self) -> set[str]:
        if self._look()[0] in (END, ","):
            return {""}
        token, literal = self._take()
        if token != WORD:
            raise SelectorError(f"found '{literal}', expected: identifier")
        return {literal}

    def _values(self) -> set[str]:
        token, literal = self._take()
        if token != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        token, literal = self._look()
        if token == ")":
            self._take()
            return {""}
        if token not in (WORD, ","):
            raise SelectorError(f"found '{literal}', expected: ',', ')' or identifier")
        values = self._value_list()
        if self._take()[0] != ")":
            raise SelectorError(f"found '{literal}', expected: ')'")
        return values

    def _value_list(self) -> set[str]:
        values: set[str] = set()
        while True:
            token, literal = self._take()
            following, next_literal = self._look()
            if token == WORD:
                values.add(literal)
                if following == ")":
                    return values
                if following != ",":
                    raise SelectorError(f"found '{next_literal}', expected: ',' or ')'")
            elif token == ",":
                if not values or following in (")", ","):
                    values.add("")
                if following == ")":
                    return values
                if following == ",":
                    self._take()
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")


def _validate(requirement: Requirement) -> None:
    """All that is wrong with the values, in one message."""
    wrong = [*_not_numbers(requirement), *_not_label_values(requirement)]
    if wrong:
        raise SelectorError(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")


def _not_numbers(requirement: Requirement) -> Iterator[str]:
    why = "for 'Gt', 'Lt' operators, the value must be an integer"
    for index, value in enumerate(requirement.values if requirement.operator in ("gt", "lt") else ()):
        try:
            parse_int(value)
        except ValueError:
            yield f"values[{index}]: {invalid_value(value, why)}"


def _not_label_values(requirement: Requirement) -> Iterator[str]:
    for index, value in enumerate(requirement.values):
        errors = label_value_errors(value)
        if errors:
            yield f"values[{index}][{requirement.key}]: {invalid_value(value, '; '.join(errors))}"


@dataclass(frozen=True)
class FieldTerm:
    """One term of a field selector."""

    field: str
    equal: bool
    value: str


def parse_fields(text: str) -> list[FieldTerm]:
    """The terms of a field selector; raises :class:`SelectorError`."""
    return [_field_term(text, part) for part in sorted(_split_terms(text)) if part]


def _split_terms(text: str) -> list[str]:
    """Split at commas that no backslash escapes."""
    terms, current, escaped = [], "", False
    for letter in text:
        if letter == "," and not escaped:
            terms.append(current)
            current = ""
            continue
        current += letter
        escaped = letter == "\\" and not escaped
    return [*terms, current]


def _field_term(selector: str, part: str) -> FieldTerm:
    for at in range(len(part)):
        for operator in ("!=", "==", "="):
            if part.startswith(operator, at):
                value = _unescape(part[at + len(operator) :])
                return FieldTerm(part[:at], operator != "!=", value)
    raise SelectorError(f"invalid selector: '{selector}'; can't understand '{part}'")


def _unescape(value: str) -> str:
    result, escaped = "", False
    for letter in value:
        if escaped:
            if letter not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{letter}")
            result += letter
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(letter)}")
        else:
            result += letter
    if escaped:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    return result
