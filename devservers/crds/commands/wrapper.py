"""What is really run in the container: the caller's command, and before it only what is needed.

The Kubernetes exec API knows a command and a container and nothing else: no working directory, no
environment, no end of stdin in protocol v4, no way to end what was started, and in v5 no exit code
0 that can be believed. So something is put before the command, as little as will do:

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
import re
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Optional, Union

from ... import arguments
from ...transport.advice import is_too_long
from ...transport.apiwarning import warn_user
from ...transport.names import validate_namespace
from .proof import LEAD
from .shelloperators import find_operator

SHELL = "/bin/sh"
ENV = "env"
HEAD = "head"
IDENTITY_VARIABLE = "DEVSERVERS_EXEC_ID"
"""Set in the environment of each command: how it and its children are found again."""

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

# $0 is the command's identity: shells put it before what they complain of, so that it is told from
# what the command itself says. A shell that outlives the command must take no signal that the
# command sends to its whole process group (they are trapped, not ignored: that would be inherited),
# and must not say "Killed" on the command's stderr, which is descriptor 3 to it. A subshell forgets
# traps.
_TRAP = "trap : HUP INT QUIT USR1 USR2 PIPE ALRM TERM\n"
_QUIET = "exec 3>&2 2>/dev/null\n"
_AS_BEFORE = "exec 2>&3 3>&-\n"
_CD = 'CDPATH= cd "$1"||{ echo "$0: no directory">&2;exit 126;}\nshift\n'
_EXPORT = f"export {IDENTITY_VARIABLE}=$0\n"
_EXEC = 'exec "$@"'

_MARKED = (
    _TRAP + _QUIET + "(" + _AS_BEFORE + "{body})||exit $?\n"
    f'printf "\\{ord(LEAD):03o}$0$0\\n"\n'
    f'printf "\\{ord(LEAD):03o}$0$0\\n">&3'
)  # fmt: skip

# $1 is the number of bytes. They are read to their end even if the command does not: closing a v4
# stream with input under way makes the API server forget to pass on the status.
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
    """How a command is run: the whole argument vector, and what stands before the caller's words in it."""

    argv: list[str]
    tools: tuple[str, ...] = ()
    """:data:`SHELL`, :data:`ENV`, :data:`HEAD`: what is needed besides the command; the first one is ``argv[0]``."""
    marked: bool = False
    """Whether marks prove the end."""


class Trouble(Enum):
    """Why the command was not run, though something before it was."""

    NO_DIRECTORY = "no directory"
    NO_TOOL = "no tool"
    NOT_FOUND = "not found"
    NOT_STARTED = "not started"


class Complaint(NamedTuple):
    """A trouble with the tool that is missing, or the operating system's words."""

    trouble: Trouble
    what: str = ""


