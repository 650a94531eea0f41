"""One command's way to its exit code: proved, not made up, and the command never left running.

Theory. How a command can be run depends on what the server speaks and on what is in the container,
and neither says so beforehand. So it is tried, the best way first. A try that shows something to be
missing (a subprotocol, ``env``, ``/bin/sh``, ``head``) has not started the command; the client
remembers it, and the next try does without.

1. Exit code 0 is proved by the protocol (v4: it comes from the kubelet) or by marks (v5:
   :mod:`.proof`). Other codes are the kubelet's own words.
2. A code that the wrapper may have ended with counts only if :mod:`.complaints` finds nothing.
3. From the moment in which the command may have begun until its status has come, whatever ends the
   call ends the command too, and the exception says so if it could not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import NamedTuple, Optional

from ...errors import (
    APIError,
    CommandNotFoundError,
    ExecConnectionLostError,
    ExecError,
    ExecTimeoutError,
    KubeConfigError,
    MissingDependencyError,
    ProtocolError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from ...notes import add_note
from ...transport.advice import LONG_DATA
from ...transport.deadline import Deadline
from ...transport.exec import channels
from ...transport.exec.channels import ExitStatus
from ...transport.exec.session import (
    HONEST_FIRST,
    ExecSession,
    ExecTarget,
    Sink,
    open_session,
    returncode_of,
)
from ...transport.rest import RESTClient
from .commandline import SHELL
from .complaints import Complaint, Trouble, find_complaint
from .killing import kill, unkillable
from .proof import MarkedStream, mark_of
from .wrapper import ENV, HEAD, Command, Plan

CHUNK = 65536


class Call(NamedTuple):
    """Where a command runs, what it reads, who takes its output, and until when."""

    client: RESTClient
    target: ExecTarget
    stdin: Optional[bytes]
    stdout: Sink
    stderr: Sink
    deadline: Deadline


class _ToolMissing(Exception):
    """What was put before the command is not in the container; nothing was started."""

    def __init__(self, tool: str) -> None:
        super().__init__(tool)
        self.tool = tool


_LACKS = "lacks"


def run(call: Call, command: Command) -> tuple[int, bool]:
    """The exit code of ``command``, and whether it is proved.

    Raises:
        as :meth:`DevServer.exec`.
    """
    memory, target = call.client.memory, call.target
    without = {tool for tool in (ENV, SHELL, HEAD) if memory.knows((_LACKS, target, tool))}
    missing: set[str] = set()  # as this call has seen for itself
    while True:
        try:
            return _run_once(call, command, without)
        except _ToolMissing as error:
            tool = error.tool
        wish = command.requires(tool)
        if not wish and tool in missing:  # it was used nevertheless: only counted input needs it so
            wish = "input"
        if wish:
            raise CommandNotFoundError(f"there is no {tool} in {target}, which {wish} requires")
        missing.add(tool)
        without.add(tool)
        memory.learn((_LACKS, target, tool))


def _run_once(call: Call, command: Command, without: Collection[str]) -> tuple[int, bool]:
    """Run it in the best way that may work. Raises :class:`_ToolMissing` if that one does not."""
    has_stdin = call.stdin is not None
    size = len(call.stdin) if call.stdin is not None else None
    plans = {
        # v4 cannot say where stdin ends; v5 can, but its Success needs a proof
        channels.V4: command.plan(stdin_size=size, without=without),
        channels.V5: command.plan(marked=True, without=without),
    }
    order = HONEST_FIRST
    if has_stdin and (SHELL in without or HEAD in without):
        order = HONEST_FIRST[::-1]  # nothing there counts bytes: only v5 can end stdin
    commands = {subprotocol: plans[subprotocol].argv for subprotocol in order}
    session: Optional[ExecSession] = None
    try:
        with open_session(
            call.client, call.target, commands, stdin=has_stdin, deadline=call.deadline,
            name=command.words[0],
        ) as session:  # fmt: skip
            plan = plans[session.protocol]
            streams = _Streams(call, command, plan)
            status = streams.follow(session)
    except BaseException as error:
        if session is None and not _may_have_begun(error):
            raise
        told = _abandon(call, command, without, error)
        if told is error:
            raise
        raise told from error
    returncode = _returncode(call, command, plan, status, streams)
    confirmed = returncode != 0 or plan.marked or session.protocol == channels.V4
    return returncode, confirmed


class _Streams:
    """Output on its way to the caller: marks are taken out, both ends of stderr are remembered."""

    KEPT = 400

    def __init__(self, call: Call, command: Command, plan: Plan) -> None:
        self._call = call
        self._what = f"{command.words[0]!r} in {call.target}"
        self._stdout: Sink = call.stdout
        self._stderr: Sink = self._take_stderr
        self._marked: list[tuple[MarkedStream, Sink]] = []
        self.begin = self.end = b""
        if plan.marked:
            mark = mark_of(command.identity)
            out, err = MarkedStream(mark), MarkedStream(mark)
            self._marked = [(out, self._stdout), (err, self._stderr)]
            self._stdout = partial(_pass_on, out, self._stdout)
            self._stderr = partial(_pass_on, err, self._stderr)

    def follow(self, session: ExecSession) -> ExitStatus:
        """Pass input and output on until the status comes, and see that it is true.

        Raises:
            ExecTimeoutError: see :meth:`ExecSession.communicate`.
            ExecConnectionLostError: also for a Success that is not proved.
        """
        stdin = None
        if self._call.stdin is not None:
            stdin = _chunks(self._call.stdin)
        try:
            status = session.communicate(stdin, self._stdout, self._stderr, self._call.deadline)
        except ExecError:
            self._flush()
            raise
        self._flush()
        if status.returncode == 0 and not all(stream.ended for stream, _ in self._marked):
            raise ExecConnectionLostError(
                f"the API server says that {self._what} succeeded, but its end was not seen: the "
                "connection to the kubelet was lost (restarted, or cut off); its exit code is "
                "unknown"
            )
        return status

    def _flush(self) -> None:
        for stream, sink in self._marked:
            rest = stream.flush()
            if rest:
                sink(rest)

    def _take_stderr(self, data: bytes) -> None:
        self.begin += data[: max(0, self.KEPT - len(self.begin))]
        self.end = (self.end + data)[-self.KEPT :]
        self._call.stderr(data)


def _pass_on(stream: MarkedStream, sink: Sink, data: bytes) -> None:
    output = stream.feed(data)
    if output:
        sink(output)


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


# -- the end of a call that has no status -----------------------------------------------------


def _may_have_begun(error: BaseException) -> bool:
    """Whether the command may run though there is no session: not if the server has refused, or was
    not even asked.
    """
    if isinstance(error, (APIError, KubeConfigError, MissingDependencyError, TLSError)):
        return False
    if isinstance(error, TransportError) and error.nothing_sent:
        return False
    return not (isinstance(error, ProtocolError) and error.not_upgraded)


def _abandon(
    call: Call, command: Command, without: Collection[str], error: BaseException
) -> BaseException:
    """Kill the command. Returns the exception to raise, which says how that went: ``error``, or one
    in its place.
    """
    if ENV in without and SHELL in without:
        outcome = unkillable(SHELL)
    else:
        outcome = kill(call.client, call.target, command.identity)
    if isinstance(error, (ExecTimeoutError, RequestTimeoutError)) and call.deadline.expired:
        return ExecTimeoutError(f"{error}; {outcome.text}")
    if isinstance(error, ExecConnectionLostError):
        return ExecConnectionLostError(f"{error}; {outcome.text}")
    if not outcome.killed:
        add_note(error, f"{command.words[0]!r} in {call.target}: {outcome.text}")
    return error


# -- the end that a status tells --------------------------------------------------------------


def _returncode(
    call: Call, command: Command, plan: Plan, status: ExitStatus, streams: _Streams
) -> int:
    """The command's own exit code, or the exception for one that was not run."""
    try:
        returncode = returncode_of(status, call.target, command.words)
    except CommandNotFoundError:
        if plan.tools:
            raise _ToolMissing(plan.tools[0]) from None
        if command.words[0] == SHELL:
            raise _no_shell(call.target) from None
        raise
    complaint = find_complaint(command, plan, returncode, streams.begin, streams.end)
    if complaint is not None:
        raise _not_run(call.target, command, complaint)
    for tool in plan.tools:
        call.client.memory.forget((_LACKS, call.target, tool))
    return returncode


