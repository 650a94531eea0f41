"""What ``with`` statements have created and must delete.

An obligation begins with the answer to the create. It ends when the deletion was done, has failed,
or was given up because of a second Ctrl-C. In between nothing may forget it: not an exception, and
not a Ctrl-C in the first line of ``__exit__``, where no ``try`` of ours can be (a signal that comes
at the end of the body is raised there). So obligations are kept in a list of this module, and what
is still in it when the interpreter ends is deleted then. A forked child has no obligations.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import copy
from typing import Optional

from ...errors import APIError, DevServersError
from ...notes import add_note
from ..model.reference import ObjectRef
from .deletion import delete_until_known

_open: list[Obligation] = []
_registered_at_exit = False


class Obligation:
    """One object to delete.

    ``at_exit`` is asked when the interpreter ends: does the object still have to be deleted?
    """

    def __init__(self, created: ObjectRef, at_exit: Callable[[], bool]) -> None:
        self.created = created
        self.settled = False
        self.deletes = True
        """False for a ``with`` that attached to an object: leaving it only settles this."""
        self._at_exit = at_exit
        self._pid = os.getpid()
        _open.append(self)
        _register_at_exit()

    @classmethod
    def to_nothing(cls, ref: ObjectRef) -> Obligation:
        """For a ``with`` that has created nothing: it represents the statement, but no deletion."""
        visit = cls(ref, lambda: False)
        visit.deletes = False
        return visit

    def settle(self) -> None:
        """Nothing is left to do."""
        self.settled = True
        if self in _open:
            _open.remove(self)

    @property
    def is_open(self) -> bool:
        """Whether this process still has it."""
        return not self.settled and self._pid == os.getpid()

    @property
    def is_due_at_exit(self) -> bool:
        """Whether the interpreter may not end without it."""
        return self.is_open and self._at_exit()


def _register_at_exit() -> None:
    global _registered_at_exit
    if not _registered_at_exit:
        import atexit

        atexit.register(fulfill_all)
        _registered_at_exit = True


def fulfill_all() -> None:
    """When the interpreter ends: delete what a signal has kept from being deleted before.

    A deletion that fails does not keep the others from being done.
    """
    failure: Optional[Exception] = None
    for obligation in [each for each in _open if each.is_due_at_exit]:
        try:
            fulfill(obligation, hiding=failure)
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure


def fulfill(obligation: Obligation, hiding: Optional[BaseException] = None) -> bool:
    """Delete that very object, and settle the obligation.

    True if it is marked for deletion, and may be waited for; False if it is gone. A failure is
    raised, but never in place of ``hiding``, the exception under way: it becomes a note on that. A
    Ctrl-C leaves the obligation open.
    """
    created = obligation.created
    try:
        marked = delete_until_known(created)
    except Exception as error:
        obligation.settle()
        if hiding is None:
            raise _with_leftover(error, created) from error
        add_note(hiding, f"{created} could not be deleted and may be left on the cluster: {error}")
        return False
    obligation.settle()
    return marked


def _with_leftover(error: Exception, created: ObjectRef) -> Exception:
    """A copy of ``error`` whose text says what may be left on the cluster, if it is one of ours."""
    left = f"{created} could not be deleted and may be left on the cluster"
    command = f"kubectl delete {created.kubectl_args}"
    if isinstance(error, APIError):
        return error.with_hint(f"{left} ({command})")
    if isinstance(error, DevServersError):
        twin = copy(error)
        twin.args = (f"{left} ({command}): {error}",)
        return twin
    return error
