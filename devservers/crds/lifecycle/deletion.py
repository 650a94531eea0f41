"""Deleting: until the outcome is known, and then until the object is gone.

A deletion that is bound to the uid is safe to repeat. So it is repeated, with backoff, for as long
as nobody can say what its outcome was. Only two refusals end it, because they prove that this very
object is gone: a Status that is NotFound about it, and a Conflict about the uid. Any other 404 may
come from a proxy or from an API server that is starting, any other 409 from a webhook or a quota.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Optional

from ...errors import (
    APIError,
    ConflictError,
    DevServersError,
    ForbiddenError,
    NotFoundError,
    RequestTimeoutError,
)
from ...transport.deadline import Backoff, Deadline
from ...transport.rest import Object
from ...transport.retry import TRANSIENT_FOR_DELETES, Attempts, Polls
from ..model.reference import ObjectRef

DELETE_SECONDS = 30.0
"""Seconds for a deletion, repetitions included."""
KEPT_ALIVE_SECONDS = 8.0
"""Seconds to wait for an answer on a connection that existed before: it may have died unnoticed.
After that a new one is opened, on which the API server has all the time that is left."""
LOOK_SECONDS = 3.0
"""Seconds to read once what is being deleted; the next read uses another connection."""


def delete_until_known(created: ObjectRef) -> bool:
    """True if the object is marked for deletion, False if it is gone.

    Raises:
        DevServersError: it was refused, or after :data:`DELETE_SECONDS` the outcome was not known.
    """
    deadline = Deadline(DELETE_SECONDS, created.client.clock)
    attempts = Attempts(deadline, Backoff(first=0.25, limit=3.0), may_pass=_may_pass)
    asked, limit = created, KEPT_ALIVE_SECONDS
    with ExitStack() as stack:
        for attempt in attempts:
            with attempt:
                try:
                    answer = asked.delete(deadline=deadline.sooner(limit))
                except RequestTimeoutError:
                    if asked is created:
                        asked = created.over(stack.enter_context(created.client.afresh()))
                        limit = DELETE_SECONDS
                    raise
                except (NotFoundError, ConflictError) as error:
                    if _is_gone(error, asked, deadline):
                        return False
                    raise
    return answer.get("kind") != "Status"  # which is the answer when nothing holds it


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, TRANSIENT_FOR_DELETES)


def _is_gone(refusal: APIError, created: ObjectRef, deadline: Deadline) -> bool:
    """Whether the object is gone: the refusal proves it, or else reading the object does."""
    if isinstance(refusal, NotFoundError) and created.is_denied_by(refusal):
        return True
    if isinstance(refusal, ConflictError) and refusal.is_about_uid:
        return True
    try:
        raw = created.find(deadline)
    except DevServersError:
        return False
    return raw is None or not created.is_this(raw)


def last_seen(created: ObjectRef, deadline: Deadline) -> Optional[Object]:
    """Wait until that very object is gone: None. If it is not, the object as it was seen last.

    ``{}`` if there was no answer in all that time.

    Raises:
        ForbiddenError: it may not be read, so it cannot be waited for.
    """
    seen: Object = {}
    for _ in Polls(deadline, Backoff(first=0.1, limit=1.0)):
        try:
            raw = created.find(deadline.sooner(LOOK_SECONDS))
        except ForbiddenError:
            raise
        except DevServersError:
            pass  # the next read may succeed
        else:
            if raw is None or not created.is_this(raw):
                return None
            seen = raw
    return seen
