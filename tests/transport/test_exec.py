"""An exec session: both directions at once, an honest outcome, and no guess where there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Optional

import pytest
from wsproto.events import BytesMessage, Ping

from devservers import errors
from devservers.transport.deadline import SYSTEM_CLOCK, Clock, Deadline
from devservers.transport.exec import heartbeat
from devservers.transport.exec import session as exec_module
from devservers.transport.exec.channels import V4, V5, ExitStatus
from devservers.transport.exec.session import ExecTarget, open_session, returncode_of
from tests.stopwatch import Stopwatch

from .scripted import Peer, Script, scripted
from .wspeer import WSPeer

TARGET = ExecTarget("n", "p", "c")


class Run:
    """One session against a script, with what came of it."""

    def __init__(
        self, script: Script, stdin: Optional[Iterator[bytes]] = None, timeout: Optional[float] = 10,
        protocol: str = V5, clock: Clock = SYSTEM_CLOCK, reads_on: bool = False,
    ) -> None:  # fmt: skip
        self.stdout: list[bytes] = []
        self.stderr: list[bytes] = []
        self.status: Optional[ExitStatus] = None
        with scripted(script) as server, server.client(60, clock) as client:
            deadline = Deadline(timeout)
            with open_session(
                client, TARGET, {protocol: ["cmd"]}, stdin=stdin is not None, deadline=deadline
            ) as session:
                try:
                    self.status = session.communicate(
                        stdin, self.stdout.append, self.stderr.append, deadline, reads_on=reads_on
                    )
                except errors.ExecError as error:
                    self.error = error
            self.head = server.requests[0]


def test_output_goes_to_its_sink_and_the_status_ends_it() -> None:
    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.send(1, b"")
        ws.send(1, b"out")
        ws.send(2, b"err")
        ws.send(9, b"a channel that nobody knows")
        ws.success()
        ws.close()

    run = Run(script)
    assert run.status is not None
    assert (run.status.returncode, run.stdout, run.stderr) == (0, [b"out"], [b"err"])


def test_the_request_names_container_streams_and_each_word() -> None:
    def script(peer: Peer) -> None:
        WSPeer(peer).success()

    with scripted(script) as server, server.client() as client:
        words = ["sh", "-c", "echo a&b; x=ä"]
        with open_session(client, TARGET, {V5: words}, stdin=True, deadline=Deadline(5)) as session:
            assert session.protocol == V5
        path = server.requests[0].split()[1]
    assert path == (
        "/api/v1/namespaces/n/pods/p/exec?command=sh&command=-c&command=echo+a%26b%3B+x%3D%C3%A4"
        "&container=c&stdin=true&stdout=true&stderr=true&tty=false"
    )


@pytest.mark.parametrize("end", ["close frame", "end of file", "reset", "no frame"])
def test_an_end_without_a_status_is_a_lost_connection_and_never_success(end: str) -> None:
    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.send(1, b"part of the output")
        ws.ping(b"")
        ws.event()  # the output has arrived when its pong has
        if end == "close frame":
            ws.close()
            ws.event()
        elif end == "reset":
            peer.reset()
        elif end == "no frame":
            peer.send(b"HTTP/1.1 502 Bad Gateway\r\n")

    run = Run(script)
    assert run.status is None
    assert isinstance(run.error, errors.ExecConnectionLostError)
    assert "exit code is unknown" in str(run.error)
    assert run.stdout == [b"part of the output"]


def test_a_status_that_is_none_is_a_lost_connection() -> None:
    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.send(3, b"command terminated with non-zero exit code: exit status 3")
        ws.event()

    assert isinstance(Run(script).error, errors.ExecConnectionLostError)


def test_stdin_arrives_in_order_and_its_end_is_said_on_v5() -> None:
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        ws = WSPeer(peer, V5)
        while True:
            message = ws.message()
            assert message is not None
            if message == (255, b"\x00"):
                break
            assert message[0] == 0
            assert 0 < len(message[1]) <= 32768
            got.append(message[1])
        ws.success()

    chunks = [b"a", b"", b"b" * 100_000, b"c"]
    run = Run(script, stdin=iter(chunks))
    assert run.status is not None
    assert b"".join(got) == b"".join(chunks)


def test_stdin_goes_on_after_a_moment_when_all_of_it_had_gone_out() -> None:
    """Found over TLS: with nothing queued and nothing to read, the session waited and forgot the rest of stdin."""
    got = [0]

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        while True:
            message = ws.message()
            assert message is not None
            if message[0] == 255:
                break
            got[0] += len(message[1])
        ws.success()

    run = Run(script, stdin=iter([b"x" * exec_module.SEND_AHEAD] * 5), timeout=5)
    assert run.status is not None
    assert got[0] == 5 * exec_module.SEND_AHEAD


def test_the_end_of_stdin_is_not_said_on_v4() -> None:
    got: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        ws = WSPeer(peer, V4)
        message = ws.message()
        assert message is not None
        got.append(message)
        ws.ping(b"x")
        ws.event()  # the pong: nothing was sent between
        ws.success()

    run = Run(script, stdin=iter([b"abc"]), protocol=V4)
    assert run.status is not None
    assert got == [(0, b"abc")]


def test_a_peer_that_writes_before_it_reads_does_not_lock_us_up() -> None:
    size = 4_000_000
    received = [0]

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        for _ in range(size // 32768):
            ws.send(1, b"x" * 32768)  # blocks until we read
        while True:
            message = ws.message()
            assert message is not None
            if message[0] == 255:
                break
            received[0] += len(message[1])
        ws.success()

    run = Run(script, stdin=iter([b"y" * size]), timeout=30)
    assert run.status is not None
    assert received[0] == size
    assert sum(map(len, run.stdout)) == size // 32768 * 32768


def test_stdin_is_taken_only_as_fast_as_it_goes_out() -> None:
    taken = [0]

    def chunks() -> Iterator[bytes]:
        for _ in range(10_000):
            taken[0] += 1
            yield b"x" * 32768

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.success()  # without having read any stdin
        peer.hold()

    Run(script, stdin=chunks())
    assert taken[0] < 2_000  # what the sockets' buffers hold, not 320 MB


def test_a_status_that_comes_while_stdin_is_still_sent_ends_it() -> None:
    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.message()
        ws.send(
            3,
            b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"2"}]}}',
        )
        ws.close()

    run = Run(script, stdin=iter(lambda: b"x" * 1000, b""))
    assert run.status is not None
    assert run.status.returncode == 2


def test_a_deadline_ends_a_silent_command() -> None:
    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.send(1, b"before")
        peer.hold()

    stopwatch = Stopwatch()
    run = Run(script, timeout=0.4)
    assert isinstance(run.error, errors.ExecTimeoutError)
    assert isinstance(run.error, TimeoutError)
    assert run.stdout == [b"before"]
    assert stopwatch.own_seconds < 1.4


def test_a_deadline_ends_an_endless_command() -> None:
    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        while not peer.ended.is_set():
            ws.send(1, b"y\n" * 1000)

    stopwatch = Stopwatch()
    assert isinstance(Run(script, timeout=0.4).error, errors.ExecTimeoutError)
    assert stopwatch.own_seconds < 1.9


def test_an_idle_stream_is_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "PING_SECONDS", 0.05)
    pings = [0]

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        while pings[0] < 3:
            if type(ws.event()).__name__ == "Ping":
                pings[0] += 1
        ws.success()

    assert Run(script).status is not None


class _Hurried(Clock):
    """Time flies: four seconds between two looks at the clock. ``late`` is set after a quarter of an hour."""

    def __init__(self) -> None:
        self._time = 0.0
        self.late = threading.Event()

    def now(self) -> float:
        self._time += 4
        if self._time > 900:
            self.late.set()
        return self._time


@pytest.mark.parametrize("reads", [True, False], ids=["it reads on", "it does not even read"])
def test_a_path_that_has_swallowed_everything_for_a_minute_is_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """A gateway whose other side is dead: it acknowledges what we send, and nothing ever comes back."""
    monkeypatch.setattr(exec_module, "LOOK_SECONDS", 0.02)

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.send(1, b"part of the output")
        ping = ws.event()
        assert isinstance(ping, Ping)
        ws.pong(ping)
        while reads and ws.event() is not None:
            pass
        peer.hold()

    run = Run(script, timeout=None, clock=_Hurried())
    assert isinstance(run.error, errors.ExecConnectionLostError)
    assert "nothing has come for a minute or more, not even answers to pings" in str(run.error)
    assert run.stdout == [b"part of the output"]


def test_a_transfer_that_is_swallowed_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its far end takes what it is sent: when nothing moves for minutes, then because nobody is there."""
    monkeypatch.setattr(exec_module, "LOOK_SECONDS", 0.02)

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        while not isinstance(event := ws.event(), Ping):
            assert event is not None
        ws.pong(event)
        peer.hold()

    run = Run(script, stdin=iter([bytes(40_000_000)]), timeout=None, clock=_Hurried(), reads_on=True)
    assert isinstance(run.error, errors.ExecConnectionLostError)


