"""The ``with`` statement's promise: what it created is deleted, whatever happens; nothing else is.

Two moments are difficult. The answer to the create can be lost (:mod:`.markedcreate`). And a signal
can arrive between any two steps of ours, so what was created is an obligation (:mod:`.obligation`)
that ends only with its deletion.

A DELETE only marks an object that has finalizers: its operator removes the last one a moment later.
So leaving waits until the object is gone, and entering waits until an earlier object of that name
is gone. A script can then be run again at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Optional, TypeVar

from ...errors import ForbiddenError
from ...notes import add_note
from ...transport.deadline import Deadline
from ..model.reference import describe_finalizers
from .deletion import last_seen
from .markedcreate import MarkedCreate
from .obligation import Obligation, fulfill
from .progress import warn
from .readiness import wait_for_ready
from .withstate import Managed

T = TypeVar("T")


def enter(server: Managed) -> None:
    """The beginning of the ``with``: use an object that was read or created before, or create one.

    Raises:
        FileNotFoundError: a local path of ``sync_workspace`` does not exist; nothing was created.
    """
    for local in server.settings.sync_workspace:
        os.stat(os.path.expanduser(os.fspath(local)))
    if server.live.preexisting:
        attach(server, Deadline(server.settings.wait_timeout, server.live.connected().clock))
    else:
        create_and_wait(server)


def attach(server: Managed, deadline: Deadline) -> None:
    """Wait until an object that existed before is ready. It is not ours to delete."""
    visit = Obligation.to_nothing(server.live.ref())
    progress = server.progress()
    try:
        wait_for_ready(server.live, deadline, server.settings.fail_fast, progress)
        progress.report(f"{visit.created} is ready; it existed before and will not be deleted")
        server.history.add(visit)
    except BaseException:
        visit.settle()
        raise


def create_and_wait(server: Managed) -> None:
    """Create ``server`` and wait until it is ready.

    If anything goes wrong, Ctrl-C included, it is deleted again.
    """
    creation = MarkedCreate(server)
    progress = server.progress()
    try:
        server.live.take(creation.create())
        obligation = creation.obligation
        if obligation is None:  # if_exists="attach", and there is one
            attach(server, creation.deadline)
            return
        progress.report(f"{obligation.created} was created")
        generated = obligation.created.name if creation.generates_name else ""
        server.history.generated_name = generated
        wait_for_ready(server.live, creation.deadline, server.settings.fail_fast, progress)
        progress.report(f"{obligation.created} is ready")
        server.history.add(obligation)
    except BaseException as error:
        if server.settings.delete_on_exit != "always":
            if creation.obligation is not None:
                creation.obligation.settle()
            raise
        marked = _insist(creation.undo, error, lambda: creation.obligation)
        in_a_hurry = not isinstance(error, Exception)  # Ctrl-C
        if marked and creation.obligation is not None and not in_a_hurry:
            _wait_until_gone(server, creation.obligation, hiding=error)
        raise


def leave(server: Managed, error: Optional[BaseException]) -> None:
    """The end of the ``with``: delete what it created, or keep it.

    ``error`` is what the body raised.
    """
    obligations = server.history.open_obligations()
    if not obligations:
        return
    obligation = obligations[-1]
    if not obligation.deletes:
        obligation.settle()
        return
    policy = server.settings.delete_on_exit
    if policy == "never" or (policy == "on_success" and error is not None):
        obligation.settle()
        server.progress().report(f"{obligation.created} is kept (delete_on_exit={policy!r})")
        return
    if _insist(partial(fulfill, obligation), error, lambda: obligation):
        _wait_until_gone(server, obligation, hiding=error)


def _insist(
    delete: Callable[[Any], T],
    error: Optional[BaseException],
    obligation: Callable[[], Optional[Obligation]],
) -> T:
    """Delete even if Ctrl-C comes during the deletion: once more, and then the Ctrl-C is raised.

    A second Ctrl-C during the deletion interrupts it. One that came before the deletion does not
    count: an impatient user who presses it twice must not leave a server behind. ``delete`` takes
    the exception under way, to add to it what has to be known.
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
    """Wait until what was deleted is gone.

    Ctrl-C ends the wait at once: the deletion goes on without us.
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
    progress = server.progress()
    try:
        raw = last_seen(created, deadline)
    except ForbiddenError:
        progress.report(f"{created} was deleted; no permission to check whether it is gone")
        return
    if raw is None:
        progress.report(f"{created} is gone")
        return
    warn(
        f"{created} is still being deleted after {seconds:g} s; remaining finalizers: "
        f"{describe_finalizers(raw)}. Each is removed by the controller that set it, when that has "
        "cleaned up: is it running?"
    )
