"""Certificates and keys as they are configured: PEM bytes, or the path of a file with them.

A :class:`PEMSource` is read when a connection needs it and not before, so that a rotated file is
noticed, and every error can name the kubeconfig entry that is at fault.

``ssl`` loads client certificates from files only. :meth:`PEMSource.as_file` therefore lends a path:
that of the configured file, else of an anonymous file in memory (Linux), and only where there is
neither of a temporary file with mode 0600 that is removed at once. So keys stay off the disk.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Optional

from ...errors import KubeConfigError, TLSError
from ..text import shown_path


@dataclass(frozen=True)
class PEMSource:
    """PEM bytes, or the path of a file with them; ``source`` names the kubeconfig entry."""

    source: str
    data: Optional[bytes] = field(default=None, repr=False)
    path: Optional[str] = None

    def version(self) -> object:
        """A value that changes when the content does, as when a file is replaced."""
        if self.path is None:
            return self.data
        try:
            stat = os.stat(self.path)
        except OSError:
            return None
        return (self.path, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def read(self) -> bytes:
        """The PEM bytes.

        Raises: KubeConfigError if the file cannot be read.
        """
        if self.path is None:
            return self.data or b""
        try:
            with io.FileIO(self.path) as file:  # when the interpreter ends there is no open()
                return file.read()
        except OSError as error:
            raise KubeConfigError(f"{self}: cannot be read: {error.strerror or error}") from error

    @contextmanager
    def as_file(self) -> Iterator[str]:
        """A path from which OpenSSL can read the PEM while the block runs."""
        if self.path is not None:
            yield self.path
            return
        descriptor = _memory_file(self.read())
        if descriptor is not None:
            try:
                yield f"/proc/self/fd/{descriptor}"
            finally:
                os.close(descriptor)
            return
        path = self._temporary_file()
        try:
            yield path
        finally:
            os.unlink(path)

    def _temporary_file(self) -> str:
        """The path of a new file with mode 0600; the caller removes it."""
        import tempfile

        try:
            descriptor, path = tempfile.mkstemp(prefix="devservers-")  # uses O_EXCL and mode 0600
        except OSError as error:
            raise self._nowhere_to_write(error) from error
        try:
            with open(descriptor, "wb") as file:
                file.write(self.read())
        except BaseException as error:
            os.unlink(path)
            if isinstance(error, OSError):
                raise self._nowhere_to_write(error) from error
            raise
        return path

    def _nowhere_to_write(self, error: OSError) -> TLSError:
        return TLSError(
            f"{self}: OpenSSL reads client certificates from files only, and this system has "
            f"neither in-memory files (memfd and /proc) nor a writable temporary directory "
            f"({error.strerror}); mount a tmpfs and name it in TMPDIR, or let the kubeconfig name "
            "files instead of data"
        )

    def __str__(self) -> str:
        return self.source if self.path is None else f"{self.source} ({shown_path(self.path)})"


@dataclass(frozen=True)
class ClientCertificate:
    """The certificate that tells the API server who we are, and its private key."""

    certificate: PEMSource
    key: PEMSource

    def version(self) -> object:
        """A value that changes when the certificate or the key does."""
        return (self.certificate.version(), self.key.version())


def _memory_file(data: bytes) -> Optional[int]:
    """A descriptor of an in-memory file with ``data``; None where OpenSSL could not open one."""
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
        with io.open(descriptor, "wb", closefd=False) as file:  # noqa: UP020, see read()
            file.write(data)
    except OSError:  # a file size limit (RLIMIT_FSIZE) applies to memory files too
        os.close(descriptor)
        return None
    return descriptor
