"""What a failed TLS handshake means: which file or entry is at fault, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from .context import ClientCertificate, TLSSettings

if TYPE_CHECKING:
    pass

# X509_V_ERR_*: issuer missing, signed by another of the same name (every rebuilt cluster's CA is "kubernetes"),
# self-signed, unverifiable, not a CA (24 and, from OpenSSL 3 on, 79)
_UNKNOWN_CA = frozenset({2, 7, 18, 19, 20, 21, 24, 79})
_EXPIRED, _NOT_YET_VALID = frozenset({10, 15}), frozenset({9})
_WRONG_NAME = frozenset({62, 64})


def explain_handshake_failure(
    error: BaseException, settings: TLSSettings, certificate: Optional[ClientCertificate]
) -> str:
    """One sentence for an error of ``ssl`` from a handshake."""
    code = getattr(error, "verify_code", None)
    if code is not None:
        return _explain_verification(int(code), getattr(error, "verify_message", ""), settings)
    reason = getattr(error, "reason", None) or ""
    return _explain_alert(reason, certificate)


def _explain_verification(code: int, detail: str, settings: TLSSettings) -> str:
    if code in _UNKNOWN_CA:
        trusted = f"{settings.ca}" if settings.ca else "the system's authorities (the cluster entry names no CA)"
        return (
            f"its certificate is not signed by {trusted} ({detail}); "
            "fetch the cluster's current CA, or check that this is the right cluster"
        )
    if code in _EXPIRED:
        return (
            f"its certificate has expired, or that of its authority ({detail}); "
            "renew it on the server, and check this machine's clock"
        )
    if code in _NOT_YET_VALID:
        return f"its certificate is not valid yet ({detail}); check the clocks of this machine and the server"
    if code in _WRONG_NAME:
        return (
            f"its certificate is for another name ({detail}); "
            "use a host name the certificate holds in `server`, or set `tls-server-name` of the cluster entry to one"
        )
    return f"its certificate was rejected ({detail}); have it and its authority's made anew"


def _explain_alert(reason: str, certificate: Optional[ClientCertificate]) -> str:
    ours = f"the client certificate ({certificate.certificate})" if certificate else "this connection"
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS there; is the port right, or should `server` begin with http://?"
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        return "it offers no version of TLS that is safe (1.2 or newer); update the server, or the proxy on the way"
    if "CERTIFICATE_REQUIRED" in reason:
        return "it demands a client certificate; set client-certificate and client-key of the user entry"
    if certificate is None and "HANDSHAKE_FAILURE" in reason:
        return (
            "it demands a client certificate (set client-certificate and client-key of the user entry), "
            "or knows no cipher that is safe enough for us"
        )
    if "EXPIRED" in reason:
        return f"it says that {ours} has expired; log in again or renew it"
    if "REVOKED" in reason or "UNKNOWN_CA" in reason or "CERTIFICATE" in reason or "DECRYPT_ERROR" in reason:
        return f"it does not accept {ours}: {reason}; is it of this cluster, and still valid?"
    return reason or "the handshake failed"


def is_end_of_stream(error: Exception) -> bool:
    """Whether an error of ``ssl`` means that the peer closed the connection; its form depends on Python and OpenSSL."""
    import ssl

    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return True
    return isinstance(error, ssl.SSLError) and getattr(error, "reason", "") == "UNEXPECTED_EOF_WHILE_READING"


def is_alert(error: Exception) -> bool:
    """Whether an error of ``ssl`` means that the peer ended the session, saying why (RFC 8446, section 6)."""
    import ssl

    return isinstance(error, ssl.SSLError) and "ALERT" in (getattr(error, "reason", None) or "")