def test_a_transfer_that_was_swallowed_from_its_beginning_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_module, "LOOK_SECONDS", 0.02)

    def script(peer: Peer) -> None:
        WSPeer(peer)
        peer.hold()

    run = Run(script, stdin=iter([bytes(1000)]), timeout=None, clock=_Hurried(), reads_on=True)
    assert isinstance(run.error, errors.ExecConnectionLostError)


@pytest.mark.parametrize("size", [1000, 3_000_000, 100_000_000], ids=["little", "more", "much"])
def test_a_path_that_dies_during_or_after_input_is_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """All of little input was read, as the pong after it shows; much of it cannot lie in buffers."""
    monkeypatch.setattr(exec_module, "LOOK_SECONDS", 0.02)
    chunk = bytes(1_000_000)
    last = size if size < 10_000_000 else size // 10  # byte of input after which it swallows
    swallowing = threading.Event()

    class Clock(_Hurried):
        """Time stands still as long as the path is alive."""

        def now(self) -> float:
            return super().now() if swallowing.is_set() else 0.0

    def script(peer: Peer) -> None:
        ws = WSPeer(peer, V4)
        got = 0
        event: object = None
        while got < last or not isinstance(event, Ping):
            event = ws.event()
            assert event is not None
            if isinstance(event, Ping):
                ws.pong(event)
            elif isinstance(event, BytesMessage):
                got += len(event.data) - 1 if event.message_finished else len(event.data)
        swallowing.set()
        while peer.sock.recv(1 << 20):
            pass

    stdin = iter([chunk[:size]] * max(1, size // len(chunk)))
    run = Run(script, stdin=stdin, timeout=None, clock=Clock(), protocol=V4)
    assert isinstance(run.error, errors.ExecConnectionLostError)
    assert "not even answers to pings" in str(run.error)


def test_a_peer_that_has_answered_pings_is_known_to_the_next_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_module, "LOOK_SECONDS", 0.02)

    def answering(peer: Peer) -> None:
        ws = WSPeer(peer)
        ping = ws.event()
        assert isinstance(ping, Ping)
        ws.pong(ping)
        ws.success()

    def swallowing(peer: Peer) -> None:
        WSPeer(peer)
        peer.hold()

    def patient(peer: Peer) -> None:
        ws = WSPeer(peer)
        for _ in range(12):
            ws.event()
        ws.success()

    with scripted(answering, swallowing, patient) as server, server.client(60, _Hurried()) as client:

        def run() -> ExitStatus:
            no_limit = Deadline(None)
            with open_session(client, TARGET, {V5: ["cmd"]}, stdin=False, deadline=no_limit) as session:
                return session.communicate(None, _ignore, _ignore, no_limit)

        run()
        with pytest.raises(errors.ExecConnectionLostError):
            run()
        run()  # what was known has turned out wrong: it is forgotten


def _ignore(data: bytes) -> None:
    pass


@pytest.mark.parametrize("size", [1000, 20_000_000], ids=["fits into the buffers", "does not"])
def test_a_command_that_does_not_read_its_stdin_for_long_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """As with ``sleep 140; wc -c``: what it does not read is in the way of our pings."""
    monkeypatch.setattr(exec_module, "LOOK_SECONDS", 0.02)
    clock = _Hurried()
    got = [0]

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        clock.late.wait(20)
        while got[0] < size:
            message = ws.message()
            assert message is not None
            got[0] += len(message[1])
        ws.success()

    assert Run(script, stdin=iter([bytes(size)]), timeout=None, clock=clock).status is not None
    assert got == [size]


def test_a_peer_that_never_answers_pings_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_module, "LOOK_SECONDS", 0.02)

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        for _ in range(12):
            ws.event()
        ws.success()

    assert Run(script, timeout=None, clock=_Hurried()).status is not None


