"""Upload: plan, send, and report success only when the container has confirmed it.

One exec carries one tar archive: the whole tree, or a batch of it if it is big. Memory stays flat
however big the files are; only the list of names grows with the tree.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Optional, Protocol, Union

from ... import arguments
from ...errors import CommandNotFoundError, ExecConnectionLostError, SyncError
from ..result import RemoteResult
from . import receiver
from .batches import BATCH_BYTES, batches
from .scan import Entry, Scan, scan_directory, scan_file

if TYPE_CHECKING:
    from .localfiles import LocalFiles


class RemoteRunner(Protocol):
    """Runs a command in the container: what exec does, as far as a transfer needs it.

    ``stdin`` is an iterable of chunks of any size; the runner may stop taking them when the command
    has ended. The end of ``stdin`` may or may not reach the command as an end of file.
    """

    def __call__(
        self, args: Sequence[str], stdin: Optional[Iterable[bytes]] = None
    ) -> RemoteResult: ...


@dataclass(frozen=True)
class TransferReport:
    """What a transfer has copied.

    ``bytes`` counts file contents, ``wire_bytes`` the tar archives that carried them. ``skipped``
    names what cannot be copied by its nature (sockets, FIFOs, devices), relative to ``local``.
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
    """Check what is known of the two paths before the container is looked up.

    Raises:
        TypeError, ValueError: as :func:`upload`. FileNotFoundError: ``local`` does not exist.
    """
    receiver.target_path(arguments.path(remote, "remote"))
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

    The contents of a directory are copied into ``remote``, which is created with its parents if
    needed; other files there stay, files of the same name are replaced. A single file is written to
    ``remote``, or into it if ``remote`` ends in ``/`` or is a directory, as with ``cp``.

    At every moment each remote file is either the old one or the new one: a file is written next to
    its place and renamed. If the transfer fails on the way (a full disk, a lost connection), the
    old files stay; of a tree of more than ``batch_bytes`` those of the failed batch and of later
    ones.

    Modes (without set-user-id, set-group-id and sticky) and mtimes (whole seconds, none before
    1970) are kept; the owner is the container's user. In a directory with the set-group-id bit new
    files get its group, and new directories the bit, too. An existing directory that belongs to
    another user keeps its mode and mtime. Symlinks are copied as symlinks, hard links as separate
    files.

    ``remote`` may itself be a symlink to a directory and is followed; if it exists, it keeps its
    mode. Below it a symlink is never followed, but replaced by the directory or file that belongs
    there. A directory replaces a file. A file replaces an empty directory, but no other, and no
    device. A file on which something is mounted is written to in place.

    Args:
        run: runs a command in the container.
        local: ``~`` and ``~user`` are expanded; if it is a symlink, it is followed.
        remote: absolute, relative to the container's working directory, or with a leading ``~/``
            for its ``$HOME``.
        batch_bytes: how many bytes of file contents one exec carries. The container needs so much
            additional room, or that of the largest file.

    Raises:
        FileNotFoundError: ``local`` does not exist.
        ValueError: ``remote`` is empty, contains a NUL or cannot be encoded.
        ExecConnectionLostError: the connection was lost before the container had confirmed all of
            it.
        SyncError: something local cannot be read (nothing is sent then); the script in the
            container failed; or files changed while they were read. In the last case everything
            else has arrived, and each named copy was truncated or zero-padded to the file's
            original size. A file that is deleted meanwhile is left out, as if it had been deleted
            before.
    """
    from .localfiles import LocalFiles
    from .tarstream import stream_size

    remote = arguments.path(remote, "remote")
    target = receiver.target_path(remote)
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
        failure = receiver.complaint(result)
        which = _which_batch(number, len(parts))
        if failure:
            if files.vanished:
                failure += f" (deleted locally meanwhile: {', '.join(map(repr, files.vanished))})"
            raise SyncError(f"uploading {path!r} to {remote!r} failed: {failure}{which}")
        if not receiver.is_confirmed(result, plan.marker):
            raise ExecConnectionLostError(
                f"uploading {path!r} to {remote!r}: the API server reported success, but the "
                "container did not confirm it: the connection to the kubelet was lost (restarted, "
                "or cut off). Each remote file is complete, either the old one or the new one; try "
                f"again{which}",
                stdout_bytes=result.stdout, stderr_bytes=result.stderr,
            )  # fmt: skip
        is_new = is_new or receiver.has_created_target(result)
        wire_bytes += size
    if files.changed:
        raise SyncError(f"uploading {path!r} to {remote!r}: {_describe_changed(files.changed)}")
    return _report(path, remote, plan.scan, files.vanished, wire_bytes)


class _Plan(NamedTuple):
    """What is decided before the first byte: what is sent, and the marker after it."""

    scan: Scan
    mode: int
    marker: str

    def command(self, target: str, size: int, *, is_new: bool, is_last: bool) -> list[str]:
        if not stat.S_ISDIR(self.mode):
            return receiver.receive_file(target, size, self.marker, self.scan.entries[0].name)
        mode = None
        if is_last:  # until then it must stay accessible
            mode = self.mode & 0o777
        return receiver.receive_directory(target, size, self.marker, mode, is_new=is_new)


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
            raise SyncError(
                "copying files needs sh in the container, and there is none: use an image that has "
                "it"
            ) from error


def _which_batch(number: int, count: int) -> str:
    """What happened to the other batches of a transfer if this one failed."""
    if count == 1:
        return ""
    return (
        f". This was batch {number} of {count}: those before it are in place, those after it were "
        "not sent"
    )


def _describe_changed(changed: dict[str, str], limit: int = 10) -> str:
    """Which files changed while they were read, the first few by name."""
    named = "; ".join(f"{name!r}: {why}" for name, why in list(changed.items())[:limit])
    more = f"; and {len(changed) - limit} more" if len(changed) > limit else ""
    return (
        f"{len(changed)} changed while being read ({named}{more}). The remote copy of each was "
        "truncated or zero-padded to its original size; everything else has arrived. Upload again "
        "once they stop changing"
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
        skipped=scan.skipped,
    )
