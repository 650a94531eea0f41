"""What proves that an object is gone. Pure.

A 404 may come from a proxy, from an API server that is just starting, or be about a namespace; a 409
may be a stale version, a quota's race or a webhook. Only a Status with reason NotFound about the very
object says that it is not there, and only a Conflict about the uid that another one has its name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import APIError

if TYPE_CHECKING:
    from ..transport.paths import Resource

_ABOUT_UID = re.compile(r"\bUID in (?:the )?precondition")


def proves_absence(error: Exception, resource: Resource, name: str) -> bool:
    """Whether ``error`` says that there is no object of that name."""
    return isinstance(error, APIError) and error.reason == "NotFound" and _is_about(error, resource, name)


def proves_other_uid(error: Exception, resource: Resource, name: str) -> bool:
    """Whether ``error`` says that the object of that name is not the one whose uid was sent along."""
    if not isinstance(error, APIError) or error.reason != "Conflict" or not _is_about(error, resource, name):
        return False
    return bool(_ABOUT_UID.search(error.message))


def _is_about(error: APIError, resource: Resource, name: str) -> bool:
    details = error.details
    return (
        details.get("name") == name
        and (details.get("group") or "") == resource.group
        and details.get("kind") in (resource.plural, resource.kind)
    )
