"""Sending a write, and seeing to it that no field of it is lost in silence (see
:mod:`.fieldcheck`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import APIError
from . import fieldcheck

if TYPE_CHECKING:
    from ...transport.rest import Object


def written(
    send: Callable[[], Object], sent: fieldcheck.Sent, what: str, field_validation: str
) -> Object:
    """The answer to a write of ``what``.

    Raises:
        InvalidError: it was refused for fields that the server does not know, in whichever words.
            What ``send`` raises.
    """
    try:
        stored = send()
    except APIError as error:
        invalid = fieldcheck.as_invalid(error, what)
        if invalid is None:
            raise
        raise invalid from None  # the server's own message may quote the whole object
    if field_validation == "Strict":
        dropped = fieldcheck.dropped_fields(sent, stored)
        if dropped:
            from ...transport.apiwarning import warn_user

            warn_user(
                f"{what}: the API server has dropped {fieldcheck.told(dropped)}, which it does not know"
            )
    return stored
