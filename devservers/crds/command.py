"""What is really run in the container: the caller's command, wrapped by a shell only where it must be.

The Kubernetes exec API knows a command and a container and nothing else: no working directory, no environment, no end
of stdin in protocol v4, no way to end what was started. Where one of these is asked for, a script for ``/bin/sh`` is
put before the command. Everything the caller said is passed to it as arguments; nothing is ever pasted into its text.
Pure: strings in, strings out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional, Union

SHELL = "/bin/sh"
MARKER_VARIABLE = "DEVSERVERS_EXEC_ID"
"""Set in the environment of a command that may have to be killed: how it and its children are found again."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_RESERVED = "devservers_"
"""Variables of the wrapper begin so; the caller's may not."""

# $1 marker, $2 working directory or "", $3 bytes of stdin or "", $4 number of NAME=value arguments, these, the command.
# The caller's environment comes after the script has found what it needs itself: directory and head. It is tried in a
# subshell first: exporting what is read-only ends the shell.
# Counted stdin is read to its end even if the command does not: closing a v4 stream with input under way makes the API
# server forget to pass on the status.
_WRAPPER = f"""\
devservers_marker=$1 devservers_stdin=$3 devservers_count=$4
devservers_quit() {{
echo "devservers-$devservers_marker: $1" >&2
if [ -n "$devservers_stdin" ]; then "$devservers_head" -c "$devservers_stdin" >/dev/null; fi
exit "$2"
}}
if [ -n "$3" ]; then devservers_head=$(command -v head) || {{ echo "devservers-$1: no head" >&2; exit 126; }}; fi
if [ -n "$2" ]; then CDPATH= cd "$2" || devservers_quit 'no directory' 126; fi
shift 4
if [ "$devservers_count" -gt 0 ]; then
( while [ "$devservers_count" -gt 0 ]; do export "$1"; shift; devservers_count=$((devservers_count-1)); done
) 2>/dev/null || devservers_quit 'no export' 126
fi
while [ "$devservers_count" -gt 0 ]; do export "$1"; shift; devservers_count=$((devservers_count-1)); done
export {MARKER_VARIABLE}="$devservers_marker"
command -v "$1" >/dev/null 2>&1 || devservers_quit 'not found' 127
if [ -z "$devservers_stdin" ]; then exec "$@"; fi
"$devservers_head" -c "$devservers_stdin" | {{
"$@"
devservers_count=$?
"$devservers_head" -c "$devservers_stdin" >/dev/null
exit "$devservers_count"
}}
"""

_COMPLAINTS = b"not found|no directory|no export|no head"

# The command may be about to begin: look for it for half a second. A process may fork between the look and the kill,
# and shows no environment while it executes a program: once one was found, look until twice none was there.
_KILLER = f"""\
command -v grep >/dev/null 2>&1 || exit 2
r=1 e=0
for i in 1 2 3 4 5 6; do
f=
for p in $(grep -ls "{MARKER_VARIABLE}=$1" /proc/[0-9]*/environ); do
p=${{p#/proc/}}
kill -9 "${{p%/environ}}" && f=1 r=0 e=0
done
if [ -z "$f" ]; then e=$((e+1)); if [ $r -eq 0 ] && [ $e -ge 2 ]; then break; fi; sleep 0.1 || sleep 1; fi
done 2>/dev/null
exit $r
"""
KILL_OUTCOMES = {
    0: "it was killed",
    1: "no process of it was found to be killed (it has just ended, or has cleared its environment and may still run)",
    2: "it could not be killed and may still run: that needs grep in the container",
}


