"""The API server's address: only http and https, no credentials in it, in one normal form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import normpath
from typing import Optional
from urllib.parse import quote, unquote_to_bytes, urlsplit

from ...errors import KubeConfigError

DEFAULT_PORTS = {"http": 80, "https": 443}

_REMEDY = "write it as https://HOST:PORT"
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?\Z")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\Z")


@dataclass(frozen=True)
class ServerURL:
    """Scheme, host (an IPv6 address without brackets), port (None: the scheme's) and path prefix of a server."""

    scheme: str
    host: str
    port: Optional[int]
    path: str

    def __str__(self) -> str:
        host = f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host  # RFC 6874: a zone's percent
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
    host = plain_host(host)
    if not is_host(host) or port == 0:
        raise KubeConfigError(f"{source}: the server's URL names no valid host and port; {_REMEDY}")
    return ServerURL(scheme, host, port, _clean_path(parts.path, source))


def is_host(host: str) -> bool:
    """Whether ``host`` is a DNS name or an address (IPv6 without brackets)."""
    return (_IPV6 if ":" in host else _HOST).match(host) is not None


def _without_control_characters(url: str) -> str:
    if any(character < " " or character == "\x7f" for character in url):
        raise ValueError("control character")
    return url


def _clean_path(path: str, source: str) -> str:
    """A path prefix as kubectl sends it: decoded, without ``//``, ``.`` and ``..``, encoded again."""
    if _BROKEN_ESCAPE.search(path):
        raise KubeConfigError(f"{source}: the path of the server's URL holds a % that is no escape; {_REMEDY}/PATH")
    plain = normpath("/" + unquote_to_bytes(path).decode("latin-1").lstrip("/"))
    return "" if plain == "/" else quote(plain.encode("latin-1"), safe="/$&+,:;=@-._~")


def certificate_name(host: str) -> str:
    """What a certificate holds for ``host``: no root's dot, no zone, an IPv4 address in IPv6 clothes as itself."""
    if ":" not in host:
        return host.rstrip(".")
    import ipaddress

    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or address)


def plain_host(host: str) -> str:
    """The host of a URL: an IPv6 address with its zone decoded (RFC 6874), or a name as DNS knows it."""
    return host.replace("%25", "%", 1) if ":" in host else ascii_host(host)


def ascii_host(host: str) -> str:
    """``host`` as DNS knows it (IDNA), ``""`` if it cannot be a name."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
