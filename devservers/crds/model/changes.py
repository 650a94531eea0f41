"""Changing an object on the cluster: the very object that was read, and never a namesake.

Two things can happen between reading an object and writing it.

* Somebody else changes it: its operator writes the status, say. ``replace`` sends the
  resourceVersion that was read, so the API server refuses (409). The caller's own changes are then
  replayed onto what is there now, by a three-way merge. A field that both sides changed is a
  conflict that only the caller can settle.
* It is deleted, and another object of the same name is created. The merge compares the uids; a
  patch carries the uid with it (:mod:`.uidbound`) and is refused. Such a refusal does not always
  say what it was about, so the object is read again to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Optional, Union

from ...errors import APIError, APIWarning, ConflictError, DevServersError, InvalidError
from . import merge, uidbound
from .liveobject import LiveObject
from .reference import ObjectRef
from .writing import send_write


def replace(
    live: LiveObject, *, retries: int, field_manager: Optional[str], field_validation: str
) -> None:
    """See :meth:`BaseCustomResource.update`; ``live`` becomes what the API server answered."""
    ref = live.ref()
    if not (live.raw.get("metadata") or {}).get("resourceVersion"):
        raise ValueError(
            f"{live} was never read from the cluster: create() or get() it before update()"
        )
    live.remember()
    body = live.to_dict()
    for attempt in range(retries + 1):
        send = partial(
            ref.replace, body, field_manager=field_manager, field_validation=field_validation
        )
        try:
            with _staying_true(live, ref):
                send_write(send, body, str(live), field_validation, live.take)
        except ConflictError as error:
            if attempt == retries:
                raise
            body = _replay(live, ref.get(), error)
        else:
            return


def _replay(live: LiveObject, theirs: dict[str, Any], error: ConflictError) -> dict[str, Any]:
    """The caller's own changes on top of ``theirs``; ConflictError where they contradict it."""
    try:
        return live.replay_onto(theirs)
    except merge.MergeConflict as conflict:
        if conflict.path == "metadata.uid":
            raise _replaced(live, error) from error
        raise ConflictError(
            f"{conflict.path} was changed here and on the server since {live} was read: refresh() "
            "and make the change again",
            status=error.status, reason=error.reason, details=error.details,
        ) from error  # fmt: skip


def patch(
    live: LiveObject, body: uidbound.Patch, content_type: str, query: Mapping[str, Any]
) -> None:
    """Send a patch, bound to the uid that was read; ``live`` becomes what the API server answered.

    Raises:
        ConflictError: the object was deleted since it was read, and perhaps recreated; or the API
            server's own reason.
    """
    ref = live.ref()
    bound = uidbound.bind(body, ref.uid)
    send = partial(ref.patch, bound, content_type, query)
    try:
        with _staying_true(live, ref):
            send_write(send, body, str(live), query["fieldValidation"], live.take)
    except (ConflictError, InvalidError) as error:
        if bound is body:
            raise
        explanation = _explanation(live, ref, error)
        if explanation is None:
            raise
        raise explanation from error


@contextmanager
def _staying_true(live: LiveObject, ref: ObjectRef) -> Iterator[None]:
    """Where warnings are errors, one that is raised does not keep ``live`` from what was written.

    It may be raised for a header of the answer, before the answer was read: then the object is.
    """
    before = live.raw
    try:
        yield
    except APIWarning as warning:
        if live.raw is before:
            with suppress(DevServersError, APIWarning):
                live.take(ref.get())
        warning.args = (f"{warning}; {live} was written nevertheless",)
        raise


def _explanation(
    live: LiveObject, ref: ObjectRef, refusal: Union[ConflictError, InvalidError]
) -> Optional[ConflictError]:
    """The error to raise if a bound patch was refused because of its uid; None if it was not."""
    try:
        theirs = ref.find()
    except DevServersError:  # what is there now is not known, but the refusal may say it
        if uidbound.is_about_uid(refusal):
            return _replaced(live, refusal)
        return None
    if theirs is None:
        return ConflictError(
            f"{live} has been deleted since it was read, and nothing was changed: create() a new "
            "one",
            status=409, reason="Conflict", details=refusal.details,
        )  # fmt: skip
    if not ref.is_this(theirs):
        return _replaced(live, refusal)
    return None


def _replaced(live: LiveObject, refusal: APIError) -> ConflictError:
    """The error for an object whose name belongs to another one now."""
    return ConflictError(
        f"{live} has been deleted and recreated since it was read, and nothing was changed: get() "
        "the one that is there now and make the change there",
        status=409, reason="Conflict", details=refusal.details,
    )  # fmt: skip
