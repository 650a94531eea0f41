"""Certificates made for the occasion."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from functools import cache

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devservers.transport.tls.pem import ClientCertificate, PEMSource

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate (with its chain) and its key, as PEM."""

    certificate: bytes
    key: bytes

    def as_client(self, name: str = "alice") -> ClientCertificate:
        return ClientCertificate(
            PEMSource(f"client-certificate-data of user {name!r}", self.certificate),
            PEMSource(f"client-key-data of user {name!r}", self.key),
        )


class Authority:
    """A certificate authority of a cluster."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    @property
    def pem(self) -> bytes:
        return bytes(self._ca.cert_pem.bytes())

    def issue(self, *names: str, days: int = 30) -> Pair:
        """A certificate for host names, addresses or an e-mail; ``days=-1`` has expired, ``days=0`` begins tomorrow."""
        now = datetime.datetime.now(datetime.timezone.utc)
        begin, end = (now + _DAY, now + 2 * _DAY) if days == 0 else (now - 3 * _DAY, now + days * _DAY)
        leaf = self._ca.issue_cert(*names, not_before=begin, not_after=end)
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        return Pair(chain, leaf.private_key_pem.bytes())


class BareAuthority:
    """An authority as managed clusters have it: neither its certificate nor those it issues hold key identifiers or
    key usages, which Python 3.13's strict rules want. All of them bear one name, as after a cluster was rebuilt."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self._signed("kubernetes", self._key, (x509.BasicConstraints(True, None), True))

    def issue(self, name: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        return Pair(self._signed("kube-apiserver", key, (names, False)), text)

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, extension: tuple[x509.ExtensionType, bool]) -> bytes:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_common_name(name))
            .issuer_name(_common_name("kubernetes"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(*extension)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def server_context(pair: Pair, *, client_ca: bytes = b"") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme_pair = trustme.Blob(pair.key + pair.certificate)
    with trustme_pair.tempfile() as path:
        context.load_cert_chain(path)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca.decode())
    return context


@cache
def authority(name: str = "cluster") -> Authority:
    """One authority per name and process: making a key takes a while."""
    return Authority()
