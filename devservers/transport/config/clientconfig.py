"""One API server: where it is, how it is verified, and who we are to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from ... import arguments
from ...errors import KubeConfigError
from ...parts import needed_by
from ..auth.credentials import Credentials, Identity
from ..lazymodule import LazyModule
from ..tls.context import TLSSettings
from ..tls.shared import SharedContext
from .serverurl import DEFAULT_PORTS, ServerURL, parse_server_url

if TYPE_CHECKING:
    import ssl

    from . import proxies
    from .proxies import Proxy
else:
    proxies = LazyModule(".proxies", __package__)


ClusterID = tuple[str, str]
"""The server's URL, and a digest of what verifies it."""


@dataclass(frozen=True, eq=False)
class ClientConfig:
    """Where the API server is and how to talk to it. Thread-safe; shows no secret.

    Attributes:
        server: ``https://host:6443``, optionally with a path prefix, without a trailing slash.
        namespace: that of the context or service account, None if it names none.
        credentials: who we are; anonymous by default.
        tls: how the server is verified.
        proxy_url: a proxy for this cluster, whatever the environment says.
        proxy_from_environment: whether ``HTTPS_PROXY`` and the like count without a ``proxy_url``.
        source: where all this comes from, for messages.
        user_agent: replaces the default ``User-Agent``.

    Raises: KubeConfigError (a ValueError) for a server or proxy that is not an http or https URL;
        TypeError for an attribute of another type.
    """

    server: str
    namespace: Optional[str] = None
    credentials: Credentials = field(default_factory=Credentials)
    tls: TLSSettings = field(default_factory=TLSSettings)
    proxy_url: Optional[str] = field(default=None, repr=False)
    source: str = ""
    user_agent: Optional[str] = None
    proxy_from_environment: bool = True
    _url: ServerURL = field(init=False, repr=False)
    _context: SharedContext = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("server", "source"):
            _check_type(name, getattr(self, name), str, "a string")
        for name in ("namespace", "proxy_url", "user_agent"):
            if getattr(self, name) is not None:
                _check_type(name, getattr(self, name), str, "a string")
        _check_type("credentials", self.credentials, Credentials, "Credentials")
        _check_type("tls", self.tls, TLSSettings, "TLSSettings")
        arguments.flag(self.proxy_from_environment, "proxy_from_environment")
        url = parse_server_url(self.server, self.source or "server")
        object.__setattr__(self, "_url", url)
        object.__setattr__(self, "server", str(url))
        object.__setattr__(self, "_context", SharedContext(self.tls, self.server, self.source))
        if self.proxy_url:
            self.proxy()  # a URL that is not one is an error now, not at the first request

    def __repr__(self) -> str:
        return (
            f"ClientConfig(server={self.server!r}, namespace={self.namespace!r}, "
            f"source={self.source!r})"
        )

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return self._url.scheme

    @property
    def host(self) -> str:
        """The host, an IPv6 address without its brackets."""
        return self._url.host

    @property
    def port(self) -> int:
        """The TCP port: the URL's, else the scheme's own."""
        return self._url.port or DEFAULT_PORTS[self._url.scheme]

    @property
    def path(self) -> str:
        """The path prefix, ``""`` or ``/…`` without a trailing slash."""
        return self._url.path

    @property
    def _proxy_source(self) -> str:
        if not self.source:
            return "proxy_url"
        return f"proxy-url of {self.source}"

    def proxy(self) -> Optional[Proxy]:
        """The proxy for every connection to this server (REST, watch and exec), None for none.

        ``proxy_url`` is used as it is. The environment is read now; it never applies to loopback
        addresses.

        Raises: KubeConfigError for a proxy variable that is not a proxy's URL.
        """
        named = any(name.lower().endswith("_proxy") for name in os.environ)
        if not self.proxy_url and not (named and self.proxy_from_environment):
            return None
        with needed_by("a proxy"):
            if self.proxy_url:
                return proxies.parse_proxy(self.proxy_url, self._proxy_source)
            return proxies.proxy_from_environment(self.scheme, self.host, self.port)

    def cluster_id(self) -> ClusterID:
        """What tells this cluster from others, whoever asks. It contains no secret."""
        import hashlib

        ca = b""
        if self.tls.ca is not None:
            try:
                ca = self.tls.ca.read()
            except KubeConfigError:
                ca = b"unreadable"
        verified_by = b"".join(ca.split()) + b"\0" + (self.tls.server_name or "").encode()
        return self.server, hashlib.sha256(verified_by).hexdigest()

    def ssl_context(self, identity: Optional[Identity] = None) -> ssl.SSLContext:
        """The TLS context for the next connection, in which ``identity`` is who we are.

        Raises: KubeConfigError, TLSError for a CA or client certificate that cannot be used.
        """
        identity = identity or self.credentials.identity()
        return self._context.current(identity.certificate, identity.version)


def _check_type(name: str, value: object, wanted: type, described: str) -> None:
    if not isinstance(value, wanted):
        raise TypeError(f"{name}: must be {described}, not {type(value).__name__}")
