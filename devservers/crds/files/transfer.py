"""Upload: plan, send, and believe in success only when the container's side has confirmed it.

One exec carries one tar stream. Memory stays flat however big the files are; the only thing that grows with the tree
is the list of its names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Optional, Protocol, Union

from ...errors import CommandNotFoundError, ExecConnectionLostError, SyncError
from .scan import Scan, scan_directory, scan_file
from .scripts import (
    RemoteResult,
    complaint,
    is_proved,
    receive_directory,
    receive_file,
    sealed_directories,
    target_path,
)

if TYPE_CHECKING:
    from .source import LocalFiles


class RemoteRunner(Protocol):
    """Runs a command in the container: what exec does, and all that a transfer needs to know of it.

    ``stdin`` is an iterable of chunks of any size; the runner may leave it part-way when the command has ended. The end
    of it may or may not reach the command as an end of file.
    """

    def __call__(self, args: Sequence[str], stdin: Optional[Iterable[bytes]] = None) -> RemoteResult: ...


class TransferReport(NamedTuple):
    """What a transfer copied. ``bytes`` counts file contents, ``wire_bytes`` the tar stream that carried them.

    ``skipped`` lists what cannot be copied by its nature (sockets, FIFOs, devices), relative to ``local``.
    """

    local: str
    remote: str
    files: int
    directories: int
    symlinks: int
    bytes: int
    wire_bytes: int
    skipped: tuple[str, ...] = ()


def upload(
    run: RemoteRunner, local: Union[str, os.PathLike[str]], remote: Union[str, os.PathLike[str]]
) -> TransferReport:
    """Copy a local directory or file into the container.

    A directory's contents land in ``remote``, which is created with its parents if need be; what else is there stays,
    same-named files are replaced. A single file lands at ``remote``, or in it if ``remote`` ends in ``/`` or is a
    directory, as with ``cp``.

    Modes (less set-user-id, set-group-id and sticky) and mtimes (whole seconds, none before 1970) are kept, owners are
    the container's user. Symlinks are copied as symlinks, hard links as separate files. ``remote`` may itself be a
    symlink to a directory and is followed, and keeps its mode if it exists. Below it, where a symlink stands in place
    of an uploaded directory, GNU tar and toybox put the directory there and busybox follows the symlink; where a file
    does, those two replace it and busybox refuses.

    Args:
        run: executes a command in the container.
        local: ``~`` and ``~user`` are expanded; if it is a symlink it is followed.
        remote: absolute, relative to the container's working directory, or with a leading ``~/`` for its ``$HOME``.

    Raises:
        FileNotFoundError: ``local`` does not exist.
        ValueError: ``remote`` is empty, holds a NUL or cannot be encoded.
        ExecConnectionLostError: the connection was lost before the container's side had confirmed all of it.
        SyncError: something local cannot be read (nothing is sent then); the container's side failed or did not get
            all; or files changed while they were read: then everything else has arrived, and the copies of those named
            are cut, or filled up with zeros, to the size they had at first. A file deleted meanwhile is left out, as
            if it had been deleted before.
    """
    from .source import LocalFiles

    remote = os.fspath(remote)
    target = target_path(remote)
    path = os.path.expanduser(os.fspath(local))
    plan = _plan(path)
    files = LocalFiles(plan.scan.root)
    result = _send(run, plan, target, files)
    trouble = complaint(result)
    if trouble:
        gone = f" (deleted locally meanwhile: {', '.join(map(repr, files.vanished))})" if files.vanished else ""
        raise SyncError(f"uploading {path!r} to {remote!r} failed: {trouble}{gone}")
    if not is_proved(result, plan.marker):
        raise ExecConnectionLostError(
            f"uploading {path!r} to {remote!r}: the API server says that it succeeded, but its end was not seen: the "
            "connection to the kubelet was lost (restarted, or cut off). What had arrived is left there; try again",
            stdout_bytes=result.stdout, stderr_bytes=result.stderr,
        )  # fmt: skip
    if files.changed:
        raise SyncError(f"uploading {path!r} to {remote!r}: {_told(files.changed)}")
    return _report(path, remote, plan, files.vanished)


class _Plan(NamedTuple):
    """All that is decided before the first byte: what goes, the marker behind it, and how long the archive will be."""

    scan: Scan
    mode: int
    sealed: list[bytes]
    marker: str
    size: int

    def command(self, target: str) -> list[str]:
        if stat.S_ISDIR(self.mode):
            return receive_directory(target, self.size, self.marker, self.mode & 0o777, self.sealed)
        return receive_file(target, self.size, self.marker, self.scan.entries[0].name)


def _plan(path: str) -> _Plan:
    from .tarstream import stream_size

    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SyncError(f"cannot read {path!r}: {error.strerror}; nothing was sent") from error
    scan = scan_directory(path) if stat.S_ISDIR(mode) else scan_file(path)
    marker = f".devservers-{os.urandom(8).hex()}"
    return _Plan(scan, mode, sealed_directories(scan.entries), marker, stream_size(scan.entries, marker))


def _send(run: RemoteRunner, plan: _Plan, target: str, files: LocalFiles) -> RemoteResult:
    from .tarstream import stream

    with closing(stream(plan.scan.entries, plan.marker, files.read)) as archive:
        try:
            return run(plan.command(target), chain(plan.sealed, archive))
        except CommandNotFoundError as error:
            why = "copying files needs sh in the container, and there is none: use an image that has it"
            raise SyncError(why) from error


def _told(changed: Mapping[str, str], limit: int = 10) -> str:
    """Which files changed underfoot, the first few by name."""
    named = "; ".join(f"{name!r}: {why}" for name, why in list(changed.items())[:limit])
    more = f"; and {len(changed) - limit} more" if len(changed) > limit else ""
    return (
        f"{len(changed)} changed while being read ({named}{more}). What was copied of them is cut, or filled up with "
        "zeros, to the size they had at first; everything else has arrived. Upload again when they are at rest"
    )


def _report(path: str, remote: str, plan: _Plan, vanished: Sequence[str]) -> TransferReport:
    gone = set(vanished)
    entries = [entry for entry in plan.scan.entries if entry.name not in gone]
    return TransferReport(
        local=path,
        remote=remote,
        files=sum(entry.is_file for entry in entries),
        directories=sum(entry.is_directory for entry in entries),
        symlinks=sum(entry.is_symlink for entry in entries),
        bytes=sum(entry.size for entry in entries),
        wire_bytes=sum(map(len, plan.sealed)) + plan.size,
        skipped=tuple(plan.scan.skipped),
    )
