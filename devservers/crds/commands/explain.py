"""Why a command failed that failed because of its server: that was deleted, or is not up.

The failure alone (a refusal, a lost connection, exit code 137) says nothing of that. So whoever
works in a pod does it in ``with explaining_failures(…)``, which looks at the server when it is too
late, and adds to the message what it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Optional

from ...errors import (
    BadRequestError,
    CommandFailedError,
    ExecConnectionLostError,
    ExecError,
    NotFoundError,
    ServerError,
    SyncError,
)
from ...transport.deadline import Deadline
from ...transport.retry import OVERRUN
from ..lifecycle.whereabouts import why_gone, why_name_was_guessed, why_not_up
from .target import NO_CONTAINER

if TYPE_CHECKING:
    from ..model.liveobject import LiveObject

KILLED = (128 + 9, 128 + 15)
"""Exit codes of what was killed: so ends a command whose pod is deleted, if its connection is not
lost before."""
_NOT_RUNNING = ("not running", "no running task", "stopped container", "paused container")
"""So say container runtimes that a container is not up; what they say is an :class:`ExecError`."""


@contextmanager
def explaining_failures(live: LiveObject, container: Optional[str] = None) -> Iterator[None]:
    """What fails in here because the server is deleted, or its container not up, says so."""
    try:
        yield
    except (NotFoundError, ServerError, BadRequestError) as error:  # nothing was begun
        if NO_CONTAINER in error.message:
            raise
        deadline = _deadline(live)
        gone = why_gone(live, deadline)
        if gone:
            raise error.with_hint(gone) from None
        why = why_not_up(live, container, deadline)
        if why:
            raise ExecError(why) from error
        guessed = ""
        if isinstance(error, NotFoundError):
            guessed = why_name_was_guessed(live, deadline)
        if guessed:
            raise error.with_hint(guessed) from None
        raise
    except (ExecError, SyncError) as error:
        if isinstance(error, SyncError) or _may_be_the_servers_end(error):
            deadline = _deadline(live)
            why = why_gone(live, deadline) or why_not_up(live, container, deadline)
            if why:
                error.args = (f"{error}; {why}",)
        raise


def ended_with_its_server(live: LiveObject, returncode: int) -> bool:
    """Whether this is not the command's own end: it was killed, and its server is being deleted."""
    return returncode in KILLED and bool(why_gone(live, _deadline(live)))


def _may_be_the_servers_end(error: ExecError) -> bool:
    if isinstance(error, CommandFailedError):
        return error.returncode in KILLED
    if isinstance(error, ExecConnectionLostError):
        return True
    said = str(error)
    return "could not be started" in said and any(sign in said for sign in _NOT_RUNNING)


def _deadline(live: LiveObject) -> Deadline:
    return Deadline(OVERRUN, live.connected().clock)
