"""Notes on exceptions that are being raised (PEP 678): what else the caller has to know."""

from __future__ import annotations


def add_note(error: BaseException, text: str) -> None:
    """Attach ``text`` to ``error`` as a note.

    Python before 3.11 shows no notes: there it is a warning, too.
    """
    if hasattr(error, "add_note"):
        error.add_note(text)
        return
    import warnings

    error.__notes__ = [*getattr(error, "__notes__", ()), text]
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        pass  # warnings are errors here, and this one must not take the place of the exception
