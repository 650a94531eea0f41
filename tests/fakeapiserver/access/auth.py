"""Who may do what: bearer tokens, client certificates, and rules by (user, verb, resource, subresource)."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from ..serving.http import ANONYMOUS, Request, User
from ..vocabulary.requestinfo import RequestInfo
from ..vocabulary.status import APIFailure, forbidden, unauthorized

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"

ADMIN = User("admin", (MASTERS, AUTHENTICATED))

PUBLIC_PATHS = ("/version", "/version/", "/healthz", "/livez", "/readyz")
OWN_REVIEWS = ("selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews")
DISCOVERY_PATHS = ("/api", "/apis", "/openapi")


class Tokens:
    """The bearer tokens that are known, and whose they are; and whose client certificates have expired."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._expired: set[str] = set()

    def add(self, token: str, name: str, groups: tuple[str, ...] = ()) -> None:
        self._users[token] = User(name, (*groups, AUTHENTICATED))

    def revoke(self, token: str) -> None:
        self._users.pop(token, None)

    def expire_certificates(self, user: str) -> None:
        """Client certificates of this user are expired: 401, also on connections that were opened before."""
        self._expired.add(user)

    def authenticate(self, request: Request) -> User:
        """The sender; without credentials (or in a scheme other than Bearer) anonymous, with bad ones a 401."""
        header = request.headers.get("Authorization")
        scheme, token = (*(header or "").strip().split(" ", 2), "", "")[:2]
        if scheme.lower() == "bearer" and token:
            return self._owner(token)
        certificate = request.connection.peer_certificate()
        if certificate:
            user = _from_certificate(certificate)
            if user.name in self._expired:
                raise unauthorized()
            return user
        return ADMIN if header is None and _credentials_withheld(request) else ANONYMOUS

    def owner(self, token: str) -> Optional[User]:
        """Whose token it is, if it is known."""
        return self._users.get(token)

    def _owner(self, token: str) -> User:
        user = self._users.get(token)
        if user is None:
            raise unauthorized()
        return user


def _credentials_withheld(request: Request) -> bool:
    """Is it kubectl (or another client-go client) on plain HTTP? It sends no credentials there, whatever it has."""
    plain = not isinstance(request.connection.socket, ssl.SSLSocket)
    return plain and " kubernetes/" in (request.headers.get("User-Agent") or "")


def _from_certificate(certificate: dict[str, Any]) -> User:
    """Common name and organizations of the subject are user and groups."""
    subject = [pair for rdn in certificate.get("subject", ()) for pair in rdn]
    name = next((value for key, value in subject if key == "commonName"), "")
    groups = tuple(value for key, value in subject if key == "organizationName")
    return User(name, (*groups, AUTHENTICATED))


@dataclass(frozen=True)
class Rule:
    """Whom it concerns and what: ``*`` stands for any; ``subresource`` empty means the resource itself."""

    user: str
    verb: str = "*"
    resource: str = "*"
    subresource: str = ""
    namespace: str = "*"
    name: str = "*"

    @property
    def target(self) -> str:
        """``pods`` or ``pods/exec``."""
        return f"{self.resource}/{self.subresource}" if self.subresource not in ("", "*") else self.resource

    def covers(self, user: User, verb: str, info: RequestInfo) -> bool:
        return (
            (self.user in ("*", user.name) or self.user in user.groups)
            and self.verb in ("*", verb)
            and self.resource in ("*", info.resource)
            and self.subresource in ("*", info.subresource)
            and self.namespace in ("*", info.namespace)
            and self.name in ("*", info.name)
        )


class Rules:
    """Everything for ``system:masters``, discovery for all, the rest by ``allow``; ``deny`` beats all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._allowed: list[Rule] = []
        self._denied: list[Rule] = []

    def allow(self, user: str, verb: str = "*", resource: str = "*", subresource: str = "", **where: str) -> None:
        """Grant a user (or group) a verb; ``resource`` may be ``"pods/exec"``; ``where``: namespace, name."""
        with self._lock:
            self._allowed.append(_rule(user, verb, resource, subresource, where))

    def deny(self, user: str, verb: str = "*", resource: str = "*", subresource: str = "", **where: str) -> None:
        """Refuse it, even to administrators."""
        with self._lock:
            self._denied.append(_rule(user, verb, resource, subresource, where))

    def clear(self) -> None:
        with self._lock:
            self._allowed.clear()
            self._denied.clear()

    def allows(self, user: User, info: RequestInfo) -> bool:
        if any(rule.covers(user, info.verb, info) for rule in self._denied):
            return False
        if MASTERS in user.groups:
            return True
        if not info.is_resource:
            return _public(user, info)
        if info.resource in OWN_REVIEWS and info.verb == "create" and AUTHENTICATED in user.groups:
            return True
        return any(rule.covers(user, info.verb, info) for rule in self._allowed)

    def granted(self, user: User) -> list[Rule]:
        """The rules that allow a user something, for a rules review."""
        if MASTERS in user.groups:
            return [Rule(user.name, subresource="*")]
        return [rule for rule in self._allowed if rule.user in ("*", user.name, *user.groups)]

    def check(self, user: User, info: RequestInfo) -> None:
        """Raise the 403 that a denial gets."""
        if not self.allows(user, info):
            raise denial(user, info)


def _rule(user: str, verb: str, resource: str, subresource: str, where: dict[str, str]) -> Rule:
    resource, _, sub = resource.partition("/")
    return Rule(user, verb, resource, subresource or sub or ("*" if resource == "*" else ""), **where)


def _public(user: User, info: RequestInfo) -> bool:
    if info.verb != "get":
        return False
    if info.path in PUBLIC_PATHS:
        return True
    return AUTHENTICATED in user.groups and any(
        info.path == p or info.path.startswith(p + "/") for p in DISCOVERY_PATHS
    )


def denial(user: User, info: RequestInfo) -> APIFailure:
    """The 403 with the authorizer's sentence."""
    failure = _refusal(user, info)
    failure.headers = [("X-Content-Type-Options", "nosniff")]
    return failure


def _refusal(user: User, info: RequestInfo) -> APIFailure:
    if not info.is_resource:
        return forbidden("", "", "", f'User "{user.name}" cannot {info.verb} path "{info.path}"')
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {info.verb} resource "{resource}" in API group "{info.group}" {where}'
    return forbidden(info.group, info.resource, info.name, why)


class Access(NamedTuple):
    """All that says who somebody is, and what they may do."""

    tokens: Tokens
    rules: Rules
