"""Which kinds an API server has been seen to serve, and what a 404 means in the light of that.

Only a ``Status`` that names an object says that the object is not there. A bare ``404 page not
found``, or a page of HTML, comes from something that does not know the path: an API server that has
just started and has not read its CustomResourceDefinitions yet, or an ingress without its backend.
Once a kind has been served, such an answer is a failure that may pass, :class:`NotServedError`; at
the first contact a missing CustomResourceDefinition looks like that, and it stays a
:class:`NotFoundError` that says so.
"""

from __future__ import annotations

from ..errors import APIError, NotFoundError, NotServedError
from .resources import RequestInfo, kind_path, request_info

HTML_PAGE = "the answer is an HTML page, not a Status: a proxy or load balancer answered"
"""The message in place of a page, which is not shown."""
UNKNOWN_PATH = "the server has no such path"
"""The message in place of the list of paths with which an API server answers an unknown path."""

_TRANSIENT_HINT = (
    "this kind has been served before: the API server may be starting, or a proxy answered in its "
    "place; try again, and if it persists, check that the CustomResourceDefinition is still there"
)
_NO_API_SERVER = (
    "is the server URL that of a Kubernetes API server, and does the proxy before it know this "
    "path?"
)


class ServedKinds:
    """What one client has seen. Thread-safe: a set only grows."""

    def __init__(self) -> None:
        self._paths: set[str] = set()

    def answered(self, target: str) -> None:
        """A request for ``target`` had a proper answer: its kind is served."""
        self._paths.add(kind_path(target))

    def judged(self, error: APIError, method: str, target: str) -> APIError:
        """The exception for a failed request: ``error``, unless it is a 404 that names no object.

        ``error`` is what the answer alone says: :class:`NotServedError` for a 404 that is no
        Status.
        """
        info = request_info(method, target)
        if _is_about(info, error):
            self.answered(target)
        if not _names_nothing(info, error):
            return error
        if info.resource and kind_path(target) in self._paths:
            return error.recast(NotServedError, _TRANSIENT_HINT)
        if isinstance(error, NotServedError):
            return error.recast(NotFoundError, _missing_kind(target, error))
        return error


def _is_about(info: RequestInfo, error: APIError) -> bool:
    """Whether a Status is about this very kind. (A 403 also names kinds that do not exist.)"""
    details = error.details
    same = details.get("kind") == info.resource and (details.get("group") or "") == info.group
    return same and error.status not in (401, 403)


def _names_nothing(info: RequestInfo, error: APIError) -> bool:
    """Whether it is a 404 that cannot be about an absent object: no Status, or for a collection."""
    if isinstance(error, NotServedError):
        return True
    return (
        isinstance(error, NotFoundError)
        and info.verb in ("list", "watch")
        and not error.details.get("name")
    )


def _missing_kind(target: str, error: APIError) -> str:
    info = request_info("GET", target)
    if not info.group or error.message in (HTML_PAGE, UNKNOWN_PATH):
        return _NO_API_SERVER
    version = kind_path(target).split("/")[3]
    return (
        f"the cluster does not know the kind {info.resource}.{info.group} in version {version}: "
        "install a CustomResourceDefinition that serves it, or try again if the API server has "
        "only just started"
    )
