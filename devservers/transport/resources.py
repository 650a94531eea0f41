"""Where a resource lives in the API: names checked by the server's own rules, then put into a URL path, in one place.

RFC 1123 names and the wording of the errors follow ``k8s.io/apimachinery``'s validation, so that a name refused here
is a name the API server refuses, and nothing that could change the meaning of a path (``""``, ``..``, ``a/b``, ``%2e``)
ever reaches a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional, Union
from urllib.parse import quote, urlencode

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_RE = re.compile(_LABEL)
_SUBDOMAIN_RE = re.compile(rf"{_LABEL}(\.{_LABEL})*")

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'example.com')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character (e.g. 'my-name', or '123-abc')"
)

Query = Union[Mapping[str, object], Iterable[tuple[str, object]]]


def validate_name(name: object, field: str = "metadata.name") -> str:
    """``name`` itself if it is a valid object name (RFC 1123 subdomain, 253 characters), else ValueError."""
    return _validate(name, field, _SUBDOMAIN_RE, 253, _SUBDOMAIN_RULE)


def validate_namespace(namespace: object, field: str = "metadata.namespace") -> str:
    """``namespace`` itself if it is a valid namespace name (RFC 1123 label, 63 characters), else ValueError."""
    return _validate(namespace, field, _LABEL_RE, 63, _LABEL_RULE)


def validate_generate_name(prefix: object) -> str:
    """``prefix`` itself if it can begin a generated name (a trailing ``-`` is fine), else ValueError."""
    if not isinstance(prefix, str) or not prefix:
        raise ValueError(f"metadata.generateName: Invalid value: {prefix!r}: must be a non-empty string")
    validate_name(prefix[:-1] + "a" if prefix.endswith("-") else prefix, "metadata.generateName")
    return prefix


def _validate(value: object, field: str, pattern: re.Pattern[str], limit: int, rule: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{field}: Invalid value: {value!r}: must be a string, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{field}: Required value: a name is needed")
    if len(value) > limit:
        raise ValueError(f'{field}: Invalid value: "{value[:40]}...": must be no more than {limit} characters')
    if not pattern.fullmatch(value):
        raise ValueError(f'{field}: Invalid value: "{value}": {rule}')
    return value


class Resource(NamedTuple):
    """A kind of object as the API names it; ``group`` is ``""`` for the core group."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: Optional[str]) -> str:
        """Path of the collection; ``namespace`` None means all namespaces, or a cluster-scoped kind."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if namespace is None:
            return f"{root}/{self.plural}"
        if not self.namespaced:
            raise ValueError(f"{self.kind} is cluster-scoped: it takes no namespace (given: {namespace!r})")
        return f"{root}/namespaces/{validate_namespace(namespace)}/{self.plural}"

    def item(self, namespace: Optional[str], name: str, subresource: str = "") -> str:
        """Path of one object, or of a subresource of it."""
        if self.namespaced and namespace is None:
            raise ValueError(f"{self.kind} {name!r} is namespaced: a namespace is needed")
        path = f"{self.collection(namespace)}/{quote(validate_name(name), safe='')}"
        return f"{path}/{subresource}" if subresource else path


PODS = Resource("", "v1", "pods", "Pod", True)
EVENTS = Resource("", "v1", "events", "Event", True)


def with_query(path: str, query: Optional[Query]) -> str:
    """``path?query``; pairs whose value is None are left out, True and False become ``true`` and ``false``."""
    if not query:
        return path
    pairs = query.items() if isinstance(query, Mapping) else query
    encoded = urlencode([(key, _text(value)) for key, value in pairs if value is not None])
    return f"{path}?{encoded}" if encoded else path


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class RequestInfo(NamedTuple):
    """What a request asks for, in the terms of RBAC (the API server's RequestInfo)."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        if not self.resource:
            return self.verb
        qualified = self.resource + (f".{self.group}" if self.group else "")
        target = qualified + (f"/{self.subresource}" if self.subresource else "")
        name = f' "{self.name}"' if self.name else ""
        where = f' in namespace "{self.namespace}"' if self.namespace else ""
        return f"{self.verb} {target}{name}{where}"

    def rule(self) -> str:
        """The Role rule that allows this request, as YAML flow."""
        resource = self.resource + (f"/{self.subresource}" if self.subresource else "")
        verbs = ["get", "create"] if self.subresource in ("exec", "portforward", "attach") else [self.verb]
        quoted = ", ".join(f'"{verb}"' for verb in verbs)
        return f'{{apiGroups: ["{self.group}"], resources: ["{resource}"], verbs: [{quoted}]}}'


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_ITEM_VERBS = {"GET": "get", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "DELETE": "deletecollection"}


def request_info(method: str, target: str) -> RequestInfo:
    """Read a request line the way the API server does; pure, used for messages only."""
    path, _, query = target.partition("?")
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return RequestInfo(f"{method} {path}", "", "", "", "", "")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    verb = _VERBS.get(method) or (_ITEM_VERBS if name else _COLLECTION_VERBS).get(method, method)
    if verb == "list" and ("watch=1" in query or "watch=true" in query):
        verb = "watch"
    return RequestInfo(verb, group, resource, subresource, namespace, name)


def kind_path(target: str) -> str:
    """What the requests for all objects of a kind have in common: ``/apis/devserver.io/v1/devservers``.

    ``""`` for a path that leads to no kind.
    """
    info = request_info("GET", target)
    if not info.resource:
        return ""
    root = target.strip("/").split("/")[: 3 if info.group else 2]
    return f"/{'/'.join(root)}/{info.resource}"
