"""The API server's address: http and https only, without credentials, in one normal form. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import normpath
from typing import TYPE_CHECKING, Optional, Union
from urllib.parse import quote, unquote_to_bytes, urlsplit

from ...errors import KubeConfigError
from ..lazymodule import LazyModule
from ..text import has_controls

if TYPE_CHECKING:
    import ipaddress
else:
    ipaddress = LazyModule("ipaddress")

DEFAULT_PORTS = {"http": 80, "https": 443}

_REMEDY = "write it as https://HOST:PORT"
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?\Z")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\Z")


@dataclass(frozen=True)
class ServerURL:
    """Scheme, host, port and path prefix of a server.

    An IPv6 ``host`` has no brackets. ``port`` is None where the URL names none.
    """

    scheme: str
    host: str
    port: Optional[int]
    path: str

    def __str__(self) -> str:
        host = self.host.replace("%", "%25")  # of an IPv6 zone, as RFC 6874 has it
        return f"{self.scheme}://{host_and_port(host, self.port)}{self.path}"


def host_and_port(host: str, port: Union[int, str, None]) -> str:
    """``host:port`` (without a port ``host``), with brackets around an IPv6 address."""
    if ":" in host:
        host = f"[{host}]"
    if port is None:
        return host
    return f"{host}:{port}"


def parse_server_url(url: str, source: str) -> ServerURL:
    """The parts of ``url``.

    Raises: KubeConfigError naming ``source`` for anything but a plain http(s) address.
    """
    problem = ""
    try:
        url = url.strip()
        if has_controls(url):
            raise ValueError("control character")
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        problem = "is not a URL"
    if problem:  # raised out here, since urllib's exception quotes the URL
        raise KubeConfigError(f"{source}: the server {problem}; {_REMEDY}")
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        raise KubeConfigError(
            f"{source}: the server must be an http or https URL, not of scheme {scheme!r}; "
            f"{_REMEDY}"
        )
    if "@" in parts.netloc:
        raise KubeConfigError(
            f"{source}: the server's URL contains a user name or password; "
            "put them in the user entry"
        )
    host = plain_host(host)
    if not is_host(host) or port == 0:
        raise KubeConfigError(f"{source}: the server's URL names no valid host and port; {_REMEDY}")
    return ServerURL(scheme, host, port, _clean_path(parts.path, source))


def is_host(host: str) -> bool:
    """Whether ``host`` is a DNS name or an address (IPv6 without brackets)."""
    pattern = _IPV6 if ":" in host else _HOST
    return pattern.match(host) is not None


def _clean_path(path: str, source: str) -> str:
    """A path prefix as kubectl sends it: without ``//``, ``.`` and ``..``, encoded anew."""
    if _BROKEN_ESCAPE.search(path):
        raise KubeConfigError(
            f"{source}: the path of the server's URL contains a % that starts no escape; "
            f"{_REMEDY}/PATH"
        )
    decoded = unquote_to_bytes(path).decode("latin-1")
    plain = normpath("/" + decoded.lstrip("/"))
    if plain == "/":
        return ""
    return quote(plain.encode("latin-1"), safe="/$&+,:;=@-._~")


def certificate_name(host: str) -> str:
    """What a certificate contains for ``host``.

    That is the name without the root's dot, an address without its zone, and an IPv4-mapped IPv6
    address as the IPv4 one.
    """
    if ":" not in host:
        return host.rstrip(".")
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or address)


def plain_host(host: str) -> str:
    """The host of a URL: an IPv6 address, its zone decoded (RFC 6874), or a name in DNS form."""
    if ":" in host:
        return host.replace("%25", "%", 1)
    return ascii_host(host)


def ascii_host(host: str) -> str:
    """``host`` in DNS form (IDNA), ``""`` if it cannot be a name."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