_HINTS = {
    "permission denied": " (it is a directory, or it lacks execute permission)",
    "argument list too long": f" (command and environment: {LONG_DATA})",
    "exec format error": (
        " (is it a program for another kind of machine, or a script without a #! line?)"
    ),
}


def _not_run(target: ExecTarget, command: Command, complaint: Complaint) -> Exception:
    """The exception for a command that was not run, though something before it was."""
    trouble, what = complaint
    name = command.words[0]
    if trouble is Trouble.NO_TOOL:
        return _ToolMissing(what)
    if trouble is Trouble.NO_DIRECTORY:
        return ExecError(
            f"the working directory {command.cwd!r} cannot be entered in {target}: does it exist?"
        )
    if trouble is Trouble.NOT_STARTED:
        return ExecError(f"{name!r} could not be started in {target}: {what}{_HINTS.get(what, '')}")
    if name == SHELL:
        return _no_shell(target)
    if "/" in name:
        return CommandNotFoundError(
            f"{name!r} was not found in {target}; if it is there, then the interpreter named in "
            "its first line is not"
        )
    return CommandNotFoundError(
        f"{name!r} was not found in {target}: install it in the image, give its full path, or use "
        "shell=True for a builtin of the shell"
    )


def _no_shell(target: ExecTarget) -> CommandNotFoundError:
    return CommandNotFoundError(
        f"there is no {SHELL} in {target}: run the command as a list of words, without shell=True, "
        "or use an image that has a shell"
    )