class Command(NamedTuple):
    """A command with what the wrapper must do for it. ``marker`` makes its messages and processes recognisable."""

    words: Sequence[str]
    marker: str
    cwd: Optional[str] = None
    env: Optional[Mapping[str, str]] = None
    killable: bool = False
    stdin_size: Optional[int] = None
    """Bytes of stdin after which it ends, where the protocol cannot say so (v4)."""

    @property
    def wrapped(self) -> bool:
        return bool(self.cwd or self.env or self.killable or self.stdin_size is not None)

    def argv(self) -> list[str]:
        """The argument vector for the exec API."""
        if not self.wrapped:
            return list(self.words)
        env = [f"{name}={value}" for name, value in (self.env or {}).items()]
        size = "" if self.stdin_size is None else str(self.stdin_size)
        return [SHELL, "-c", _WRAPPER, SHELL, self.marker, self.cwd or "", size, str(len(env)), *env, *self.words]

    def needs_shell_for(self) -> str:
        """What the wrapper is for, in the caller's words."""
        wanted = (
            ("cwd", self.cwd),
            ("env", self.env),
            ("timeout", self.killable),
            ("input", self.stdin_size is not None),
        )
        return ", ".join(name for name, asked in wanted if asked)

    def killer(self) -> list[str]:
        """The argument vector that kills the command and its children; what came of it: :data:`KILL_OUTCOMES`."""
        return [SHELL, "-c", _KILLER, SHELL, self.marker]

    def complaint(self, returncode: int, stderr: bytes) -> str:
        """What the wrapper itself complained of, one of :data:`_COMPLAINTS`, or ``""``."""
        if not self.wrapped or returncode not in (126, 127):
            return ""
        said = rb"devservers-%b: (%b)\n" % (self.marker.encode(), _COMPLAINTS)
        found = re.search(said, stderr[-400:])
        return found.group(1).decode() if found else ""


def parse_command(args: Union[str, Sequence[str]], shell: bool) -> list[str]:
    """The words to run, by the rules of ``subprocess``: a string is split unless ``shell`` is True.

    Raises:
        TypeError: a list with ``shell=True``, or words that are no strings. ValueError: nothing to run, or a NUL.
    """
    if isinstance(args, str):
        words = [SHELL, "-c", args] if shell else _split(args)
    elif not isinstance(args, (list, tuple)):
        raise TypeError(f"args: a string or a list of strings is needed, not {type(args).__name__}")
    elif shell:
        raise TypeError("shell=True takes the command as one string, not as a list (drop shell=True to run a list)")
    else:
        words = list(args)
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"args: every word must be a string, not {type(word).__name__} ({word!r})")
        _check_text(word, "args")
    if not words or not words[0] or (shell and not words[2].strip()):
        raise ValueError("args: there is no command to run")
    return words


def _split(args: str) -> list[str]:
    import shlex

    try:
        return shlex.split(args)
    except ValueError as error:
        raise ValueError(f"args: {args!r} cannot be split into words ({error}); pass a list instead") from None


def check_environment(env: Optional[Mapping[str, str]]) -> Optional[dict[str, str]]:
    """``env`` as a dict, its names and values checked."""
    if env is None:
        return None
    for name, value in env.items():
        if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
            raise ValueError(f"env: {name!r} is not a name that a shell can export (letters, digits and _)")
        if name.startswith(_RESERVED):
            raise ValueError(f"env: names that begin with {_RESERVED} ({name}) are kept for the way the command is run")
        if not isinstance(value, str):
            raise ValueError(f"env: the value of {name} must be a string, not {type(value).__name__}")
        _check_text(value, f"env: {name}")
    return dict(env)


def check_directory(cwd: Optional[str]) -> Optional[str]:
    """``cwd`` as ``cd`` takes it, whatever it begins with."""
    if cwd is None:
        return None
    if not isinstance(cwd, str) or not cwd:
        raise ValueError(f"cwd: a directory of the container is needed, not {cwd!r}")
    _check_text(cwd, "cwd")
    return f"./{cwd}" if cwd.startswith("-") else cwd


def _check_text(text: str, field: str) -> None:
    """The exec API carries words as UTF-8, and no process can be given a NUL."""
    if "\0" in text:
        raise ValueError(f"{field}: a NUL character cannot be passed to a command")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{field}: {text!r} is not text that can be encoded as UTF-8 (bytes decoded by os.fsdecode?)"
        ) from None