class Command(NamedTuple):
    """A command with what has to be done for it. ``identity`` makes its processes and messages recognisable."""

    words: Sequence[str]
    identity: str
    cwd: Optional[str] = None
    env: Optional[Mapping[str, str]] = None

    @classmethod
    def of(
        cls,
        args: Union[str, Sequence[str]],
        shell: bool,
        cwd: Optional[str],
        env: Optional[Mapping[str, str]],
    ) -> Command:
        """The command that :meth:`DevServer.exec` was asked for, under an identity of its own.

        Raises:
            TypeError, ValueError: see :func:`parse_command`; or ``cwd`` or ``env`` cannot be passed on.
        """
        words = parse_command(args, shell)
        return cls(words, os.urandom(8).hex(), check_directory(cwd), check_environment(env))

    def plan(
        self, *, stdin_size: Optional[int] = None, marked: bool = False, without: Collection[str] = ()
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
            argv, tools = [SHELL, "-c", script, self.identity, *values, *argv], [SHELL, *tools]
        if stdin_size is not None:
            tools.append(HEAD)
        return Plan(argv, tuple(tools), marked)

    def needs(self, tool: str) -> str:
        """What the caller asked for that cannot be had without this tool."""
        if tool == ENV:
            return "env" if self.env else ""
        if tool == SHELL and self._looks_like_a_variable:
            return "'=' in the name of a command"
        return "cwd" if tool == SHELL and self.cwd else ""

    @property
    def _looks_like_a_variable(self) -> bool:
        """``/data/year=2025/run`` is one to env."""
        return "=" in self.words[0]

    def _with_variables(self) -> tuple[list[str], list[str]]:
        argv, tools = list(self.words), [ENV]
        if self._looks_like_a_variable:
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
        return (_MARKED.format(body=body) if marked else body), values

    def complaint(
        self, plan: Plan, returncode: int, begin: bytes, end: bytes
    ) -> Optional[Complaint]:
        """What kept the command from being run; None if the exit code is the command's own.

        ``begin`` and ``end`` are of its stderr: some hundred bytes will do.
        """
        if not plan.tools or returncode not in (2, 126, 127):
            return None
        said, first = end.decode("utf-8", "replace"), begin.decode("utf-8", "replace")
        return (
            self._of_shell(plan, returncode, said)
            or self._of_env(returncode, said)
            or self._of_format(first)
        )

    def _of_shell(self, plan: Plan, returncode: int, said: str) -> Optional[Complaint]:
        lines = re.findall(rf"^(?:E: )?{self.identity}[:\[].*", said, re.MULTILINE)
        if not lines:
            return None
        who, _, why = lines[-1].rpartition(": ")
        if why == "no directory":
            return Complaint(Trouble.NO_DIRECTORY)
        if why == "no head":
            return Complaint(Trouble.NO_TOOL, HEAD)
        if ENV in plan.tools and who.endswith(f": {ENV}") and not is_too_long(why):
            return Complaint(Trouble.NO_TOOL, ENV)
        return _execution_failed(returncode, why)

    def _of_env(self, returncode: int, said: str) -> Optional[Complaint]:
        """What env said of the command.

        GNU says ``env: 'x': why``, busybox ``env: can't execute 'x': why``, toybox ``env: exec x:
        why``. Only a message about the word that env was given counts: the command may itself end as env
        does when it finds nothing.
        """
        program = SHELL if self._looks_like_a_variable else self.words[0]
        if program == ENV or returncode == 2:
            return None
        begin = re.search(
            r"^(?:\S*/)?env: (?!use -)", "\n".join(said.splitlines()[-3:]), re.MULTILINE
        )
        if begin is None:
            return None
        message = re.sub(r"\n(?:\S*/)?env: use -.*", "", begin.string[begin.end() :])  # GNU's hint
        plain = max(re.findall(r"[\w./+-]*", program, re.ASCII), key=len)  # what no quoting changes
        whole = (
            rf"{re.escape(plain)}(?![\w./+-])"  # not the beginning or end of an interpreter's name
        )
        if not re.search(
            whole if plain.startswith("/") else rf"(?<![\w./+-]){whole}", message, re.ASCII
        ):
            return None
        if self._looks_like_a_variable:
            return Complaint(Trouble.NO_TOOL, SHELL)
        return _execution_failed(returncode, message.rpartition(": ")[2])

    def _of_format(self, first: str) -> Optional[Complaint]:
        """A program for another machine: execvp(3) has it run by sh, which stumbles over its first
        line.

        A script's first line names its interpreter, and no shell complains of that; a shell's own
        complaints about what it is given by ``-c`` look alike.
        """
        path, _, program = self.words[0].rpartition("/")
        where = re.escape(self.words[0]) if path else rf"(?:\S*/){re.escape(program)}"
        stumbled = re.match(
            rf"{where}: (?:(?:line )?1: .*([Ss]yntax error|not found)|.*cannot execute binary)",
            first,
        )
        if stumbled is None or program in _SHELLS:
            return None
        return Complaint(Trouble.NOT_STARTED, "exec format error")


_SHELLS = ("sh", "dash", "ash", "bash", "busybox", "ksh", "mksh", "zsh")


def _execution_failed(returncode: int, why: str) -> Complaint:
    return Complaint(Trouble.NOT_FOUND if returncode == 127 else Trouble.NOT_STARTED, why.lower())


def parse_command(args: Union[str, Sequence[str]], shell: bool) -> list[str]:
    """The words to run, by the rules of ``subprocess``: a string is split unless ``shell`` is True.

    Warns (UserWarning) of a shell operator in a string that no shell will read.

    Raises:
        TypeError: a list with ``shell=True``, or words that are no strings.
        ValueError: nothing to run, or a NUL.
    """
    if isinstance(args, str):
        words = [SHELL, "-c", args] if shell else _split(args)
    elif not isinstance(args, (list, tuple)):
        raise TypeError(f"args: must be a string or a list of strings, not {type(args).__name__}")
    elif shell:
        raise TypeError(
            "shell=True takes the command as one string, not as a list (drop shell=True to run a list)"
        )
    else:
        words = list(args)
    for word in words:
        if not isinstance(word, str):
            raise TypeError(
                f"args: every word must be a string, not {type(word).__name__} ({word!r})"
            )
        _check_text(word, "args")
    if not words or not words[0] or (shell and not words[2].strip()):
        raise ValueError("args: there is no command to run")
    return words


def _split(args: str) -> list[str]:
    import shlex

    try:
        words = shlex.split(args)
    except ValueError as error:
        raise ValueError(
            f"args: {args!r} cannot be split into words ({error}); pass a list instead"
        ) from None
    operator = find_operator(args)
    if operator is not None:
        warn_user(
            f"{words[0]!r} is given {operator!r} as a plain word, because no shell reads the command: pass "
            "shell=True to use shell syntax, or a list of words if it is meant so",
            UserWarning,
        )
    return words


def check_environment(env: Optional[Mapping[str, str]]) -> Optional[dict[str, str]]:
    """``env`` as a dict, its names and values checked."""
    if env is None:
        return None
    arguments.mapping(env, "env")
    for name, value in env.items():
        if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
            raise ValueError(
                f"env: {name!r} is not the name of a variable (letters, digits, '_', '.' and '-', "
                "beginning with a letter or '_')"
            )
        if not isinstance(value, str):
            raise ValueError(
                f"env: the value of {name} must be a string, not {type(value).__name__}"
            )
        _check_text(value, f"env: {name}")
    return dict(env)


def check_container(container: Optional[str]) -> None:
    """The name of a container: an RFC 1123 label. None leaves the choice to us."""
    if container is not None:
        validate_namespace(container, "container")


def check_directory(cwd: Optional[str]) -> Optional[str]:
    """``cwd`` as ``cd`` takes it, whatever it begins with."""
    if cwd is None:
        return None
    if not isinstance(cwd, str) or not cwd:
        raise ValueError(f"cwd: must be a directory of the container, not {cwd!r}")
    _check_text(cwd, "cwd")
    return f"./{cwd}" if cwd.startswith("-") else cwd


def _check_text(text: str, field: str) -> None:
    """The exec API carries words as UTF-8, and no process can be given a NUL."""
    if "\0" in text:
        raise ValueError(f"{field}: a NUL character cannot be passed to a command")
    arguments.sendable(text, field)
