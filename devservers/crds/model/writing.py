"""One write, and seeing to it that no field of it is lost in silence (see :mod:`.fieldcheck`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import APIError
from . import fieldcheck

if TYPE_CHECKING:
    from ...transport.rest import Object


def send_write(
    send: Callable[[], Object], body: fieldcheck.Sent, what: str, field_validation: str,
    take: Callable[[Object], object],
) -> Object:  # fmt: skip
    """The answer to ``send``, which writes ``body``; ``what`` names the object in messages.

    ``take`` gets the answer before there is a warning about it: where warnings are errors, the
    warning is raised although the write was done.

    Raises:
        InvalidError: refused for fields that the API server does not know. What ``send`` raises.
    """
    try:
        stored = send()
    except APIError as error:
        invalid = fieldcheck.as_invalid(error, what)
        if invalid is None:
            raise
        raise invalid from None  # the server's own message may quote the whole object
    take(stored)
    if field_validation == "Strict":
        dropped = fieldcheck.dropped_fields(body, stored)
        if dropped:
            from ...transport.apiwarning import warn_user

            warn_user(
                f"{what}: the API server dropped {fieldcheck.in_words(dropped)}, "
                "which it does not know"
            )
    return stored
