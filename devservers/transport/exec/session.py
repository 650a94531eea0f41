"""Running a command in a container: one exec session on a WebSocket, driven by one thread.

The session sends stdin as the server takes it and hands output to its sinks as it comes, both at
once, until channel 3 says how it ended. What was not said is not guessed: a stream that ends
without a Status is :class:`ExecConnectionLostError`, so is one that has died in silence (see
:mod:`.heartbeat`), and a failure that is no exit code is an exception of its own.

Which protocol is spoken matters. API servers since Kubernetes 1.30 pass v4 through to the kubelet,
but put a translator before it for v5, which says Success when the kubelet was killed in
mid-command; with both on offer they choose v5. So protocols are asked for one by one, v4 first; a
server that refuses one does so before anything is started, and that is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, NoReturn, Optional

from ...errors import (
    CommandNotFoundError,
    ConnectionFailedError,
    ExecConnectionLostError,
    ExecError,
    ExecTimeoutError,
    ProtocolError,
)
from ..advice import LONG_DATA, is_too_long
from ..deadline import Deadline
from ..resources import PODS, request_info
from ..rest import RESTClient
from ..status import failure_of
from . import channels
from .channels import ExitStatus
from .heartbeat import Heartbeat
from .websocket import Message, NotUpgradedError, WebSocketStream, upgrade

LOOK_SECONDS = 0.5
"""Longest wait for the socket: one that begins just after a signal, or whose signal another thread
gets, is not ended by it."""
SEND_AHEAD = 4 * channels.FRAME_PAYLOAD
"""Bytes of stdin queued at most before the server has taken them, so that memory stays flat."""
OPEN_SECONDS = 60.0
"""Seconds for the upgrade itself, when the caller sets no limit."""

HONEST_FIRST = (channels.V4, channels.V5)
"""The order in which subprotocols are asked for: Success on v4 comes from the kubelet."""
_REFUSED = "subprotocol refused"
_ANSWERS_PINGS = "answers pings"

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
        text = f'pod "{self.pod}" in namespace "{self.namespace}"'
        if self.container:
            return f"{text}, container {self.container}"
        return text


class ExecSession:
    """A command that runs, from the upgrade to its status.

    A context manager; closing leaves the command running.
    """

    def __init__(
        self, stream: WebSocketStream, client: RESTClient, target: ExecTarget, name: str
    ) -> None:
        self._stream = stream
        self._memory = client.memory
        self._answers_pings = (_ANSWERS_PINGS, target.namespace, target.pod, stream.subprotocol)
        self._heartbeat = Heartbeat(client.clock, answers=self._memory.knows(self._answers_pings))
        self._received = self._sent = self._data_end = 0  # positions in the two streams of bytes
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
        self, stdin: Optional[Iterable[bytes]], stdout: Sink, stderr: Sink, deadline: Deadline, *,
        reads_on: bool = False,
    ) -> ExitStatus:  # fmt: skip
        """Feed ``stdin``, pass output on, return the status.

        On v5 the end of ``stdin`` becomes the end of the command's. ``reads_on``: the command takes
        its stdin without delay.

        Raises:
            ExecTimeoutError: the deadline passed; the command still runs.
            ExecConnectionLostError: no status came.
        """
        self._stdin = None if stdin is None else iter(stdin)
        self._heartbeat.reads_on = reads_on
        sinks = {channels.STDOUT: stdout, channels.STDERR: stderr}
        if self._stdin is not None:  # before the data, and so not held up by it
            self._ping()
        while True:
            if deadline.expired:
                raise ExecTimeoutError(f"{self._name()} did not end within {deadline.seconds:g} s")
            message = self._send_and_receive()
            if message is not None:
                status = self._dispatch(message, sinks)
                if status is not None:
                    return status
                continue
            self._keep_alive()
            if not self._may_send():
                self._stream.wait(deadline.capped(min(LOOK_SECONDS, self._heartbeat.due_in)))

    def _send_and_receive(self) -> Optional[Message]:
        """Send what can be sent, then the next message if there is one.

        What came before a loss is still delivered: the status may be among it.
        """
        lost: Optional[ConnectionFailedError] = None
        if self._stdin is not None:
            self._queue_stdin(self._stdin)
        if self._stream.queued:
            try:
                self._stream.flush()
            except ConnectionFailedError as error:
                self._stdin = None
                lost = error
        try:
            message = self._stream.receive()
        except (ConnectionFailedError, ProtocolError) as error:  # a broken frame is the last one
            self._lost(str(error), error)
        if message is None and lost is not None:
            self._lost(str(lost), lost)
        self._note_life(message)
        return message

    def _queue_stdin(self, stdin: Iterator[bytes]) -> None:
        """Queue stdin up to SEND_AHEAD, and its end if that can be said. Pings go between."""
        while self._stream.queued < SEND_AHEAD:
            chunk = next(stdin, None)
            if chunk is None:
                self._stdin = None
                if self.protocol == channels.V5:
                    self._send_data(channels.encode_close(channels.STDIN))
                self._heartbeat.sent_all()
                return
            for message in channels.encode_stdin(chunk):
                self._send_data(message)

    def _send_data(self, message: bytes) -> None:
        self._heartbeat.sent_data(len(message))
        self._stream.send(message)
        self._data_end = self._stream.sent + self._stream.queued
        if self._heartbeat.proof_due:
            self._stream.ping(self._heartbeat.proof())

    def _note_life(self, message: Optional[Message]) -> None:
        sent, received = self._stream.sent, self._stream.received
        if sent != self._sent:
            if self._sent < self._data_end:  # not only pings
                self._heartbeat.sent()
            self._sent = sent
        if received != self._received:
            self._received = received
            self._heartbeat.heard()
        if message is not None and message.pong is not None:
            self._heartbeat.pong(message.pong)
            if self._heartbeat.answers:
                self._memory.learn(self._answers_pings)

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

    def _keep_alive(self) -> None:
        """The next ping when it is due, for there was nothing to be read."""
        if self._heartbeat.due_in:
            return
        if self._heartbeat.is_lost:
            self._memory.forget(self._answers_pings)  # it may have been what is wrong
            self._lost(
                "nothing has come for a minute or more, not even answers to pings: is the network "
                "or the VPN down, or does something on the way keep a dead connection open?"
            )
        self._ping()

    def _ping(self) -> None:
        self._stream.ping(self._heartbeat.ping(self._stream.queued))

    def _name(self) -> str:
        return f"{self._command!r} in {self._target}"

    def _lost(self, why: str, cause: Optional[Exception] = None) -> NoReturn:
        raise ExecConnectionLostError(
            f"the connection to {self._name()} was lost before its status came ({why}): its exit "
            "code is unknown"
        ) from cause


def open_session(
    client: RESTClient, target: ExecTarget, commands: Mapping[str, Sequence[str]], *, stdin: bool,
    deadline: Deadline, name: str = "",
) -> ExecSession:  # fmt: skip
    """Start a command over the first subprotocol that the server speaks.

    ``commands`` holds the words to run over each, in the order in which they are asked for;
    :attr:`ExecSession.protocol` tells which one it was. Returns when the server has agreed; the
    command may not have begun yet.

    ``name`` is what messages call it, where the words are a wrapper around what the caller knows.

    Raises:
        APIError: no such pod or container, forbidden, …
        NotUpgradedError: the server speaks none of the subprotocols.
    """
    path = PODS.item(target.namespace, target.pod, "exec")
    options: dict[str, object] = {
        "container": target.container,
        "stdin": stdin,
        "stdout": True,
        "stderr": True,
        "tty": False,
    }
    memory = client.memory
    for subprotocol in sorted(commands, key=lambda each: memory.knows((_REFUSED, each))):
        words = commands[subprotocol]
        query = [*(("command", word) for word in words), *options.items()]
        limit = deadline.sooner(OPEN_SECONDS)
        try:
            stream = upgrade(client, path, query=query, subprotocols=[subprotocol], deadline=limit)
        except NotUpgradedError:
            memory.learn((_REFUSED, subprotocol))
        else:
            memory.forget((_REFUSED, subprotocol))
            return ExecSession(stream, client, target, name or words[0])
    raise NotUpgradedError(
        f"the server knows none of the subprotocols offered ({', '.join(commands)})",
        status=403,
        context=str(request_info("GET", path)),
    )


_NOT_FOUND = ("executable file not found", "executable file `", "no such file or directory")
_NOT_STARTED = (
    "error executing command in container",
    "oci runtime exec failed",
    "failed to exec in container",
)


def returncode_of(status: ExitStatus, target: ExecTarget, command: Sequence[str]) -> int:
    """The exit code, or the exception for a command that did not run.

    Raises:
        CommandNotFoundError: the container has no such executable.
        ExecError: it could not be started.
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
            f"{words[0]!r} was not found in {target}: install it in the image, give its full path, "
            f"or use shell=True for a builtin ({status.message})",
            command=words,
        )
    failure = f"{words[0]!r} could not be started in {target}: {status.message}"
    if is_too_long(message):
        failure = f"{failure}; command and environment are too long for it: {LONG_DATA}"
    raise ExecError(failure, command=words)
