"""Which proxy, if any, leads to the API server: one decision for REST, watch and exec.

A cluster's ``proxy-url`` is used as it stands. Otherwise the environment decides, by the rules of Go's ``httpproxy``
(which kubectl follows): upper case before lower case; ``NO_PROXY`` holds ``*``, addresses, CIDR ranges, domains (with
their subdomains), ``.domain`` or ``*.domain`` (subdomains only), each perhaps with ``:port``. Loopback is never
proxied.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional, Union
from urllib.parse import SplitResult, unquote, urlsplit

from ...errors import KubeConfigError
from .serverurl import DEFAULT_PORTS, ascii_host, is_host, plain_host

if TYPE_CHECKING:
    import ipaddress

    _Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; ``source`` names the setting it comes from."""

    scheme: str
    host: str
    port: int
    source: str = "proxy"
    _userinfo: Optional[tuple[str, str]] = field(default=None, repr=False)

    def headers(self) -> list[tuple[str, str]]:
        """``Proxy-Authorization`` for the user and password of the proxy's URL."""
        if self._userinfo is None:
            return []
        pair = ":".join(self._userinfo).encode()
        return [("Proxy-Authorization", "Basic " + base64.b64encode(pair).decode("ascii"))]

    @property
    def authority(self) -> str:
        """``host:port``, brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority} ({self.source})"


def parse_proxy(url: str, source: str) -> Proxy:
    """The proxy that ``url`` names; :class:`KubeConfigError`, which shows no part of it but the scheme."""
    parts, port = _split(url, source)
    scheme = parts.scheme.lower()
    if scheme.startswith("socks"):
        raise KubeConfigError(
            f"{source}: SOCKS proxies are not supported; use an http:// or https:// proxy "
            "(many SSH and SOCKS tools can offer one, privoxy for instance)"
        )
    if scheme not in DEFAULT_PORTS:
        raise KubeConfigError(f"{source}: must begin with http:// or https:// (http://host:port)")
    host = plain_host(parts.hostname or "")
    if not is_host(host):
        raise KubeConfigError(f"{source}: names no valid host; a proxy is http://host:port or https://host:port")
    userinfo = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return Proxy(scheme, host, port or DEFAULT_PORTS[scheme], source, userinfo)


def _split(url: str, source: str) -> tuple[SplitResult, Optional[int]]:
    try:
        if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url):
            raise ValueError
        url.encode()  # an environment that is not UTF-8 gives halves of surrogate pairs
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        pass
    raise KubeConfigError(
        f"{source}: is not a URL (not shown: it may hold a password); write http://host:port, and percent-encode "
        "what is special in a user name or password"
    )


def proxy_from_environment(
    scheme: str, host: str, port: int, environ: Optional[Mapping[str, str]] = None
) -> Optional[Proxy]:
    """The proxy that the environment names for ``scheme://host:port``; None: connect directly."""
    environ = os.environ if environ is None else environ
    name, value = _first(environ, f"{scheme.upper()}_PROXY", f"{scheme}_proxy")
    if not value or (name == "HTTP_PROXY" and environ.get("REQUEST_METHOD")):
        return None  # in a CGI program HTTP_PROXY is a header of the request ("httpoxy")
    if is_loopback(host) or excluded(host, port, _first(environ, "NO_PROXY", "no_proxy")[1]):
        return None
    return parse_proxy(value if "://" in value else f"http://{value}", name)


def _first(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    return next(((name, environ[name].strip()) for name in names if environ.get(name, "").strip()), (names[0], ""))


def is_loopback(host: str) -> bool:
    address = _address(host)
    return host.rstrip(".").lower() == "localhost" if address is None else address.is_loopback


def excluded(host: str, port: int, no_proxy: str) -> bool:
    """Whether ``no_proxy`` (the value of ``NO_PROXY``) exempts ``host:port``."""
    host = host.rstrip(".").lower()
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_matches(entry, host, port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        return address is not None and _in_network(address, entry)
    pattern, wanted_port = _split_port(entry)
    if wanted_port not in ("", str(port)):
        return False
    listed = _address(pattern)
    if listed is not None:
        return listed == address
    return _is_in_domain(host, pattern[1:] if pattern.startswith("*.") else pattern)


def _is_in_domain(host: str, domain: str) -> bool:
    """Domains are compared as text, addresses too: ``.1.2`` exempts 10.0.1.2 (Go's rule)."""
    below_only = domain.startswith(".")
    name = ascii_host(domain[1:] if below_only else domain).rstrip(".")
    return bool(name) and (host.endswith("." + name) or (host == name and not below_only))


def _in_network(address: _Address, network: str) -> bool:
    import ipaddress

    try:
        return address in ipaddress.ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest[1:] if rest.startswith(":") else ""
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _address(host: str) -> Optional[_Address]:
    import ipaddress  # not on the way of a process without proxy variables

    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
