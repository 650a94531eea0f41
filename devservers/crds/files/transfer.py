"""Upload: plan, send, and believe in success only when the container's side has confirmed it.

One exec carries one tar stream, a batch of the tree: all of it, unless it is big. Memory stays flat
however big the files are; the only thing that grows with the tree is the list of its names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, Optional, Protocol, Union

from ... import arguments
from ...errors import CommandNotFoundError, ExecConnectionLostError, SyncError
from ..result import RemoteResult
from .batches import BATCH_BYTES, batches
from .remote import (
    complaint,
    has_made_target,
    is_proved,
    receive_directory,
    receive_file,
    target_path,
)
from .scan import Entry, Scan, scan_directory, scan_file

if TYPE_CHECKING:
    from .source import LocalFiles


class RemoteRunner(Protocol):
    """Runs a command in the container: what exec does, and all that a transfer needs to know of it.

    ``stdin`` is an iterable of chunks of any size; the runner may leave it part-way when the
    command has ended. The end of it may or may not reach the command as an end of file.
    """

    def __call__(
        self, args: Sequence[str], stdin: Optional[Iterable[bytes]] = None
    ) -> RemoteResult: ...


class TransferReport(NamedTuple):
    """What a transfer copied. ``bytes`` counts file contents, ``wire_bytes`` the tar stream that
    carried them.

    ``skipped`` lists what cannot be copied by its nature (sockets, FIFOs, devices), relative to
    ``local``.
    """

    local: str
    remote: str
    files: int
    directories: int
    symlinks: int
    bytes: int
    wire_bytes: int
    skipped: tuple[str, ...] = ()


def check_paths(local: Union[str, os.PathLike[str]], remote: Union[str, os.PathLike[str]]) -> None:
    """What can be told of the two paths before the container is looked for.

    Raises:
        TypeError, ValueError: as :func:`upload`. FileNotFoundError: ``local`` does not exist.
    """
    target_path(arguments.path(remote, "remote"))
    try:
        os.stat(os.path.expanduser(arguments.path(local, "local")))
    except FileNotFoundError:
        raise
    except OSError:
        pass  # what cannot be read is a SyncError of the upload


def upload(
    run: RemoteRunner,
    local: Union[str, os.PathLike[str]],
    remote: Union[str, os.PathLike[str]],
    *,
    batch_bytes: int = BATCH_BYTES,
) -> TransferReport:
    """Copy a local directory or file into the container.

    A directory's contents land in ``remote``, which is created with its parents if need be; what
    else is there stays, same-named files are replaced. A single file lands at ``remote``, or in it
    if ``remote`` ends in ``/`` or is a directory, as with ``cp``.

    Each file there is at every moment either the old one or the new one: it is written beside its
    place and renamed. What fails while it travels (a full disk, a lost connection) leaves the old
    ones, of a tree of more than ``batch_bytes`` those of the batch that failed and of the batches
    after it.

    Modes (less set-user-id, set-group-id and sticky) and mtimes (whole seconds, none before 1970)
    are kept, owners are the container's user. In a directory with the set-group-id bit what is new
    gets its group, and directories the bit. A directory that is there and belongs to another user
    keeps its mode and mtime. Symlinks are copied as symlinks, hard links as separate files.
    ``remote`` may itself be a symlink to a directory and is followed, and keeps its mode if it
    exists. Below it a symlink is never followed but replaced by the directory or file that belongs
    there. A directory takes the place of a file; a file that of an empty directory, not of any
    other, nor of a device. A file on which something is mounted is written to in place.

    Args:
        run: executes a command in the container.
        local: ``~`` and ``~user`` are expanded; if it is a symlink it is followed.
        remote: absolute, relative to the container's working directory, or with a leading ``~/``
            for its ``$HOME``.
        batch_bytes: how much of files' contents one exec carries: so much room, or that of the
            largest file, is needed beside what is there.

    Raises:
        FileNotFoundError: ``local`` does not exist.
        ValueError: ``remote`` is empty, holds a NUL or cannot be encoded.
        ExecConnectionLostError: the connection was lost before the container's side had confirmed
            all of it.
        SyncError: something local cannot be read (nothing is sent then); the container's side
            failed or did not get all; or files changed while they were read: then everything else
            has arrived, and the copies of those named are cut, or filled up with zeros, to the size
            they had at first. A file deleted meanwhile is left out, as if it had been deleted
            before.
    """
    from .source import LocalFiles
    from .tarstream import stream_size

    remote = arguments.path(remote, "remote")
    target = target_path(remote)
    path = os.path.expanduser(arguments.path(local, "local"))
    plan = _plan(path)
    files = LocalFiles(plan.scan.root)
    parts = list(batches(plan.scan.entries, batch_bytes))
    wire_bytes = 0
    is_new = False
    for number, part in enumerate(parts, 1):
        size = stream_size(part, plan.marker)
        command = plan.command(target, size, is_new=is_new, is_last=number == len(parts))
        result = _send(run, command, part, plan.marker, files)
        which = _which_batch(number, len(parts))
        trouble = complaint(result)
        if trouble:
            gone = (
                f" (deleted locally meanwhile: {', '.join(map(repr, files.vanished))})"
                if files.vanished
                else ""
            )
            raise SyncError(f"uploading {path!r} to {remote!r} failed: {trouble}{gone}{which}")
        if not is_proved(result, plan.marker):
            raise ExecConnectionLostError(
                f"uploading {path!r} to {remote!r}: the API server says that it succeeded, but its end was not seen: "
                "the connection to the kubelet was lost (restarted, or cut off). Each file there is whole, the old one "
                f"or the new one; try again{which}",
                stdout_bytes=result.stdout, stderr_bytes=result.stderr,
            )  # fmt: skip
        is_new = is_new or has_made_target(result)
        wire_bytes += size
    if files.changed:
        raise SyncError(f"uploading {path!r} to {remote!r}: {_told(files.changed)}")
    return _report(path, remote, plan.scan, files.vanished, wire_bytes)


class _Plan(NamedTuple):
    """All that is decided before the first byte: what goes, and the marker behind it."""

    scan: Scan
    mode: int
    marker: str

    def command(self, target: str, size: int, *, is_new: bool, is_last: bool) -> list[str]:
        if not stat.S_ISDIR(self.mode):
            return receive_file(target, size, self.marker, self.scan.entries[0].name)
        mode = self.mode & 0o777 if is_last else None
        return receive_directory(target, size, self.marker, mode, is_new=is_new)


def _plan(path: str) -> _Plan:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SyncError(f"cannot read {path!r}: {error.strerror}; nothing was sent") from error
    scan = scan_directory(path) if stat.S_ISDIR(mode) else scan_file(path)
    return _Plan(scan, mode, f".devservers-{os.urandom(8).hex()}")


def _send(
    run: RemoteRunner,
    command: Sequence[str],
    entries: Sequence[Entry],
    marker: str,
    files: LocalFiles,
) -> RemoteResult:
    from .tarstream import stream

    with closing(stream(entries, marker, files.read)) as archive:
        try:
            return run(command, archive)
        except CommandNotFoundError as error:
            why = "copying files needs sh in the container, and there is none: use an image that has it"
            raise SyncError(why) from error


def _which_batch(number: int, count: int) -> str:
    """What became of the other batches of a transfer, when this one failed."""
    if count == 1:
        return ""
    return f". This was batch {number} of {count}: those before it are in place, those after it were not sent"


def _told(changed: Mapping[str, str], limit: int = 10) -> str:
    """Which files changed underfoot, the first few by name."""
    named = "; ".join(f"{name!r}: {why}" for name, why in list(changed.items())[:limit])
    more = f"; and {len(changed) - limit} more" if len(changed) > limit else ""
    return (
        f"{len(changed)} changed while being read ({named}{more}). What was copied of them is cut, or filled up with "
        "zeros, to the size they had at first; everything else has arrived. Upload again when they are at rest"
    )


def _report(
    path: str, remote: str, scan: Scan, vanished: Sequence[str], wire_bytes: int
) -> TransferReport:
    gone = set(vanished)
    entries = [entry for entry in scan.entries if entry.name not in gone]
    return TransferReport(
        local=path,
        remote=remote,
        files=sum(entry.is_file for entry in entries),
        directories=sum(entry.is_directory for entry in entries),
        symlinks=sum(entry.is_symlink for entry in entries),
        bytes=sum(entry.size for entry in entries),
        wire_bytes=wire_bytes,
        skipped=tuple(scan.skipped),
    )
