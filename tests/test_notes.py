"""Notes on an exception that is being raised."""

from __future__ import annotations

import warnings

import pytest

from devservers.notes import add_note


class OfOldPython(Exception):
    """As before Python 3.11."""

    @property
    def add_note(self) -> None:  # type: ignore[override, unused-ignore]
        raise AttributeError


def test_a_note_is_attached_and_the_message_stays() -> None:
    error = ValueError("message")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        add_note(error, "one")
        add_note(error, "two")
    assert getattr(error, "__notes__") == ["one", "two"]  # noqa: B009 (mypy does not know it for Python 3.9)
    assert str(error) == "message"


def test_where_tracebacks_show_no_notes_a_note_is_a_warning_too() -> None:
    error = OfOldPython()
    with pytest.warns(RuntimeWarning, match="one"):
        add_note(error, "one")
    assert getattr(error, "__notes__") == ["one"]  # noqa: B009


def test_a_warning_turned_into_an_error_does_not_replace_the_exception() -> None:
    error = OfOldPython()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add_note(error, "one")
    assert getattr(error, "__notes__") == ["one"]  # noqa: B009
