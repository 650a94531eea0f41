"""A certificate authority of one's own: the server's certificate, and client certificates."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme


@lru_cache(maxsize=1)
def authority() -> trustme.CA:
    """The process's certificate authority: made once, on first use."""
    import trustme

    return trustme.CA(organization_name="fake API server")


def ca_pem() -> bytes:
    return authority().cert_pem.bytes()


def server_context(*names: str) -> ssl.SSLContext:
    """TLS as the API server serves it: client certificates are asked for, not demanded."""
    certificate = authority().issue_cert(*names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate.configure_cert(context)
    authority().configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_certificate(user: str, groups: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
    """PEM of a certificate (with its chain) and key for a user; a group is an organization."""
    certificate = authority().issue_cert(
        "client.invalid", common_name=user, organization_name=groups[0] if groups else None
    )
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    return chain, certificate.private_key_pem.bytes()
