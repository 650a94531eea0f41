"""Which proxy, if any, leads to the API server: one decision for REST, watch and exec. Pure.

A cluster's ``proxy-url`` is used as it is. Otherwise the environment decides, by the rules of Go's
``httpproxy``, which kubectl follows: upper case takes precedence over lower case; ``NO_PROXY``
lists ``*``, addresses, CIDR ranges, domains (including their subdomains), ``.domain`` or
``*.domain`` (subdomains only), each optionally with ``:port``. Loopback addresses are never
proxied.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional, Union
from urllib.parse import SplitResult, unquote, urlsplit

from ...arguments import is_encodable
from ...errors import KubeConfigError
from ..lazymodule import LazyModule
from ..text import has_controls
from .serverurl import DEFAULT_PORTS, ascii_host, host_and_port, is_host, plain_host

if TYPE_CHECKING:
    import ipaddress

    _Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
else:
    ipaddress = LazyModule("ipaddress")


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
        """``host:port``, with brackets around an IPv6 address."""
        return host_and_port(self.host, self.port)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority} ({self.source})"


def parse_proxy(url: str, source: str) -> Proxy:
    """The proxy that ``url`` names.

    Raises: KubeConfigError naming ``source``; no part of the URL is shown.
    """
    parts, port = _split(url, source)
    scheme = parts.scheme.lower()
    if scheme.startswith("socks"):
        raise KubeConfigError(
            f"{source}: SOCKS proxies are not supported; use an http:// or https:// proxy "
            "(privoxy, for instance, offers one in front of a SOCKS proxy)"
        )
    if scheme not in DEFAULT_PORTS:
        raise KubeConfigError(f"{source}: must begin with http:// or https:// (http://host:port)")
    host = plain_host(parts.hostname or "")
    if not is_host(host):
        raise KubeConfigError(
            f"{source}: names no valid host; a proxy is http://host:port or https://host:port"
        )
    userinfo = None
    if parts.username is not None:
        userinfo = (unquote(parts.username), unquote(parts.password or ""))
    return Proxy(scheme, host, port or DEFAULT_PORTS[scheme], source, userinfo)


def _split(url: str, source: str) -> tuple[SplitResult, Optional[int]]:
    try:
        # not encodable: a value of an environment that is not UTF-8
        if " " not in url and not has_controls(url) and is_encodable(url):
            parts = urlsplit(url)
            return parts, parts.port
    except ValueError:
        pass
    raise KubeConfigError(
        f"{source}: is not a URL (not shown: it may contain a password); write http://host:port, "
        "and percent-encode special characters in user name and password"
    )


def proxy_from_environment(
    scheme: str, host: str, port: int, environ: Optional[Mapping[str, str]] = None
) -> Optional[Proxy]:
    """The proxy that the environment names for ``scheme://host:port``, None to connect directly.

    Raises: KubeConfigError for a proxy variable that is not a proxy's URL.
    """
    if environ is None:
        environ = os.environ
    name, value = _first_set(environ, f"{scheme.upper()}_PROXY", f"{scheme}_proxy")
    if not value:
        return None
    if name == "HTTP_PROXY" and environ.get("REQUEST_METHOD"):
        return None  # in a CGI program HTTP_PROXY is a header of the request ("httpoxy")
    _, no_proxy = _first_set(environ, "NO_PROXY", "no_proxy")
    if is_loopback(host) or is_excluded(host, port, no_proxy):
        return None
    if "://" not in value:
        value = f"http://{value}"
    return parse_proxy(value, name)


def _first_set(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    """Name and value of the first of ``names`` that is not blank."""
    for name in names:
        value = environ.get(name, "").strip()
        if value:
            return name, value
    return names[0], ""


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, by its name or address."""
    address = _parse_address(host)
    if address is None:
        return host.rstrip(".").lower() == "localhost"
    return address.is_loopback


def is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """Whether ``no_proxy`` (the value of ``NO_PROXY``) exempts ``host:port``."""
    host = host.rstrip(".").lower()
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_matches(entry, host, port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _parse_address(host)
    if "/" in entry:
        return address is not None and _is_in_network(address, entry)
    pattern, wanted_port = _split_port(entry)
    if wanted_port not in ("", str(port)):
        return False
    listed = _parse_address(pattern)
    if listed is not None:
        return listed == address
    if pattern.startswith("*."):
        pattern = pattern[1:]
    return _is_in_domain(host, pattern)


def _is_in_domain(host: str, domain: str) -> bool:
    """Domains are compared as text, and so are addresses: ``.1.2`` exempts 10.0.1.2 (Go's rule)."""
    subdomains_only = domain.startswith(".")
    name = ascii_host(domain[1:] if subdomains_only else domain).rstrip(".")
    if not name:
        return False
    return host.endswith("." + name) or (host == name and not subdomains_only)


def _is_in_network(address: _Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False


def _split_port(entry: str) -> tuple[str, str]:
    """Host and port of an entry; the port is ``""`` if there is none."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest[1:] if rest.startswith(":") else ""
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _parse_address(host: str) -> Optional[_Address]:
    """The IP address that ``host`` is, None for a name. An IPv4-mapped address is the IPv4 one."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address
