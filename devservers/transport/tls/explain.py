"""What a failed TLS handshake means: which file or entry is at fault, and what to do about it."""

from __future__ import annotations

import ssl
from typing import Optional

from .context import TLSSettings
from .pem import ClientCertificate

# X509_V_ERR_* of OpenSSL: no issuer, signed by another of the same name (the CA of every rebuilt
# cluster is called "kubernetes"), self-signed, unverifiable, not a CA (24, in OpenSSL 3 also 79).
_UNKNOWN_CA = frozenset({2, 7, 18, 19, 20, 21, 24, 79})
_EXPIRED = frozenset({10, 15})
_NOT_YET_VALID = frozenset({9})
_WRONG_NAME = frozenset({62, 64})

_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)
_REJECTIONS = ("REVOKED", "UNKNOWN_CA", "CERTIFICATE", "DECRYPT_ERROR")


def explain_handshake_failure(
    error: BaseException, settings: TLSSettings, certificate: Optional[ClientCertificate]
) -> str:
    """One sentence about an error of ``ssl`` from a handshake; its subject, "it", is the server."""
    code = getattr(error, "verify_code", None)
    if code is not None:
        return _explain_verification(int(code), getattr(error, "verify_message", ""), settings)
    reason = getattr(error, "reason", None) or ""
    return _explain_alert(reason, certificate)


def _explain_verification(code: int, detail: str, settings: TLSSettings) -> str:
    if code in _UNKNOWN_CA:
        trusted = "the system's authorities (the cluster entry names no CA)"
        if settings.ca:
            trusted = str(settings.ca)
        return (
            f"its certificate is not signed by {trusted} ({detail}); "
            "fetch the cluster's current CA, or check that this is the right cluster"
        )
    if code in _EXPIRED:
        return (
            f"its certificate has expired, or its authority's ({detail}); "
            "renew it on the server, and check this machine's clock"
        )
    if code in _NOT_YET_VALID:
        return (
            f"its certificate is not valid yet ({detail}); "
            "check the clocks of this machine and the server"
        )
    if code in _WRONG_NAME:
        return (
            f"its certificate is for another name ({detail}); use a host name from the certificate "
            "in `server`, or set `tls-server-name` of the cluster entry to one"
        )
    return f"its certificate was rejected ({detail}); reissue it and its authority's"


def _explain_alert(reason: str, certificate: Optional[ClientCertificate]) -> str:
    """For an error that is not about the server's certificate, by OpenSSL's name for it."""
    ours = "this connection"
    if certificate is not None:
        ours = f"the client certificate ({certificate.certificate})"
    if reason in _NOT_TLS:
        return (
            "it does not speak TLS; check the port, and whether `server` should begin with http://"
        )
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        return (
            "it offers no version of TLS that is safe (1.2 or newer); "
            "update the server, or the proxy in between"
        )
    if "CERTIFICATE_REQUIRED" in reason:
        return (
            "it demands a client certificate; "
            "set client-certificate and client-key of the user entry"
        )
    if certificate is None and "HANDSHAKE_FAILURE" in reason:
        return (
            "it demands a client certificate (set client-certificate and client-key of the user "
            "entry), or offers no cipher that is safe enough"
        )
    if "EXPIRED" in reason:
        return f"it says that {ours} has expired; log in again or renew it"
    if any(sign in reason for sign in _REJECTIONS):
        return (
            f"it does not accept {ours}: {reason}; "
            "check that it is for this cluster and still valid"
        )
    return reason or "the handshake failed"


def is_end_of_stream(error: Exception) -> bool:
    """Whether an error of ``ssl`` means that the peer closed the connection.

    Which error that is depends on the versions of Python and OpenSSL.
    """
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return True
    return (
        isinstance(error, ssl.SSLError)
        and getattr(error, "reason", "") == "UNEXPECTED_EOF_WHILE_READING"
    )


def is_alert(error: Exception) -> bool:
    """Whether an error of ``ssl`` is the peer's alert, which says why it ended the session.

    RFC 8446, section 6.
    """
    return isinstance(error, ssl.SSLError) and "ALERT" in (getattr(error, "reason", None) or "")
