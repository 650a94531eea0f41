"""One look at an object by its name: it is there, it is known not to be, or that cannot be told.

A 404 proves nothing unless it is about this very object (:meth:`NotFoundError.is_about`). Who may not get an object may
still be allowed to list it, which is all that a watch needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ...errors import ForbiddenError, NotFoundError
from ...transport.rest import RESTClient

if TYPE_CHECKING:
    from ...transport.deadline import Deadline
    from ...transport.resources import Resource
    from ...transport.rest import Object


def find(
    client: RESTClient, resource: Resource, namespace: Optional[str], name: str, deadline: Optional[Deadline] = None
) -> Optional[Object]:
    """The object as it is now; None if it is known not to be there.

    Raises:
        DevServersError: it may not be read, there was no answer, or one that proves nothing.
    """
    try:
        return client.get(resource, namespace, name, deadline=deadline)
    except ForbiddenError as refusal:
        selectors = {"fieldSelector": f"metadata.name={name}"}
        try:
            items, _ = client.list_all(resource, namespace, selectors=selectors, deadline=deadline)
        except ForbiddenError:
            raise refusal from None
        return items[0] if items else None
    except NotFoundError as error:
        if error.is_about(resource, name):
            return None
        raise


def fresh_client(client: RESTClient) -> RESTClient:
    """A client for the same server that has no connection yet."""
    return RESTClient(client.config, clock=client.clock)
