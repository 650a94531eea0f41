"""The TLS context that a client's connections share, replaced when a certificate is rotated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ...errors import KubeConfigError
from ..locks import ForkSafeLock
from .context import InsecureTLSWarning, TLSSettings, make_context
from .pem import ClientCertificate

if TYPE_CHECKING:
    import ssl


class SharedContext:
    """A context for ``settings``, made when it is first needed. Thread-safe.

    Connections share one because parsing a CA bundle takes a while.
    """

    def __init__(self, settings: TLSSettings, server: str, source: str) -> None:
        self._settings = settings
        self._server = server
        self._source = source
        self._lock = ForkSafeLock()
        self._context: Optional[ssl.SSLContext] = None
        self._certificate: Optional[ClientCertificate] = None
        self._version: object = None
        self._warned = False

    def current(
        self, certificate: Optional[ClientCertificate], certificate_version: object
    ) -> ssl.SSLContext:
        """The context for the next connection: a new one if the CA or the certificate has changed.

        While files are being replaced (the certificate is new and the key is not), they are of no
        use: the previous context serves until they are.

        Raises: KubeConfigError for files that cannot be used, if there is no previous context.
        """
        version = (self._settings.version(), certificate_version)
        with self._lock:
            if self._context is not None and self._version == version:
                return self._context
            self._warn_if_insecure()
            try:
                context = make_context(self._settings, certificate)
            except KubeConfigError:
                if self._context is None or self._certificate != certificate:
                    raise
                return self._context
            self._context, self._version, self._certificate = context, version, certificate
            return context

    def _warn_if_insecure(self) -> None:
        """Warn once."""
        if not self._settings.insecure or self._warned:
            return
        import warnings

        self._warned = True
        warnings.warn(
            f"insecure-skip-tls-verify ({self._source or 'TLSSettings'}): the certificate of "
            f"{self._server} is not verified; anyone in between can read and change the traffic: "
            "set certificate-authority-data instead",
            InsecureTLSWarning,
            stacklevel=2,
        )