def test_an_error_in_a_sink_is_the_callers_own_and_closes_the_stream() -> None:
    ended = threading.Event()

    def script(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.send(1, b"out")
        while ws.event() is not None:
            pass
        ended.set()

    def sink(data: bytes) -> None:
        raise ZeroDivisionError

    with scripted(script) as server, server.client() as client:
        with pytest.raises(ZeroDivisionError):
            with open_session(client, TARGET, {V5: ["cmd"]}, stdin=False, deadline=Deadline(5)) as session:
                session.communicate(None, sink, sink, Deadline(5))
        assert ended.wait(5)


def _failure(message: str, reason: str = "InternalError", code: int = 500) -> ExitStatus:
    status = {"status": "Failure", "reason": reason, "message": message, "code": code}
    return ExitStatus(None, reason, message, status)


STARTING = "Internal error occurred: error executing command in container: "
RUNC = STARTING + "OCI runtime exec failed: exec failed: unable to start container process: "


@pytest.mark.parametrize(
    "message",
    [
        RUNC + 'exec: "nosuch": executable file not found in $PATH: unknown',
        RUNC + 'exec: "/no/such": stat /no/such: no such file or directory: unknown',
        STARTING
        + "failed to exec in container: failed to start exec: "
        + 'exec: "a": executable file not found in $PATH',
        STARTING + "executable file `nosuch` not found in $PATH: No such file or directory",
    ],
)
def test_a_missing_executable_is_an_error_of_its_own(message: str) -> None:
    with pytest.raises(errors.CommandNotFoundError, match="'nosuch' was not found in pod"):
        returncode_of(_failure(message), TARGET, ["nosuch"])


def test_an_executable_that_cannot_be_started_is_no_exit_code() -> None:
    message = 'error executing command in container: OCI runtime exec failed: exec: "/etc/passwd": permission denied'
    with pytest.raises(errors.ExecError, match="permission denied") as caught:
        returncode_of(_failure(message), TARGET, ["/etc/passwd"])
    assert not isinstance(caught.value, errors.CommandNotFoundError)


def test_a_command_that_is_too_long_for_the_runtime_is_told_with_another_way() -> None:
    message = "error executing command in container: fork/exec /usr/bin/env: argument list too long"
    with pytest.raises(errors.ExecError, match=r"argument list too long; .*: send long data through input="):
        returncode_of(_failure(message), TARGET, ["env"])


def test_a_missing_working_directory_is_not_a_missing_command() -> None:
    message = RUNC + 'chdir to cwd ("/gone") set in config.json failed: no such file or directory'
    with pytest.raises(errors.ExecError, match="chdir") as caught:
        returncode_of(_failure(message), TARGET, ["ls"])
    assert not isinstance(caught.value, errors.CommandNotFoundError)


def test_a_refusal_told_on_channel_3_is_the_same_exception_as_one_told_by_http() -> None:
    with pytest.raises(errors.BadRequestError, match="container nosuch is not valid"):
        returncode_of(_failure("container nosuch is not valid for pod p", "BadRequest", 400), TARGET, ["ls"])


def test_a_kubelet_out_of_reach_is_told_without_the_command_and_its_environment() -> None:
    """An API server that translates v5 quotes the URL that it asked for."""
    url = "https://10.0.0.1:10250/exec/n/p/c?command=env&command=TOKEN%3Ds3cret&error=1&output=1"
    why = "dial tcp 10.0.0.1:10250: connect: connection refused"
    said = f'error sending request: Post "{url}": {why}'
    status = _failure(f"Internal error occurred: {said}")
    status = status._replace(status={**status.status, "details": {"causes": [{"message": said}]}})
    with pytest.raises(errors.ServerError) as caught:
        returncode_of(status, TARGET, ["env"])
    assert f'Post "https://10.0.0.1:10250/exec/n/p/c?***": {why}' in str(caught.value)
    assert "cannot reach the kubelet" in str(caught.value)
    assert "s3cret" not in f"{caught.value!r} {vars(caught.value)}"


def test_an_exit_code_is_an_exit_code() -> None:
    assert returncode_of(ExitStatus(137, "NonZeroExitCode", "", {}), TARGET, ["x"]) == 137


def test_nothing_of_a_session_is_left_behind() -> None:
    before = threading.active_count()
    run = Run(lambda peer: WSPeer(peer).success())
    assert run.status is not None
    assert threading.active_count() == before
