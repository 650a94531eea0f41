"""The container's half of a transfer: a POSIX shell script, and what its outcome means.

The script is constant text for dash, busybox ash, bash and their kin. Values reach it as arguments, never by pasting.
What an exec request carries becomes JSON in the container runtime, which spoils bytes that are not UTF-8; so a path
travels as :func:`word` writes it, and ``printf %b`` gives the bytes back.

Rules it keeps:

* ``head -c`` bounds the input, for the exec channel may never end it. What follows it reads exactly the planned bytes.
* A pipeline's status is that of ``tar``; whether ``head`` failed shows by the marker, which then has not arrived.
* All input is read, whatever fails: closing a v4 stream with input under way makes the API server forget to pass on how
  the script ended, and what it said.
* ``umask 0`` keeps modes for every tar and user; to busybox, when not root, the option ``-p`` would say nothing.
* ``cd``, not ``-C``: GNU tar takes backslashes in the latter for escapes.
* ``-o``: the owner is who runs tar, the group what the directory says (a set-group-id volume), also for root.
* A directory whose owner may not write in it is opened before and closed afterwards: who is not root could not unpack
  into it a second time, and busybox would leave it open. Their list, a line each, comes before the archive; ``read``
  takes from a pipe exactly the lines it is asked for.
* What it made for itself (marker, staging directory) is gone when it ends, well or badly.
* Its last word is the marker, on stdout: an exit code 0 alone may come from an API server that has lost the kubelet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

from .scan import Entry

MISSING_TOOL, NO_DIRECTORY, INTERRUPTED, INCOMPLETE, IS_DIRECTORY, NO_HOME = range(81, 87)

# $1 target, $2 bytes of the archive, $3 marker, $4 bytes of the whole input; for a file: $5 its name; for a directory:
# $5 the mode to make it with, $6 how many lines come before the archive
_PROLOGUE = r"""
input=$4
skip() { head -c "$1" >/dev/null; }
quit() { skip "$input"; exit "$1"; }
fail() { printf '%s\n' "$2" >&2; quit "$1"; }
command -v head >/dev/null 2>&1 || { echo 'head: not found' >&2; exit 81; }
for tool in tar mkdir mv rm chmod; do
command -v "$tool" >/dev/null 2>&1 || fail 81 "$tool: not found"
done
target=$(printf '%b/' "$1")
target=${target%/}
case $target in
"~/"*) [ -n "${HOME-}" ] || fail 86 'HOME is not set'; target=$HOME${target#"~"};;
esac
sealed=
seal() {
printf '%s' "$sealed" | while read -r mode name; do
name=$(printf '%b/' "$name")
[ ! -d "$target/$name" ] || chmod "$mode" "$target/$name" || exit 87
done
}
"""

_OPEN_DIRECTORY = r"""
new=
[ -d "$target" ] || new=yes
mkdir -p "$target" || quit 82
root=$target
litter=$target/$3
left=$6
input=$2
while [ "$left" -gt 0 ]; do
left=$((left - 1))
read -r mode name || fail 84 'the list of directories ended early'
sealed="$mode $name
$sealed"
name=$(printf '%b/' "$name")
[ ! -d "$target/$name" ] || chmod u+rwx "$target/$name" || :
done
"""

_OPEN_FILE = r"""
name=$(printf '%b/' "$5")
name=${name%/}
[ ! -d "$target" ] || target=${target%/}/
case $target in
*/) root=$target; target=$target$name;;
*) root=${target%/*}/;;
esac
mkdir -p "$root" || quit 82
[ ! -d "$target" ] || fail 85 "$target: is a directory"
root=$root$3
litter=$root
mkdir "$root" || quit 82
"""

_RECEIVE = r"""
trap 'code=$?; rm -rf "$litter" "$litter"_; seal || exit 87; [ "$code" -ne 0 ] || echo "$3"' EXIT
trap 'exit 83' HUP INT TERM
(
cd "$root" || quit 82
umask 0
head -c "$2" | { status=0; tar -x -o -f - || status=$?; skip "$2"; exit "$status"; }
) || exit "$?"
input=0
[ -f "$root/$3" ] || fail 84 'the archive ended early'
"""

_CLOSE_DIRECTORY = r"""
rm -f "$litter" "$litter"_
[ -z "$new" ] || chmod "$5" "$target"
"""

_CLOSE_FILE = r"""
mv -f "$root/$name" "$target"
"""

_DIRECTORY_SCRIPT = _PROLOGUE + _OPEN_DIRECTORY + _RECEIVE + _CLOSE_DIRECTORY
_FILE_SCRIPT = _PROLOGUE + _OPEN_FILE + _RECEIVE + _CLOSE_FILE


class RemoteResult(NamedTuple):
    """How a command in the container ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


def receive_directory(target: str, size: int, marker: str, mode: int, sealed: Sequence[bytes]) -> list[str]:
    """The command that unpacks ``size`` bytes of tar below ``target``; ``mode`` is for a directory it has to make.

    Its input begins with the lines of :func:`sealed_directories`.
    """
    whole = size + sum(map(len, sealed))
    values = [word(target), str(size), marker, str(whole), f"{mode:04o}", str(len(sealed))]
    return ["sh", "-c", _DIRECTORY_SCRIPT, "devservers-sync", *values]


def sealed_directories(entries: Iterable[Entry]) -> list[bytes]:
    """A line for each directory that its owner may not read, write and enter: mode and name, parents first."""
    return [
        f"{entry.permissions:04o} {word(entry.name)}\n".encode()
        for entry in entries
        if entry.is_directory and entry.permissions & 0o700 != 0o700
    ]


def receive_file(target: str, size: int, marker: str, name: str) -> list[str]:
    """The command that unpacks one file beside its place and moves it there."""
    return ["sh", "-c", _FILE_SCRIPT, "devservers-sync", word(target), str(size), marker, str(size), word(name)]


def target_path(remote: str) -> str:
    """``remote`` as the script takes it: absolute, or beginning with ``~/``, or with ``./``, so that no ``-`` leads.

    Raises:
        ValueError: empty, with a NUL, or not encodable.
    """
    if not remote:
        raise ValueError("the remote path is empty; '.' is the container's working directory")
    if "\0" in remote:
        raise ValueError(f"the remote path {remote!r} holds a NUL character")
    try:
        remote.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError(f"the remote path {remote!r} cannot be encoded: {error.reason}") from error
    if remote == "~" or remote.rpartition("/")[2] in (".", ".."):
        remote += "/"  # can only be a directory
    return remote if remote.startswith(("/", "~/")) else f"./{remote}"


def word(path: str) -> str:
    r"""``path`` for ``printf %b``: backslashes, blanks, control characters and bytes outside UTF-8 as ``\0ooo``."""
    return re.sub(r"[\\\s\x00-\x1f\x7f\udc80-\udcff]", _escape, path)


def _escape(match: re.Match[str]) -> str:
    return "".join(f"\\0{byte:03o}" for byte in match[0].encode("utf-8", "surrogateescape"))


_REMEDIES = {
    MISSING_TOOL: "Copying needs sh, head, tar, mkdir, mv, rm and chmod in the container: use an image that has them",
    NO_DIRECTORY: "Choose a remote path that the container's user may create, with no file in its way",
    INTERRUPTED: "The container's process was told to stop; try again",
    INCOMPLETE: "What had arrived before the stream was cut is left there; try again",
    IS_DIRECTORY: "Name another remote path, or remove that directory",
    NO_HOME: "Give an absolute remote path instead of one with '~'",
    126: "Copying needs sh in the container: use an image that has it",
    127: "Copying needs sh, head, tar, mkdir, mv, rm and chmod in the container: use an image that has them",
}
_KILLED = (
    "Something killed it: did the container run out of memory, or end? What was unpacked before is left there; look at "
    "the pod, then try again"
)
_TAR_FAILED = (
    "What was unpacked before is left there. Look for a file in the way of a directory (or the reverse), missing write "
    "permission or a full disk, then try again"
)

# busybox tar ends with 0 although it could not make a directory or symlink; GNU's harmless warnings begin otherwise.
_BUSYBOX_COMPLAINT = re.compile(rb"^tar: can't ", re.MULTILINE)


def is_proved(result: RemoteResult, marker: str) -> bool:
    """Whether the script came to its end, and not only an API server says so."""
    return result.stdout.endswith(f"{marker}\n".encode())


def complaint(result: RemoteResult) -> Optional[str]:
    """Why the script failed and what to do about it; None if it did not."""
    if result.returncode == 0 and not _BUSYBOX_COMPLAINT.search(result.stderr):
        return None
    said = _abridged(result.stderr.decode("utf-8", "replace").strip()) or "it wrote nothing to stderr"
    remedy = _REMEDIES.get(result.returncode, _KILLED if result.returncode > 128 else _TAR_FAILED)
    return f"{said} (exit code {result.returncode}). {remedy}"


def _abridged(text: str, lines: int = 20) -> str:
    """The first lines: tar repeats itself for every file."""
    kept = text.splitlines()
    more = len(kept) - lines
    return "\n".join(kept[:lines]) + (f"\n… and {more} lines more" if more > 0 else "")
