"""Where a resource is in the API, and what a request is about: paths built, and read back.

:class:`Resource` is the one place where names are put into a URL path, checked (``names.py``) and
percent-encoded. :class:`RequestInfo` is what the API server makes of a request line; messages and
RBAC rules are worded with it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional, Union
from urllib.parse import quote, urlencode

from .names import validate_name, validate_namespace

Query = Union[Mapping[str, object], Iterable[tuple[str, object]]]


class Resource(NamedTuple):
    """A kind of object as the API names it; ``group`` is ``""`` for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: Optional[str]) -> str:
        """Path of the collection; ``namespace`` None: of all namespaces, or a cluster-scoped kind.

        Raises: ValueError for a namespace that is not valid, or given for a cluster-scoped kind.
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if namespace is None:
            return f"{root}/{self.plural}"
        if not self.namespaced:
            raise ValueError(
                f"{self.kind} is cluster-scoped: it takes no namespace (given: {namespace!r})"
            )
        return f"{root}/namespaces/{validate_namespace(namespace)}/{self.plural}"

    def item(self, namespace: Optional[str], name: str, subresource: str = "") -> str:
        """Path of one object, or of a subresource of it.

        Raises: ValueError for a name or namespace that is not valid, or a missing namespace.
        """
        if self.namespaced and namespace is None:
            raise ValueError(f"{self.kind} {name!r} is namespaced: a namespace is required")
        path = f"{self.collection(namespace)}/{quote(validate_name(name), safe='')}"
        return f"{path}/{subresource}" if subresource else path


PODS = Resource("", "v1", "pods", "Pod", True)
EVENTS = Resource("", "v1", "events", "Event", True)


def with_query(path: str, query: Optional[Query]) -> str:
    """``path?query``, without the pairs whose value is None; booleans are ``true``, ``false``."""
    if not query:
        return path
    pairs = query.items() if isinstance(query, Mapping) else query
    encoded = urlencode([(key, _query_value(value)) for key, value in pairs if value is not None])
    return f"{path}?{encoded}" if encoded else path


def _query_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


class RequestInfo(NamedTuple):
    """What a request asks for, in the terms of RBAC (the API server's RequestInfo).

    Of a path that names no resource, ``verb`` is method and path and the rest is empty.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """``get devservers.devserver.io "dev" in namespace "team"``."""
        if not self.resource:
            return self.verb
        text = f"{self.verb} {self.resource}"
        if self.group:
            text += f".{self.group}"
        if self.subresource:
            text += f"/{self.subresource}"
        if self.name:
            text += f' "{self.name}"'
        if self.namespace:
            text += f' in namespace "{self.namespace}"'
        return text

    @property
    def qualified_resource(self) -> str:
        """The resource as rules name it: ``pods``, ``pods/exec``."""
        if self.subresource:
            return f"{self.resource}/{self.subresource}"
        return self.resource

    @property
    def _required_verbs(self) -> list[str]:
        """A WebSocket upgrade is a GET, and since Kubernetes 1.35 it needs ``create``, too."""
        if self.subresource in _UPGRADES:
            return ["get", "create"]
        return [self.verb]

    def may_be_refused_as(self, verb: str) -> bool:
        """Whether an authorizer that refuses this request may name ``verb`` as what is refused.

        An apply that creates the object is a PATCH and needs ``create``.
        """
        return verb in self._required_verbs or (self.verb == "patch" and verb == "create")

    def rule(self, refused: str = "") -> str:
        """The Role rule that allows this request, as YAML flow; ``refused`` is the refused verb."""
        verbs = dict.fromkeys(self._required_verbs)
        if refused:
            verbs[refused] = None
        quoted = ", ".join(f'"{verb}"' for verb in verbs)
        return (
            f'{{apiGroups: ["{self.group}"], resources: ["{self.qualified_resource}"], '
            f"verbs: [{quoted}]}}"
        )


_UPGRADES = ("exec", "portforward", "attach")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_ITEM_VERBS = {"GET": "get", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "DELETE": "deletecollection"}


def request_info(method: str, target: str) -> RequestInfo:
    """A request line as the API server reads it."""
    path, _, query = target.partition("?")
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return RequestInfo(f"{method} {path}")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    by_scope = _ITEM_VERBS if name else _COLLECTION_VERBS
    verb = _VERBS.get(method) or by_scope.get(method, method)
    if verb == "list" and ("watch=1" in query or "watch=true" in query):
        verb = "watch"
    return RequestInfo(verb, group, resource, subresource, namespace, name)


def kind_path(target: str) -> str:
    """What the requests for a kind have in common: ``/apis/devserver.io/v1/devservers``.

    ``""`` for a path that leads to no kind.
    """
    info = request_info("GET", target)
    if not info.resource:
        return ""
    root = target.strip("/").split("/")[: 3 if info.group else 2]
    return f"/{'/'.join(root)}/{info.resource}"
