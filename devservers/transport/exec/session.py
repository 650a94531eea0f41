"""Running a command in a container: one exec session on a WebSocket, driven by one thread.

The session sends stdin as the server takes it and hands output to its sinks as it comes, both at
once, until channel 3 says how it ended. What was not said is not guessed: a stream that ends
without a Status is :class:`ExecConnectionLostError`, and a failure that is no exit code is an
exception of its own.

Which protocol is spoken matters. API servers since Kubernetes 1.30 pass v4 through to the kubelet,
but put a translator before it for v5, which says Success when the kubelet was killed in
mid-command; with both on offer they choose v5. So protocols are asked for one by one, v4 first; a
server that refuses one does so before anything is started, and that is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, NoReturn, Optional

from ...errors import (
    CommandNotFoundError,
    ConnectionFailedError,
    ExecConnectionLostError,
    ExecError,
    ExecTimeoutError,
    ProtocolError,
)
from ..deadline import Deadline
from ..resources import PODS, request_info
from ..rest import RESTClient
from ..status import failure_of
from . import channels
from .channels import ExitStatus
from .websocket import Message, NotUpgradedError, WebSocketStream, upgrade

PING_SECONDS = 10.0
"""Load balancers cut streams that were idle for 60 to 350 seconds."""
LOOK_SECONDS = 0.5
"""Longest wait for the socket. A signal that comes just before a wait, or to another thread, does not end it."""
SEND_AHEAD = 4 * channels.FRAME_PAYLOAD
"""Bytes of stdin queued at most before the server has taken them: memory stays flat whatever is sent."""
OPEN_SECONDS = 60.0
"""Seconds for the upgrade itself, when the caller sets no limit."""

HONEST_FIRST = (channels.V4, channels.V5)
"""The order in which subprotocols are asked for: Success on v4 comes from the kubelet."""

Sink = Callable[[bytes], object]


class ExecTarget(NamedTuple):
    """The container a command runs in; ``container`` None leaves the choice to the server.

    ``incarnation`` tells it from others of that name, before and after; ``""`` if it is not known.
    """

    namespace: str
    pod: str
    container: Optional[str] = None
    incarnation: str = ""

    def __str__(self) -> str:
        container = f", container {self.container}" if self.container else ""
        return f'pod "{self.pod}" in namespace "{self.namespace}"{container}'


class ExecSession:
    """A command that runs, from the upgrade to its status. A context manager; closing leaves the command running."""

    def __init__(self, stream: WebSocketStream, client: RESTClient, target: ExecTarget, name: str) -> None:
        self._stream = stream
        self._clock = client.clock
        self._target = target
        self._command = name
        self._stdin: Optional[Iterator[bytes]] = None

    @property
    def protocol(self) -> str:
        return self._stream.subprotocol

    def __enter__(self) -> ExecSession:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()

    def communicate(
        self, stdin: Optional[Iterable[bytes]], stdout: Sink, stderr: Sink, deadline: Deadline
    ) -> ExitStatus:
        """Feed ``stdin``, pass output on, return the status.

        On v5 the end of ``stdin`` becomes the end of the command's.

        Raises:
            ExecTimeoutError: the deadline passed; the command still runs.
            ExecConnectionLostError: no status came.
        """
        self._stdin = None if stdin is None else iter(stdin)
        sinks = {channels.STDOUT: stdout, channels.STDERR: stderr}
        next_ping = self._clock.now() + PING_SECONDS
        while True:
            if deadline.expired:
                raise ExecTimeoutError(f"{self._name()} did not end within {deadline.seconds:g} s")
            message = self._exchange()
            if message is None and self._may_send():
                continue
            if message is None:
                next_ping = self._ping(next_ping)
                self._stream.wait(deadline.capped(LOOK_SECONDS))
                continue
            status = self._dispatch(message, sinks)
            if status is not None:
                return status

    def _exchange(self) -> Optional[Message]:
        """Send what can be sent, then the next message if there is one. What came before a loss is still delivered."""
        lost = self._send_stdin()
        try:
            message = self._stream.receive()
        except (ConnectionFailedError, ProtocolError) as error:  # of frames that are none, nothing more can be read
            self._lost(str(error), error)
        if message is None and lost is not None:
            self._lost(str(lost), lost)
        return message

    def _send_stdin(self) -> Optional[ConnectionFailedError]:
        """Queue stdin up to SEND_AHEAD and flush; a failure is returned: the status may already be on its way."""
        while self._stdin is not None and self._may_send():
            chunk = next(self._stdin, None)
            if chunk is None:
                self._stdin = None
                if self.protocol == channels.V5:
                    self._stream.send(channels.encode_close(channels.STDIN))
                break
            for message in channels.encode_stdin(chunk):
                self._stream.send(message)
        try:
            self._stream.flush()
        except ConnectionFailedError as error:
            self._stdin = None
            return error
        return None

    def _may_send(self) -> bool:
        """Whether there is stdin to be queued at once: nothing wakes us up for that."""
        return self._stdin is not None and self._stream.queued < SEND_AHEAD

    def _dispatch(self, message: Message, sinks: dict[int, Sink]) -> Optional[ExitStatus]:
        if message.closed:
            self._lost(f"the server closed the stream with code {message.code or 'none'}")
        channel, payload = channels.decode(message.data)
        if channel == channels.STATUS:
            return self._status(payload)
        sink = sinks.get(channel)
        if sink is not None and payload:
            sink(payload)
        return None

    def _status(self, payload: bytes) -> Optional[ExitStatus]:
        if not payload:  # the empty first frame of a session without output channels
            return None
        status = channels.parse_status(payload)
        if status is None:
            self._lost("what the server sent as status is not one")
        return status

    def _ping(self, due: float) -> float:
        if self._clock.now() < due:
            return due
        self._stream.ping()
        return self._clock.now() + PING_SECONDS

    def _name(self) -> str:
        return f"{self._command!r} in {self._target}"

    def _lost(self, why: str, cause: Optional[Exception] = None) -> NoReturn:
        raise ExecConnectionLostError(
            f"the connection to {self._name()} was lost before its status came ({why}): its exit code is unknown"
        ) from cause


def open_in_turn(
    client: RESTClient, target: ExecTarget, command: Callable[[str], Sequence[str]], *, stdin: bool,
    deadline: Deadline, subprotocols: Sequence[str] = HONEST_FIRST, name: str = "",
) -> ExecSession:  # fmt: skip
    """Start a command over the first of ``subprotocols`` that the server speaks.

    :attr:`ExecSession.protocol` tells which; ``command`` makes the words for each.

    Raises:
        as :func:`open_session`; NotUpgradedError if the server speaks none.
    """
    for subprotocol in sorted(subprotocols, key=lambda each: client.memory.knows(_refused(each))):
        try:
            session = open_session(
                client, target, command(subprotocol), stdin=stdin, deadline=deadline, subprotocol=subprotocol, name=name
            )
        except NotUpgradedError:
            client.memory.learn(_refused(subprotocol))
        else:
            client.memory.forget(_refused(subprotocol))
            return session
    raise NotUpgradedError(
        f"the server knows none of the subprotocols offered ({', '.join(subprotocols)})",
        status=403,
        context=str(request_info("GET", _request(target, (), stdin)[0])),
    )


def _refused(subprotocol: str) -> tuple[str, str]:
    return "subprotocol refused", subprotocol


def open_session(
    client: RESTClient, target: ExecTarget, command: Sequence[str], *, stdin: bool, deadline: Deadline,
    subprotocol: str, name: str = "",
) -> ExecSession:  # fmt: skip
    """Start ``command``; returns when the server has agreed (the command may not have begun yet).

    ``name`` is what messages call it, where ``command`` is a wrapper around what the caller knows.

    Raises:
        APIError: no such pod or container, forbidden, …
        NotUpgradedError: it does not speak ``subprotocol``.
    """
    path, query = _request(target, command, stdin)
    stream = upgrade(client, path, query=query, subprotocols=[subprotocol], deadline=deadline.sooner(OPEN_SECONDS))
    return ExecSession(stream, client, target, name or command[0])


def _request(target: ExecTarget, command: Sequence[str], stdin: bool) -> tuple[str, list[tuple[str, object]]]:
    path = PODS.item(target.namespace, target.pod, "exec")
    query: list[tuple[str, object]] = [("command", word) for word in command]
    query += [("container", target.container), ("stdin", stdin), ("stdout", True), ("stderr", True), ("tty", False)]
    return path, query


_NOT_FOUND = ("executable file not found", "executable file `", "no such file or directory")
_NOT_STARTED = ("error executing command in container", "oci runtime exec failed", "failed to exec in container")


def returncode_of(status: ExitStatus, target: ExecTarget, command: Sequence[str]) -> int:
    """The exit code, or the exception for a command that did not run.

    Raises:
        CommandNotFoundError: the container has no such executable. ExecError: it could not be started.
        APIError: the server's own refusal (v5 may report a bad pod or container only here).
    """
    if status.returncode is not None:
        return status.returncode
    message = status.message.lower()
    if not any(sign in message for sign in _NOT_STARTED):
        raise failure_of(status.status, "GET", PODS.item(target.namespace, target.pod, "exec"))
    words = list(command)
    if any(sign in message for sign in _NOT_FOUND) and "chdir" not in message:
        raise CommandNotFoundError(
            f"{words[0]!r} was not found in {target}: install it in the image, give its full path, or use shell=True "
            f"for a builtin ({status.message})",
            command=words,
        )
    raise ExecError(f"{words[0]!r} could not be started in {target}: {status.message}", command=words)
