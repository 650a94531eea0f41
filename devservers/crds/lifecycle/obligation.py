"""What ``with`` statements have created and must delete.

An obligation begins with the answer to the create and ends when its deletion was done, has failed,
or was given up by a second Ctrl-C. Between the two, nothing may forget it: not an exception, not a
Ctrl-C in the first line of ``__exit__``, where no ``try`` of ours can be (a signal that comes at
the end of the body is raised there). So what is still owed when the interpreter ends is deleted
then. A forked child owes nothing.
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

_owed: list[Obligation] = []
_seen_to_at_exit = False


class Obligation:
    """One object to delete. ``at_exit`` is asked at the interpreter's end: does it still have to
    go?
    """

    def __init__(self, created: ObjectRef, at_exit: Callable[[], bool]) -> None:
        self.created = created
        self.settled = False
        self.deletes = True
        self._at_exit = at_exit
        self._pid = os.getpid()
        _owed.append(self)
        _see_to_it_at_exit()

    @classmethod
    def to_nothing(cls, ref: ObjectRef) -> Obligation:
        """Of a ``with`` that has created nothing: it only tells the statements apart that are under
        way.
        """
        visit = cls(ref, lambda: False)
        visit.deletes = False
        return visit

    def settle(self) -> None:
        """Nothing more is owed."""
        self.settled = True
        if self in _owed:
            _owed.remove(self)

    @property
    def is_open(self) -> bool:
        """Whether this process still owes it."""
        return not self.settled and self._pid == os.getpid()

    def is_due_at_exit(self) -> bool:
        return self.is_open and self._at_exit()


def _see_to_it_at_exit() -> None:
    global _seen_to_at_exit
    if not _seen_to_at_exit:
        import atexit

        atexit.register(delete_what_is_owed)
        _seen_to_at_exit = True


def delete_what_is_owed() -> None:
    """At the interpreter's end: delete what a signal has kept from being deleted before.

    One that cannot be deleted keeps none of the others from it.
    """
    failure: Optional[Exception] = None
    for obligation in [each for each in _owed if each.is_due_at_exit()]:
        try:
            delete_obliged(obligation, hiding=failure)
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure


def delete_obliged(obligation: Obligation, hiding: Optional[BaseException] = None) -> bool:
    """Delete that very object, and settle the obligation. True if it is on its way out, and may be
    waited for.

    A failure is raised, but never over ``hiding``, the exception that is under way: to that it is
    noted. A Ctrl-C leaves the obligation as it is.
    """
    created = obligation.created
    try:
        marked = delete_until_known(created)
    except Exception as error:
        obligation.settle()
        if hiding is None:
            raise _naming(error, created) from error
        add_note(hiding, f"{created} could not be deleted and may be left on the cluster: {error}")
        return False
    obligation.settle()
    return marked


def _naming(error: Exception, created: ObjectRef) -> Exception:
    """The same kind of error, its text saying what is left."""
    left = f"{created} could not be deleted and may be left on the cluster"
    if isinstance(error, APIError):
        return error.with_hint(f"{left} (kubectl delete {created.kubectl_words})")
    if isinstance(error, DevServersError):
        named = copy(error)
        named.args = (f"{left} (kubectl delete {created.kubectl_words}): {error}",)
        return named
    return error
