"""TLS contexts: what is trusted, which name is expected, which certificate is presented.

The rules are those of Go, and so of kubectl, where OpenSSL's or Python's own are stricter: a CA of
the cluster replaces the system's authorities, an intermediate CA may be trusted by itself, and the
extensions that ``VERIFY_X509_STRICT`` demands are not required.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from ...errors import KubeConfigError, TLSError
from ..lazymodule import LazyModule
from .pem import ClientCertificate, PEMSource

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_PARTIAL_CHAIN = 0x80000  # ssl.VERIFY_X509_PARTIAL_CHAIN, which Python names from 3.10 on


class InsecureTLSWarning(UserWarning):
    """``insecure-skip-tls-verify`` is set: anyone in between can read and change the traffic."""


class BadCertificateError(TLSError, KubeConfigError):
    """A configured certificate or key cannot be used: not PEM, encrypted, or not a pair."""


@dataclass(frozen=True)
class TLSSettings:
    """How the API server is verified.

    Attributes:
        ca: the authorities to trust; None: those of the system.
        server_name: the name expected in the certificate, and sent as SNI, instead of the host.
        insecure: verify nothing.
    """

    ca: Optional[PEMSource] = None
    server_name: Optional[str] = None
    insecure: bool = False

    def version(self) -> object:
        """A value that changes when the CA does."""
        return self.ca.version() if self.ca else None


def make_context(settings: TLSSettings, certificate: Optional[ClientCertificate]) -> ssl.SSLContext:
    """A client context for the API server.

    Raises: KubeConfigError, TLSError for a CA or client certificate that cannot be used.
    """
    if settings.insecure:
        context = _unverified(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    elif settings.ca is None:
        context = _verifying_as_go_does(ssl.create_default_context())
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _trust(context, settings.ca)
        _verifying_as_go_does(context)
    context.set_alpn_protocols(["http/1.1"])
    if certificate is not None:
        _load_client_certificate(context, certificate)
    return context


def make_proxy_context(settings: TLSSettings) -> ssl.SSLContext:
    """A context for an https proxy: trusts the system's authorities and the cluster's.

    It presents no client certificate.
    """
    context = ssl.create_default_context()
    if settings.insecure:
        return _unverified(context)
    if settings.ca is not None:
        _trust(context, settings.ca)
    return _verifying_as_go_does(context)


def _unverified(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verifying_as_go_does(context: ssl.SSLContext) -> ssl.SSLContext:
    # Python 3.13 turns strict mode on. The CAs of EKS and of many companies fail it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VerifyFlags(_PARTIAL_CHAIN)
    return context


def _trust(context: ssl.SSLContext, ca: PEMSource) -> None:
    """Trust each certificate of ``ca``. A damaged one is ignored as long as another can be read."""
    found = [match for match in _PEM_BLOCK.finditer(ca.read()) if match[1] == b"CERTIFICATE"]
    if not found:
        raise BadCertificateError(
            f"{ca}: contains no PEM certificate; copy the cluster's CA certificate there again"
        )
    usable = 0
    for match in found:
        usable += _add_certificate(context, match[0])
    if not usable:
        raise BadCertificateError(
            f"{ca}: contains a damaged certificate; copy the cluster's CA certificate there again"
        )


def _add_certificate(context: ssl.SSLContext, block: bytes) -> bool:
    # OpenSSL's PEM reader stops at blank lines and at trailing blanks, so it is given DER.
    body = b"".join(block.split(b"-----")[2].split())
    try:
        context.load_verify_locations(cadata=b64decode(body, validate=True))
    except (ssl.SSLError, ValueError):
        return False
    return True


class _EncryptedKey(Exception):
    """OpenSSL asked for the password of a key."""


def _refuse_to_prompt() -> str:
    raise _EncryptedKey  # without this OpenSSL asks for the password on the terminal and waits


def _load_client_certificate(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    pem, key = certificate.certificate, certificate.key
    problem = ""  # raised outside of the handlers: OpenSSL's errors stay out of the traceback
    with pem.as_file() as pem_path, key.as_file() as key_path:
        try:
            context.load_cert_chain(pem_path, key_path, password=_refuse_to_prompt)
        except _EncryptedKey:
            problem = f"{key}: the key is encrypted; store it unencrypted (readable by you only)"
        except (ssl.SSLError, ValueError) as error:
            problem = _explain_bad_pair(certificate, getattr(error, "reason", "") or "")
        except OSError as error:
            problem = f"{pem} / {key}: cannot be read: {error.strerror}"
    if problem:
        raise BadCertificateError(problem)


def _explain_bad_pair(certificate: ClientCertificate, reason: str) -> str:
    pem, key = certificate.certificate, certificate.key
    if "MISMATCH" in reason:
        return (
            f"{key}: is not the key of {pem}; "
            "take both from the same place (a renewed certificate needs its own key)"
        )
    if b"PRIVATE KEY-----" not in key.read():
        return f"{key}: contains no PEM private key; copy it there again"
    if b"-----BEGIN CERTIFICATE-----" not in pem.read():
        return f"{pem}: contains no PEM certificate; copy it there again"
    return f"{pem} / {key}: OpenSSL cannot use them ({reason or 'damaged PEM'})"
