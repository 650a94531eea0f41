"""The context manager's promise: what it created is deleted, whatever happened, and nothing else is.

The moments that matter are the create itself, whose answer can be lost (:mod:`.attempt`), and those
in which a signal comes between two of our steps: what was created is an obligation
(:mod:`.obligation`) that ends only with its deletion.

A DELETE only marks an object that has finalizers: its operator takes the last one off a moment
later. So leaving waits for that, and entering waits for a namesake that is on its way out: the same
script can run again at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Optional, TypeVar

from ...errors import ForbiddenError
from ...notes import add_note
from ...transport.deadline import Deadline
from ..model.reference import held_by
from .attempt import Attempt
from .deletion import last_seen
from .obligation import Obligation, delete_obliged
from .progress import warn
from .readiness import wait_for_ready
from .settings import Managed

T = TypeVar("T")


def enter(server: Managed) -> None:
    """The beginning of the ``with``: an object that was read or made before is used, else one is
    created.

    Raises:
        FileNotFoundError: a local path of ``sync_workspace`` does not exist; nothing has been
            created then.
    """
    for local in server.settings.sync_workspace:
        os.stat(os.path.expanduser(os.fspath(local)))
    if not server.live.stands:
        create_and_wait(server)
        return
    attach(server, Deadline(server.settings.wait_timeout, server.live.connected().clock))


def attach(server: Managed, deadline: Deadline) -> None:
    """Wait until what is there already is ready. It is not ours to delete."""
    visit = Obligation.to_nothing(server.live.ref())
    try:
        wait_for_ready(server.live, deadline, server.settings.fail_fast, server.teller())
        server.teller().tell(f"{visit.created} is ready; it was there before, and stays")
        server.history.owe(visit)
    except BaseException:
        visit.settle()
        raise


def create_and_wait(server: Managed) -> None:
    """Create ``server`` and wait until it is ready; deleted again if anything goes wrong, Ctrl-C
    included.
    """
    attempt = Attempt(server)
    teller = server.teller()
    try:
        server.live.take(attempt.create())
        obligation = attempt.obligation
        if obligation is None:
            attach(server, attempt.deadline)
            return
        teller.tell(f"{obligation.created} was created")
        server.history.generated_name = obligation.created.name if attempt.generates_name else ""
        wait_for_ready(server.live, attempt.deadline, server.settings.fail_fast, teller)
        teller.tell(f"{obligation.created} is ready")
        server.history.owe(obligation)
    except BaseException as error:
        if server.settings.delete_on_exit != "always":
            if attempt.obligation is not None:
                attempt.obligation.settle()
            raise
        marked = _insist(attempt.undo, error, lambda: attempt.obligation)
        if (
            marked and attempt.obligation is not None and isinstance(error, Exception)
        ):  # else somebody is in a hurry
            _wait_until_gone(server, attempt.obligation, hiding=error)
        raise


def leave(server: Managed, error: Optional[BaseException]) -> None:
    """The end of the ``with``: delete what it created, or keep it; ``error`` is what the body
    raised.
    """
    owed = server.history.owed()
    if not owed:
        return
    obligation = owed[-1]
    if not obligation.deletes:
        obligation.settle()
        return
    wish = server.settings.delete_on_exit
    if wish == "never" or (wish == "on_success" and error is not None):
        obligation.settle()
        server.teller().tell(f"{obligation.created} is kept (delete_on_exit={wish!r})")
        return
    if _insist(partial(delete_obliged, obligation), error, lambda: obligation):
        _wait_until_gone(server, obligation, hiding=error)


def _insist(
    delete: Callable[[Any], T],
    error: Optional[BaseException],
    obligation: Callable[[], Optional[Obligation]],
) -> T:
    """Delete even if Ctrl-C comes meanwhile, which is raised afterwards; another one meanwhile is
    obeyed at once.

    What came before the deletion does not count: the same Ctrl-C pressed twice must not leave a
    server behind. ``delete`` is given the exception under way, to note on it what has to be known.
    """
    try:
        return delete(error)
    except Exception:
        raise
    except BaseException as interrupt:
        try:
            delete(interrupt)
        finally:
            given_up = obligation()
            if given_up is not None:
                given_up.settle()
        raise


def _wait_until_gone(
    server: Managed, obligation: Obligation, hiding: Optional[BaseException]
) -> None:
    """Wait until what was deleted is gone; Ctrl-C ends this at once, for the deletion goes on
    without us.
    """
    try:
        _watch_it_go(server, obligation)
    except Exception as error:  # of on_event
        if hiding is None:
            raise
        add_note(hiding, f"on_event raised {error!r}")


def _watch_it_go(server: Managed, obligation: Obligation) -> None:
    created = obligation.created
    seconds = server.settings.deletion_timeout
    deadline = Deadline(seconds, created.client.clock)
    if deadline.expired:
        return
    try:
        raw = last_seen(created, deadline)
    except ForbiddenError:
        server.teller().tell(f"{created} was deleted; whether it is gone yet may not be looked at")
        return
    if raw is None:
        server.teller().tell(f"{created} is gone")
        return
    warn(
        f"{created} is still being deleted after {seconds:g} s; its finalizers: "
        f"{held_by(raw)}. Each is removed by the controller that has set it, when that has cleaned "
        "up: is it running?"
    )
