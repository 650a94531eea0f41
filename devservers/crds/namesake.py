"""What is in the way of a create: an object of the same name, to stay or on its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ..errors import AlreadyExistsError, DevServersError, NotFoundError

if TYPE_CHECKING:
    from ..transport.paths import Resource
    from ..transport.rest import Object, RESTClient


def find_namesake(client: RESTClient, resource: Resource, namespace: Optional[str], name: str) -> Optional[Object]:
    """The object of that name; None if there is none any more. Raises what the read raises."""
    try:
        return client.get(resource, namespace, name)
    except NotFoundError:
        return None


def explained(
    error: AlreadyExistsError, client: RESTClient, resource: Resource, namespace: Optional[str], name: Optional[str]
) -> AlreadyExistsError:
    """``error``, with advice if the namesake is being deleted: the name will be free in a moment."""
    if name is None:  # made up by the server
        return error
    try:
        namesake = find_namesake(client, resource, namespace, name)
    except DevServersError:
        return error  # not to be told
    if namesake is None:
        return error.with_hint("it has gone since: create it again")
    if not namesake["metadata"].get("deletionTimestamp"):
        return error
    finalizers = held_by(namesake)
    return error.with_hint(
        f"the {resource.kind} of that name is being deleted (its finalizers: {finalizers}): wait for that with "
        f'{resource.kind}.get("{name}").wait_for_deletion(), then create yours'
    )


def held_by(raw: Object) -> str:
    """The finalizers of an object, for messages."""
    return ", ".join(map(str, raw["metadata"].get("finalizers") or ())) or "none"
