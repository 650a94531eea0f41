"""TLS towards the API server: what to trust, whom to expect, which certificate to show, and what went wrong.

Certificate material stays a :class:`Material` (bytes from the kubeconfig, or a file named by it) until a connection
needs it, so that rotated files are seen and every error can name the entry that is at fault. ``ssl`` takes client
certificates from files only: data is handed to it through an anonymous memory file, and only where the system has
none through a 0600 file that is gone again before anything else happens.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from ...errors import KubeConfigError, TLSError
from ..text import shown

if TYPE_CHECKING:
    import ssl

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_PARTIAL_CHAIN = 0x80000  # ssl.VERIFY_X509_PARTIAL_CHAIN, which Python names from 3.10 on


class InsecureTLSWarning(UserWarning):
    """``insecure-skip-tls-verify`` is set: anybody on the way can read and change what is sent."""


class BadCertificateError(TLSError, KubeConfigError):
    """Certificate material of the configuration cannot be used: not PEM, encrypted, or a key of another certificate."""


@dataclass(frozen=True)
class Material:
    """PEM bytes, or the path of a file that holds them; ``source`` names the kubeconfig entry they come from."""

    source: str
    data: Optional[bytes] = field(default=None, repr=False)
    path: Optional[str] = None

    def version(self) -> object:
        """Equal as long as the material is unchanged; a replaced file gives another value."""
        if self.path is None:
            return self.data
        try:
            stat = os.stat(self.path)
        except OSError:
            return None
        return (self.path, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def read(self) -> bytes:
        """The PEM bytes; :class:`KubeConfigError` if the file cannot be read."""
        if self.path is None:
            return self.data or b""
        try:
            with open(self.path, "rb") as file:
                return file.read()
        except OSError as error:
            raise KubeConfigError(f"{self}: cannot be read: {error.strerror or error}") from error

    def __str__(self) -> str:
        return self.source if self.path is None else f"{self.source} ({shown(self.path)})"


@dataclass(frozen=True)
class ClientCertificate:
    """The certificate that tells the API server who we are, and its private key."""

    certificate: Material
    key: Material

    def version(self) -> object:
        return (self.certificate.version(), self.key.version())


@dataclass(frozen=True)
class TLSSettings:
    """How the API server is verified.

    Attributes:
        ca: the authorities to trust; None: those of the system.
        server_name: the name expected in the certificate (and sent as SNI) instead of the host of the URL.
        insecure: verify nothing.
    """

    ca: Optional[Material] = None
    server_name: Optional[str] = None
    insecure: bool = False

    def version(self) -> object:
        return self.ca.version() if self.ca else None


def make_context(settings: TLSSettings, certificate: Optional[ClientCertificate]) -> ssl.SSLContext:
    """A client context for the API server."""
    context = _verifying_context(settings)
    context.set_alpn_protocols(["http/1.1"])
    if certificate is not None:
        _load_client_certificate(context, certificate)
    return context


def _system_context() -> ssl.SSLContext:
    """A context that trusts the system's authorities.

    OpenSSL finds a certificate in ``SSL_CERT_DIR`` only under the hash of its name; Go reads whatever lies there.
    """
    import ssl

    context = ssl.create_default_context()
    for directory in filter(None, os.environ.get("SSL_CERT_DIR", "").split(os.pathsep)):
        for path in _files_in(directory):
            try:
                context.load_verify_locations(path)
            except (OSError, ValueError):
                continue  # something else that lies there
    return context


def _files_in(directory: str) -> list[str]:
    """Its files, also by links; a FIFO would be waited for without end."""
    try:
        paths = [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    except OSError:
        return []
    return [path for path in paths if os.path.isfile(path)]


def make_proxy_context(settings: TLSSettings) -> ssl.SSLContext:
    """A context for an https proxy: trusts the system's authorities and the cluster's, shows no client certificate."""
    context = _system_context()
    if settings.insecure:
        return _unverified(context)
    if settings.ca is not None:
        _trust(context, settings.ca)
    return _verifying_as_go_does(context)


def _verifying_context(settings: TLSSettings) -> ssl.SSLContext:
    import ssl

    if settings.insecure:
        return _unverified(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    if settings.ca is None:
        return _verifying_as_go_does(_system_context())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _trust(context, settings.ca)
    return _verifying_as_go_does(context)


def _unverified(context: ssl.SSLContext) -> ssl.SSLContext:
    import ssl

    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verifying_as_go_does(context: ssl.SSLContext) -> ssl.SSLContext:
    """Trust an authority that is no root, and one that lacks extensions which strict rules want."""
    import ssl

    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 sets it: the CAs of EKS and of many companies fail it
    context.verify_flags |= ssl.VerifyFlags(_PARTIAL_CHAIN)
    return context


def _trust(context: ssl.SSLContext, ca: Material) -> None:
    """Trust each certificate of ``ca``; one that cannot be read is passed over, as long as there is another."""
    blocks = [block.group(0) for block in _PEM_BLOCK.finditer(ca.read()) if block.group(1) == b"CERTIFICATE"]
    if not blocks:
        raise BadCertificateError(f"{ca}: holds no PEM certificate; copy the cluster's CA certificate there again")
    if not [block for block in blocks if _is_trusted_now(context, block)]:
        raise BadCertificateError(f"{ca}: holds a damaged certificate; copy the cluster's CA certificate there again")


def _is_trusted_now(context: ssl.SSLContext, block: bytes) -> bool:
    import ssl

    body = b"".join(block.split(b"-----")[2].split())  # blank lines and blanks at line ends stop OpenSSL's reader
    try:
        context.load_verify_locations(cadata=b64decode(body, validate=True))
    except (ssl.SSLError, ValueError):
        return False
    return True


def _load_client_certificate(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    import ssl

    problem = ""
    with _as_file(certificate.certificate) as cert_path, _as_file(certificate.key) as key_path:
        try:
            context.load_cert_chain(cert_path, key_path, password=_refuse_to_prompt)
        except _EncryptedKey:
            problem = f"{certificate.key}: the key is encrypted; store it unencrypted (readable by you only)"
        except (ssl.SSLError, ValueError) as error:
            problem = _explain_bad_pair(certificate, getattr(error, "reason", "") or "")
        except OSError as error:
            problem = f"{certificate.certificate} / {certificate.key}: cannot be read: {error.strerror}"
    if problem:
        raise BadCertificateError(problem)


class _EncryptedKey(Exception):
    pass


def _refuse_to_prompt() -> str:
    raise _EncryptedKey  # without this OpenSSL asks for the password on the terminal and waits


def _explain_bad_pair(certificate: ClientCertificate, reason: str) -> str:
    if "MISMATCH" in reason:
        return (
            f"{certificate.key}: is not the key of {certificate.certificate}; "
            "take both from the same place (a renewed certificate needs its own key)"
        )
    if b"PRIVATE KEY-----" not in certificate.key.read():
        return f"{certificate.key}: holds no PEM private key; copy it there again"
    if b"-----BEGIN CERTIFICATE-----" not in certificate.certificate.read():
        return f"{certificate.certificate}: holds no PEM certificate; copy it there again"
    return f"{certificate.certificate} / {certificate.key}: OpenSSL cannot use them ({reason or 'damaged PEM'})"


@contextmanager
def _as_file(material: Material) -> Iterator[str]:
    """A path under which OpenSSL can read the material, for the length of the block."""
    if material.path is not None:
        yield material.path
        return
    descriptor = _memory_file(material.read())
    if descriptor is not None:
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    path = _private_file(material)
    try:
        yield path
    finally:
        os.unlink(path)


def _memory_file(data: bytes) -> Optional[int]:
    """A descriptor of an anonymous file in memory, or None where the system has none that OpenSSL could open."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    except OSError:
        return None
    if not os.path.exists(f"/proc/self/fd/{descriptor}"):
        os.close(descriptor)
        return None
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
    except OSError:  # a limit on the size of files counts here too
        os.close(descriptor)
        return None
    return descriptor


def _private_file(material: Material) -> str:
    """A new file of mode 0600 that holds the material; the caller removes it."""
    import tempfile

    try:
        descriptor, path = tempfile.mkstemp(prefix="devservers-")  # creates with O_EXCL and mode 0600
    except OSError as error:
        raise _no_place(material, error) from error
    try:
        with open(descriptor, "wb") as file:
            file.write(material.read())
    except BaseException as error:
        os.unlink(path)
        if isinstance(error, OSError):
            raise _no_place(material, error) from error
        raise
    return path


def _no_place(material: Material, error: OSError) -> TLSError:
    return TLSError(
        f"{material}: OpenSSL reads certificates from files only, and here is neither an anonymous memory file "
        f"(memfd and /proc) nor a writable temporary directory ({error.strerror}); "
        "mount a tmpfs and name it in TMPDIR, or let the kubeconfig name files instead of data"
    )
