"""Impersonation: a request whose sender acts as somebody else (``Impersonate-*`` headers), if that is allowed.

Each user, group, uid and extra value that is taken on must be allowed by itself, as the verb ``impersonate`` on a
resource made for the purpose. From there on everything is decided for the other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Optional
from urllib.parse import unquote

from ..serving.http import ANONYMOUS, Request, Response, User
from ..vocabulary.requestinfo import RequestInfo
from .auth import AUTHENTICATED, Rules

USER, GROUP, UID, EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-"
AUTHENTICATION = "authentication.k8s.io"
UNAUTHENTICATED = ANONYMOUS.groups[0]
SERVICE_ACCOUNT = "system:serviceaccount:"


class Part(NamedTuple):
    """One thing that is taken on, and the resource that stands for it."""

    resource: str
    name: str
    namespace: str = ""
    group: str = ""
    subresource: str = ""

    @property
    def attributes(self) -> RequestInfo:
        return RequestInfo(
            "impersonate", "", self.group, "", self.namespace, self.resource, self.subresource, self.name
        )

    def as_go_shows_it(self) -> str:
        """The struct that an error message prints."""
        kind, version = KINDS[self.resource]
        return f"{{{kind} {self.namespace} {self.name}  {version}  {self.subresource}}}"


KINDS = {
    "serviceaccounts": ("ServiceAccount", ""),
    "users": ("User", ""),
    "groups": ("Group", ""),
    "uids": ("UID", f"{AUTHENTICATION}/v1"),
    "userextras": ("UserExtra", f"{AUTHENTICATION}/v1"),
}


def impersonate(request: Request, rules: Rules) -> Optional[Response]:
    """Put the other user in the sender's place; the refusal of headers that name nobody. Raises a 403."""
    if not any(name.lower().startswith("impersonate-") for name, _ in request.headers.items):
        return None
    parts = list(_parts(request))
    if not parts:
        return None
    if parts[0].resource not in ("users", "serviceaccounts"):
        return _of_nobody(request, parts)
    for part in parts:
        rules.check(request.user, part.attributes)
    request.user = _user(request.headers.get(USER) or "", parts)
    return None


def _parts(request: Request) -> Iterator[Part]:
    user = request.headers.get(USER) or ""
    if user:
        yield _account(user) or Part("users", user)
    for group in request.headers.get_all(GROUP):
        yield Part("groups", group)
    for name, value in request.headers.items:
        if name.lower().startswith(EXTRA.lower()):
            key = unquote(name[len(EXTRA) :].lower())
            yield Part("userextras", value, group=AUTHENTICATION, subresource=key)
    uid = request.headers.get(UID) or ""
    if uid:
        yield Part("uids", uid, group=AUTHENTICATION)


def _account(user: str) -> Optional[Part]:
    if not user.startswith(SERVICE_ACCOUNT):
        return None
    namespace, _, name = user[len(SERVICE_ACCOUNT) :].partition(":")
    return Part("serviceaccounts", name, namespace) if namespace and name and ":" not in name else None


def _of_nobody(request: Request, parts: list[Part]) -> Response:
    shown = " ".join(part.as_go_shows_it() for part in parts)
    text = f'Internal Server Error: "{request.target}": requested [{shown}] without impersonating a user\n'
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return Response(500, text.encode(), "text/plain; charset=utf-8", [("X-Content-Type-Options", "nosniff")])


def _user(name: str, parts: list[Part]) -> User:
    groups = [part.name for part in parts if part.resource == "groups"]
    account = parts[0]
    if not groups and account.resource == "serviceaccounts":
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{account.namespace}"]
    if name == ANONYMOUS.name:
        return User(name, tuple(groups if UNAUTHENTICATED in groups else [*groups, UNAUTHENTICATED]))
    known = AUTHENTICATED in groups or UNAUTHENTICATED in groups
    return User(name, tuple(groups if known else [*groups, AUTHENTICATED]))
