"""Whether an exit code is the command's own, or that of what was put before it. Pure.

Theory. ``env``, the shell and ``head`` (:mod:`.wrapper`) end with 126 or 127, and dash with 2, when
they cannot run the command. A command may end so as well, and for the same reasons: it may be a
script that calls another. The exit code alone tells nothing, so the end of stderr has to:

1. The shell of our script puts the command's identity, its ``$0``, before what it complains of. No
   command knows that, unless it reads its own environment to deceive us.
2. ``env`` has no such mark. Only a message of its own about the very word that it was given counts.
3. A program for another machine is not refused by anybody: execvp(3) hands it to ``sh``, which
   stumbles over its first line and names the program.

Whatever else is on stderr leaves the exit code to the command.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple, Optional

from ...transport.advice import is_too_long
from .commandline import SHELL
from .wrapper import ENV, HEAD, Command, Plan


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


_EXIT_CODES = (2, 126, 127)
_SHELLS = ("sh", "dash", "ash", "bash", "busybox", "ksh", "mksh", "zsh")
_IN_A_NAME = r"[\w./+-]"


def find_complaint(
    command: Command, plan: Plan, returncode: int, begin: bytes, end: bytes
) -> Optional[Complaint]:
    """What kept the command from being run; None if the exit code is the command's own.

    ``begin`` and ``end`` are of its stderr: some hundred bytes will do.
    """
    if not plan.tools or returncode not in _EXIT_CODES:
        return None
    said, first = end.decode("utf-8", "replace"), begin.decode("utf-8", "replace")
    return (
        _of_shell(command, plan, returncode, said)
        or _of_env(command, returncode, said)
        or _of_format(command, first)
    )


def _of_shell(command: Command, plan: Plan, returncode: int, said: str) -> Optional[Complaint]:
    """What the shell of our script complains of."""
    lines = re.findall(rf"^(?:E: )?{command.identity}[:\[].*", said, re.MULTILINE)
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


def _of_env(command: Command, returncode: int, said: str) -> Optional[Complaint]:
    """What env says of the word that it was to execute.

    GNU says ``env: 'x': why`` and sometimes adds a hint, busybox ``env: can't execute 'x': why``,
    toybox ``env: exec x: why``. Each quotes names in its own way, so the longest part of the word
    that no quoting changes is looked for, and as a whole: not as part of an interpreter's name.
    """
    program = command.words[0]
    if command.looks_like_a_variable:
        program = SHELL
    if program == ENV or returncode == 2:
        return None
    tail = "\n".join(said.splitlines()[-3:])
    begin = re.search(r"^(?:\S*/)?env: (?!use -)", tail, re.MULTILINE)
    if begin is None:
        return None
    message = re.sub(r"\n(?:\S*/)?env: use -.*", "", tail[begin.end() :])
    plain = max(re.findall(rf"{_IN_A_NAME}*", program, re.ASCII), key=len)
    whole = rf"{re.escape(plain)}(?!{_IN_A_NAME})"
    if not plain.startswith("/"):
        whole = rf"(?<!{_IN_A_NAME}){whole}"
    if not re.search(whole, message, re.ASCII):
        return None
    if command.looks_like_a_variable:
        return Complaint(Trouble.NO_TOOL, SHELL)
    return _execution_failed(returncode, message.rpartition(": ")[2])


def _of_format(command: Command, first: str) -> Optional[Complaint]:
    """What sh says of a program for another machine.

    A script's first line names its interpreter, and no shell complains of that; a shell's own
    complaints about what it is given by ``-c`` look alike, so those of shells do not count.
    """
    word = command.words[0]
    path, _, program = word.rpartition("/")
    where = re.escape(word)
    if not path:
        where = rf"(?:\S*/){where}"
    why = r"(?:line )?1: .*([Ss]yntax error|not found)|.*cannot execute binary"
    if program in _SHELLS or re.match(rf"{where}: (?:{why})", first) is None:
        return None
    return Complaint(Trouble.NOT_STARTED, "exec format error")


def _execution_failed(returncode: int, why: str) -> Complaint:
    if returncode == 127:
        return Complaint(Trouble.NOT_FOUND, why.lower())
    return Complaint(Trouble.NOT_STARTED, why.lower())
