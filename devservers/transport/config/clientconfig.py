"""Where one API server is and how to talk to it: immutable, thread-safe, silent about secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from ... import arguments
from ...errors import KubeConfigError
from ...parts import needed_by
from ..auth.credentials import Credentials, Identity
from ..locks import ForkSafeLock
from ..tls.context import ClientCertificate, InsecureTLSWarning, TLSSettings, make_context
from .serverurl import DEFAULT_PORTS, ServerURL, parse_server_url

if TYPE_CHECKING:
    import ssl

    from .proxies import Proxy


ClusterID = tuple[str, str]
"""The server's URL, and a digest of what it is verified by."""


class _ContextCache:
    """The TLS context in use; contexts hold the parsed CA bundle and are worth keeping between connections."""

    def __init__(self) -> None:
        self.lock = ForkSafeLock()
        self.version: object = None
        self.context: Optional[ssl.SSLContext] = None
        self.certificate: Optional[ClientCertificate] = None
        self.warned = False


@dataclass(frozen=True, eq=False)
class ClientConfig:
    """Where the API server is and how to talk to it. Immutable, thread-safe, and silent about secrets.

    Attributes:
        server: ``https://host:6443``, perhaps with a path prefix, without a trailing slash.
        namespace: that of the context or service account; None if it names none.
        credentials: who we are; anonymous by default.
        tls: how the server is verified.
        proxy_url: a proxy for this cluster, whatever the environment says.
        proxy_from_environment: whether ``HTTPS_PROXY`` and its kin count when there is no ``proxy_url``.
        source: where all this comes from, for messages.
        user_agent: replaces the default ``User-Agent``.

    Raises KubeConfigError (a ValueError) for a server that is not an http or https URL.
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
    _cache: _ContextCache = field(init=False, repr=False, default_factory=_ContextCache)

    def __post_init__(self) -> None:
        for name in ("server", "source"):
            _check_type(getattr(self, name), name, str, "a string")
        for name in ("namespace", "proxy_url", "user_agent"):
            if getattr(self, name) is not None:
                _check_type(getattr(self, name), name, str, "a string")
        _check_type(self.credentials, "credentials", Credentials, "Credentials")
        _check_type(self.tls, "tls", TLSSettings, "TLSSettings")
        arguments.flag(self.proxy_from_environment, "proxy_from_environment")
        url = parse_server_url(self.server, self.source or "server")
        object.__setattr__(self, "_url", url)
        object.__setattr__(self, "server", str(url))
        if self.proxy_url:
            self.proxy()  # a URL that is none is an error now, not at the first request

    def __repr__(self) -> str:
        return f"ClientConfig(server={self.server!r}, namespace={self.namespace!r}, source={self.source!r})"

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
        return f"proxy-url of {self.source}" if self.source else "proxy_url"

    def proxy(self) -> Optional[Proxy]:
        """The proxy for every connection to this server (REST, watch and exec alike), None for none.

        ``proxy_url`` is used as it stands; the environment is read now and never applies to loopback addresses.
        """
        named = any(name.lower().endswith("_proxy") for name in os.environ)
        if not self.proxy_url and not (named and self.proxy_from_environment):
            return None
        with needed_by("a proxy"):
            from .proxies import parse_proxy, proxy_from_environment

        if self.proxy_url:
            return parse_proxy(self.proxy_url, self._proxy_source)
        return proxy_from_environment(self.scheme, self.host, self.port)

    def cluster_id(self) -> ClusterID:
        """What tells this cluster from others. It holds no secret and does not depend on who is asking."""
        import hashlib

        try:
            ca = self.tls.ca.read() if self.tls.ca else b""
        except KubeConfigError:
            ca = b"unreadable"
        verified_by = b"\0".join([b"".join(ca.split()), (self.tls.server_name or "").encode()])
        return self.server, hashlib.sha256(verified_by).hexdigest()

    def ssl_context(self, identity: Optional[Identity] = None) -> ssl.SSLContext:
        """The TLS context for the next connection: kept until the CA or the client certificate changes.

        Files that are being replaced at this moment (a certificate that is new, and a key that is not) change nothing
        as yet: the context of before serves until they can be used.
        """
        identity = identity or self.credentials.identity()
        version = (self.tls.version(), identity.version)
        cache = self._cache
        with cache.lock:
            if cache.context is not None and cache.version == version:
                return cache.context
            self._warn_if_insecure()
            try:
                context = make_context(self.tls, identity.certificate)
            except KubeConfigError:
                if cache.context is None or cache.certificate != identity.certificate:
                    raise
                return cache.context
            cache.context, cache.version, cache.certificate = context, version, identity.certificate
            return context

    def _warn_if_insecure(self) -> None:
        if not self.tls.insecure or self._cache.warned:
            return
        import warnings

        self._cache.warned = True
        source = self.source or "TLSSettings"
        warnings.warn(
            f"insecure-skip-tls-verify ({source}): the certificate of {self.server} is not verified; "
            "anybody on the way can read and change what is sent: set certificate-authority-data instead",
            InsecureTLSWarning,
            stacklevel=2,
        )


def _check_type(value: object, name: str, wanted: type, told: str) -> None:
    if not isinstance(value, wanted):
        raise TypeError(f"{name}: must be {told}, not {type(value).__name__}")
