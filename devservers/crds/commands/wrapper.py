"""What is really run in the container: the caller's command, and before it only what is needed.

Theory. The Kubernetes exec API knows a command and a container and nothing else: no working
directory, no environment, no end of stdin in protocol v4, no way to end what was started, and in v5
no exit code 0 that can be believed. So something is put before the command, as little as will do:

* ``env`` sets one variable, by which the command and its children are found again to be killed, and
  those that the caller wants. It executes the command: no process is added, no builtin of a shell
  is taken for a command, and the environment is kept whole (dash and busybox drop variables whose
  names they cannot hold, ``a.b``).
* A script for ``/bin/sh`` before that, where the working directory is another one, where stdin has
  to end after so many bytes (v4), or where the end of the command has to be proved (v5; see
  :mod:`.proof`). In the last two cases the shell outlives the command. In a container without
  ``env`` it takes the place of that, too.

Everything the caller said is passed as arguments; nothing is ever pasted into a script. Scripts are
short, for they travel in the URL of each request. Pure: strings in, strings out.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Optional, Union

from .commandline import SHELL, check_directory, check_environment, parse_command
from .proof import LEAD

ENV = "env"
HEAD = "head"
IDENTITY_VARIABLE = "DEVSERVERS_EXEC_ID"
"""Set in the environment of each command: how it and its children are found again."""

# The scripts. $0 is the command's identity: shells put it before what they complain of, so that it
# is told from what the command itself says. A shell that outlives the command
#
# - must take no signal that the command sends to its whole process group: they are trapped, not
#   ignored, for what is ignored is inherited. A subshell forgets traps, so the command has none.
# - must not say "Killed" on the command's stderr. So its own leads nowhere, and the command's is
#   kept as descriptor 3 until the command gets it back.
_TRAP = "trap : HUP INT QUIT USR1 USR2 PIPE ALRM TERM\n"
_QUIET = "exec 3>&2 2>/dev/null\n"
_AS_BEFORE = "exec 2>&3 3>&-\n"
_CD = 'CDPATH= cd "$1"||{ echo "$0: no directory">&2;exit 126;}\nshift\n'
_EXPORT = f"export {IDENTITY_VARIABLE}=$0\n"
_EXEC = 'exec "$@"'

# Run the command in a subshell; if it ends with 0, write the mark at the end of both streams. Any
# other exit code goes on as it is: that is the kubelet's own word already.
_MARKED = (
    _TRAP + _QUIET + "(" + _AS_BEFORE + "{body})||exit $?\n"
    f'printf "\\{ord(LEAD):03o}$0$0\\n"\n'
    f'printf "\\{ord(LEAD):03o}$0$0\\n">&3'
)  # fmt: skip

# $1 is the number of bytes. The first head passes so many on and then ends, which ends the
# command's stdin. If the command does not read them all, a second head reads what is left: closing
# a v4 stream with input under way makes the API server forget to pass on the status.
_COUNTED = (
    'command -v head>/dev/null||{{ echo "$0: no head">&2;exit 126;}}\n'
    + _TRAP + _QUIET
    + 'head -c "$1"|{{\n' + _TRAP + "(shift;" + _AS_BEFORE + "{body})\n"
    'set -- $? "$1"\n'
    'head -c "$2">/dev/null\n'
    "exit $1\n"
    "}}"
)  # fmt: skip


class Plan(NamedTuple):
    """How a command is run: the whole argument vector, and what it needs in the container."""

    argv: list[str]
    tools: tuple[str, ...] = ()
    """What stands before the caller's words: :data:`SHELL`, :data:`ENV`, :data:`HEAD`. The first
    is ``argv[0]``."""
    marked: bool = False
    """Whether marks prove the end."""


class Command(NamedTuple):
    """A command with what has to be done for it.

    ``identity`` makes its processes and its shell's messages recognizable.
    """

    words: Sequence[str]
    identity: str
    cwd: Optional[str] = None
    env: Optional[Mapping[str, str]] = None

    @classmethod
    def of(
        cls, args: Union[str, Sequence[str]], shell: bool, cwd: Optional[str],
        env: Optional[Mapping[str, str]],
    ) -> Command:  # fmt: skip
        """The command that :meth:`DevServer.exec` was asked for, under an identity of its own.

        Raises:
            TypeError, ValueError: something that cannot be passed on (:mod:`.commandline`).
        """
        words = parse_command(args, shell)
        return cls(words, os.urandom(8).hex(), check_directory(cwd), check_environment(env))

    def plan(
        self, *, stdin_size: Optional[int] = None, marked: bool = False,
        without: Collection[str] = (),
    ) -> Plan:  # fmt: skip
        """What to run.

        Args:
            stdin_size: bytes after which stdin ends, where the protocol cannot say so.
            marked: its end has to be proved.
            without: tools that the container lacks. They are used nevertheless where the caller's
                wish needs them.
        """
        marked = marked and SHELL not in without
        argv, tools, body = list(self.words), list[str](), _EXEC
        if ENV not in without or self.env:
            argv, tools = self._with_variables()
        elif SHELL not in without:
            body = _EXPORT + body
        if self.cwd or marked or stdin_size is not None or body != _EXEC:
            script, values = self._script(body, stdin_size, marked)
            argv = [SHELL, "-c", script, self.identity, *values, *argv]
            tools = [SHELL, *tools]
        if stdin_size is not None:
            tools.append(HEAD)
        return Plan(argv, tuple(tools), marked)

    def requires(self, tool: str) -> str:
        """What the caller asked for that cannot be done without this tool, or ``""``."""
        if tool == ENV and self.env:
            return "env"
        if tool == SHELL and self.looks_like_a_variable:
            return "'=' in the name of a command"
        if tool == SHELL and self.cwd:
            return "cwd"
        return ""

    @property
    def looks_like_a_variable(self) -> bool:
        """``/data/year=2025/run`` is one to env."""
        return "=" in self.words[0]

    def _with_variables(self) -> tuple[list[str], list[str]]:
        argv, tools = list(self.words), [ENV]
        if self.looks_like_a_variable:
            argv, tools = [SHELL, "-c", _EXEC, self.identity, *argv], [ENV, SHELL]
        pairs = {**(self.env or {}), IDENTITY_VARIABLE: self.identity}
        return [ENV, *(f"{name}={value}" for name, value in pairs.items()), *argv], tools

    def _script(self, body: str, stdin_size: Optional[int], marked: bool) -> tuple[str, list[str]]:
        """A script that ends in ``body``, and its first arguments."""
        values: list[str] = []
        if self.cwd:
            body, values = _CD + body, [self.cwd]
        if stdin_size is not None:
            return _COUNTED.format(body=body), [str(stdin_size), *values]
        if marked:
            return _MARKED.format(body=body), values
        return body, values
