"""Creating: what a refused create means, and when it is sent again.

Some refusals say that nothing was done and that another try may succeed: 429, a quota that was
changed by somebody else at the same moment (409, about the ResourceQuota), a generated name that is
taken. A name that is taken is another matter: its object is to stay, or it is on its way out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Optional

from ...errors import AlreadyExistsError, ConflictError, DevServersError, TooManyRequestsError
from ...transport.deadline import Backoff, Deadline
from ...transport.retry import Attempts
from ..model.reference import Collection, held_by, named
from ..model.writing import written

if TYPE_CHECKING:
    from ...transport.rest import Object

TRIES = 10
"""Creates sent where the caller set no time, the transport's own repetitions not counted."""


def create(
    place: Collection, body: Object, *, dry_run: bool = False, field_manager: Optional[str] = None,
    field_validation: str = "Strict", deadline: Optional[Deadline] = None,
    sending: Optional[Callable[[], None]] = None,
) -> Object:  # fmt: skip
    """Create an object, again after refusals that may pass: for as long as ``deadline`` allows,
    else a few times.
    """
    client, resource, namespace = place
    what = named(resource, body)
    attempts = Attempts(
        deadline or Deadline(None, client.clock),
        Backoff(first=0.25, limit=5.0),
        limit=TRIES if deadline is None else None,
        may_pass=partial(_may_succeed_again, body),
    )

    def send() -> Object:
        return client.create(
            resource, namespace, body, dry_run=dry_run, field_manager=field_manager,
            field_validation=field_validation, sending=sending,
        )  # fmt: skip

    for attempt in attempts:
        with attempt:
            stored = written(send, body, what, field_validation)
    return stored


def _may_succeed_again(body: Object, error: BaseException) -> bool:
    if isinstance(error, TooManyRequestsError):
        return True
    if isinstance(error, AlreadyExistsError):
        return "name" not in body["metadata"]  # it was made up, and another one will be
    return isinstance(error, ConflictError) and error.details.get("kind") == "resourcequotas"


def explained(
    error: AlreadyExistsError, place: Collection, name: Optional[str]
) -> AlreadyExistsError:
    """``error``, with advice: the namesake can be used, or is being deleted and the name free in a
    moment.
    """
    if name is None:  # made up by the server
        return error
    try:
        namesake = place.named(name).find()
    except DevServersError:
        return error  # not to be told
    if namesake is None:
        return error.with_hint("it has gone since: create it again")
    kind = place.resource.kind
    where = f', namespace="{place.namespace}"' if place.namespace else ""
    if not namesake["metadata"].get("deletionTimestamp"):
        return error.with_hint(
            f'use the one that is there, {kind}.get("{name}"{where}), choose another name, or let the API '
            "server make one up (generate_name)"
        )
    return error.with_hint(
        f"the {kind} of that name is being deleted (its finalizers: {held_by(namesake)}): wait for that with "
        f'{kind}.get("{name}"{where}).wait_for_deletion(), then create yours'
    )
