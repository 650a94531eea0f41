"""The boundary where foreign exceptions become this package's own.

Errors of ``socket`` and ``ssl`` stay attached as the cause. Those of ``http.client`` and ``websocket-client`` do not:
they quote what the peer sent, which may be a body.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from typing import Callable, Optional, TypeVar

from ...errors import (
    ConnectionFailedError,
    DevServersError,
    ProtocolError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from ..config.clientconfig import ClientConfig
from ..tls.explain import explain_handshake_failure, is_alert

T = TypeVar("T")


def guarded(config: ClientConfig, doing: str, call: Callable[[], T]) -> T:
    """``call()``, with what it raises translated; ``doing`` begins the message."""
    try:
        return call()
    except DevServersError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        failure = translate(error, doing, config)
    raise failure  # out here: an exception that may quote a body is not its context


def translate(error: Exception, doing: str, config: ClientConfig) -> TransportError:
    """Our exception for a foreign one."""
    if isinstance(error, ssl.SSLError) and not isinstance(error, socket.timeout):
        failure: TransportError = refusal_of_certificate(error, config) or ConnectionFailedError(
            f"{doing}: the TLS connection broke ({error.reason or 'end of file'})"
        )
    elif (
        isinstance(error, (TimeoutError, socket.timeout))
        and getattr(error, "errno", None) != errno.ETIMEDOUT
    ):
        failure = RequestTimeoutError(
            f"{doing}: no whole answer from {config.server} in the time given"
        )
    elif isinstance(error, http.client.IncompleteRead):
        failure = ConnectionFailedError(
            f"{doing}: the connection was cut before the answer was whole"
        )
    elif isinstance(error, http.client.RemoteDisconnected):
        failure = ConnectionFailedError(
            f"{doing}: the API server closed the connection without an answer"
        )
    elif isinstance(error, OSError):
        failure = ConnectionFailedError(
            f"{doing}: the connection failed ({error.strerror or error})"
        )
    else:
        failure = ProtocolError(f"{doing}: the answer is not HTTP ({type(error).__name__})")
    if isinstance(error, OSError) and not isinstance(error, http.client.HTTPException):
        failure.__cause__ = error
    return failure


def refusal_of_certificate(error: ssl.SSLError, config: ClientConfig) -> Optional[TLSError]:
    """The error to raise for an alert that comes with the first read; None if ``error`` is no alert.

    In TLS 1.3 the client is done with the handshake before the server has looked at its certificate, so that a missing,
    expired or unknown one shows only then.
    """
    if not is_alert(error):
        return None
    certificate = config.credentials.identity().certificate
    explanation = explain_handshake_failure(error, config.tls, certificate)
    return TLSError(f"no TLS connection to {config.server}: {explanation}")
