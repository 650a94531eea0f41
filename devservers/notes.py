"""Notes on an exception that is under way (PEP 678): what else its reader has to know."""

from __future__ import annotations


def add_note(error: BaseException, text: str) -> None:
    """Attach ``text`` to ``error``; before Python 3.11 tracebacks show no notes, so it is a warning as well."""
    if hasattr(error, "add_note"):
        error.add_note(text)
        return
    import warnings

    error.__notes__ = [*getattr(error, "__notes__", ()), text]
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        pass  # warnings are errors here, and this one must not take the place of the exception
