"""The API server's address: only http and https, no credentials in it, in one normal form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional
from urllib.parse import quote, urlsplit

from ..errors import KubeConfigError

_REMEDY = "write it as https://HOST:PORT"
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?\Z")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\Z")


@dataclass(frozen=True)
class ServerURL:
    """Scheme, host (an IPv6 address without brackets), port (None: the scheme's) and path prefix of a server."""

    scheme: str
    host: str
    port: Optional[int]
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port is None else f':{self.port}'}{self.path}"


def parse_server_url(url: str, source: str) -> ServerURL:
    """The parts of ``url``; :class:`KubeConfigError` naming ``source`` for anything but a plain http(s) address."""
    problem = ""
    try:
        parts = urlsplit(_without_control_characters(url.strip()))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        problem = "is not a URL"
    if problem:
        raise KubeConfigError(f"{source}: the server {problem}; {_REMEDY}")
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        raise KubeConfigError(f"{source}: the server must be an http or https URL, not of scheme {scheme!r}; {_REMEDY}")
    if "@" in parts.netloc:
        raise KubeConfigError(f"{source}: the server's URL holds a user name or password; give them in the user entry")
    host = _ascii_host(host)
    if not is_host(host) or port == 0:
        raise KubeConfigError(f"{source}: the server's URL names no valid host and port; {_REMEDY}")
    return ServerURL(scheme, host, port, quote(parts.path.rstrip("/"), safe="/%!$&'()*+,;=:@-._~"))


def is_host(host: str) -> bool:
    """Whether ``host`` is a DNS name or an address (IPv6 without brackets)."""
    return (_IPV6 if ":" in host else _HOST).match(host) is not None


def _without_control_characters(url: str) -> str:
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("control character")
    return url


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
