"""How failures of exec plugins read: what is missing, what they said, what is hidden, and how long they may take."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Callable, Optional

import pytest

from devservers.errors import KubeConfigError, RequestTimeoutError
from devservers.transport.auth.process import PluginRun, _Output
from devservers.transport.deadline import Cancellation, Deadline
from tests.stopwatch import Stopwatch

from .kubeconfigs import user_config
from .plugins import GROUP, Plugin, exec_credential, failure_of, printing, using


def test_an_install_hint_cannot_move_the_cursor_of_the_terminal() -> None:
    stanza = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "interactiveMode": "Never"}
    credentials = user_config(
        exec={**stanza, "installHint": "\x1b[2JRun\x07 `get\r no-such-plugin`.\n  Now."}
    ).credentials
    with pytest.raises(KubeConfigError) as caught:
        credentials.identity()
    assert str(caught.value).endswith("\nRun `get no-such-plugin`.\n  Now.")


def test_a_missing_command_shows_the_install_hint() -> None:
    stanza = {"apiVersion": f"{GROUP}/v1", "command": "no-such-plugin", "interactiveMode": "Never"}
    credentials = user_config(exec={**stanza, "installHint": "Run `get no-such-plugin`."}).credentials
    with pytest.raises(KubeConfigError) as caught:
        credentials.identity()
    assert "exec plugin 'no-such-plugin'" in str(caught.value)
    assert "is not installed or not on PATH" in str(caught.value)
    assert "Run `get no-such-plugin`." in str(caught.value)


def test_a_file_that_is_not_executable_is_reported_as_that(tmp_path: Path) -> None:
    plugin = printing(tmp_path)
    plugin.path.chmod(0o644)
    assert "this user may not execute the command" in failure_of(plugin)


def test_a_file_that_is_not_a_program_is_reported_as_that(tmp_path: Path) -> None:
    plugin = printing(tmp_path)
    plugin.path.write_bytes(b"\x7fELF, not really")
    assert "not a program for this machine" in failure_of(plugin)


def test_an_exit_code_comes_with_stderr(tmp_path: Path) -> None:
    message = failure_of(Plugin(tmp_path, "echo 'cannot log in: session expired' >&2; echo 's3cret'; exit 3"))
    assert "failed with exit code 3" in message
    assert "Its stderr:\n  | cannot log in: session expired" in message
    assert "s3cret" not in message


def test_a_signal_is_reported_as_a_signal(tmp_path: Path) -> None:
    assert "was killed by signal 15" in failure_of(Plugin(tmp_path, "kill -TERM $$"))


def test_stderr_shows_no_secret(tmp_path: Path) -> None:
    env = [{"name": "CLIENT_SECRET", "value": "from-the-stanza"}, {"name": "ACCOUNT_PROFILE", "value": "production"}]
    script = (
        f"echo '{exec_credential(token='printed-token')}'; "
        "echo using printed-token, $CLIENT_SECRET, $2 and profile $ACCOUNT_PROFILE >&2; exit 1"
    )
    message = failure_of(Plugin(tmp_path, script, env=env, args=["--client-secret", "from-the-arguments"]))
    assert "using ***, ***, *** and profile production" in message


def test_a_plugin_that_prints_without_end_is_killed(tmp_path: Path) -> None:
    assert "printed more than 1024 KiB and was killed" in failure_of(Plugin(tmp_path, "exec cat /dev/zero"))


def test_of_endless_complaints_the_last_are_shown(tmp_path: Path) -> None:
    message = failure_of(Plugin(tmp_path, "yes 'still trying' | head -c 2600000 >&2; echo 'access denied' >&2; exit 1"))
    assert message.endswith("| still trying\n  | access denied")
    assert len(message) < 5000


def test_a_child_that_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    plugin = Plugin(tmp_path, f"cat '{fifo}' & echo '{exec_credential(token='abc')}'")
    assert using(plugin).credentials.identity(Deadline(10)).headers == [("Authorization", "Bearer abc")]
    os.close(os.open(fifo, os.O_WRONLY))  # opens since the child still lives, and ends it


def test_a_child_left_behind_that_goes_on_writing_is_not_waited_for_either(tmp_path: Path) -> None:
    """Found by review: a daemon that logs to our pipe held the request until the plugin's time was up."""
    plugin = Plugin(tmp_path, f"yes noise >&2 & echo '{exec_credential(token='abc')}'")  # yes ends with our pipes
    assert using(plugin).credentials.identity(Deadline(20)).headers == [("Authorization", "Bearer abc")]


def test_closed_output_is_not_the_end_of_it(tmp_path: Path) -> None:
    script = f"echo '{exec_credential(token='abc')}'; exec >&- 2>&-; sleep 0.1; exit 4"
    assert "failed with exit code 4" in failure_of(Plugin(tmp_path, script))


def test_a_plugin_that_closes_its_output_and_stays_is_killed_too(tmp_path: Path) -> None:
    credentials = using(Plugin(tmp_path, "exec >&- 2>&-; exec sleep 60")).credentials
    with pytest.raises(RequestTimeoutError, match="did not end within"):
        credentials.identity(Deadline(0.3))


def test_the_command_is_looked_for_on_our_path_and_not_on_that_of_its_env(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = Plugin(tmp_path, f"echo '{exec_credential(token='abc')}'", env=[{"name": "PATH", "value": "/nowhere"}])
    plugin.stanza["command"] = plugin.path.name
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert using(plugin).credentials.identity().headers == [("Authorization", "Bearer abc")]


@pytest.mark.parametrize("path", ["", ".", "here", ":"])
def test_relative_directories_of_path_are_ignored(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = printing(tmp_path / "here")
    plugin.stanza["command"] = plugin.path.name
    monkeypatch.chdir(tmp_path / "here" if path != "here" else tmp_path)
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}/nowhere")
    assert "not installed or not on PATH" in failure_of(plugin)


HOLDING = "(exec 3<>'{}'; exec sleep 60)"
"""A process that holds a FIFO open until it is killed, whether somebody writes to it or not."""


def assert_nobody_reads(fifo: Path, within: float = 10.0) -> None:
    """The processes that had ``fifo`` open are gone, or (killed, and about to go) go soon."""
    deadline = Deadline(within)
    while not deadline.expired:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))  # ENXIO without a reader
        except OSError:
            return
        threading.Event().wait(0.01)
    raise AssertionError("somebody still reads the fifo")


def test_its_time_is_limited_and_its_children_end_with_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    plugin = Plugin(tmp_path, f"echo waiting for login >&2; {HOLDING.format(fifo)} & wait")
    run = PluginRun([str(plugin.path)], dict(os.environ), "the plugin", "", False)
    with pytest.raises(KubeConfigError) as caught:
        run.output(Deadline(None), 0.3)
    assert "the plugin: did not end within 0.3 s and was killed" in str(caught.value)
    assert "| waiting for login" in str(caught.value)
    assert_nobody_reads(fifo)


def test_the_deadline_of_the_request_goes_before_its_own_limit(tmp_path: Path) -> None:
    credentials = using(Plugin(tmp_path, "exec sleep 60")).credentials
    with pytest.raises(RequestTimeoutError, match="did not end within"):
        credentials.identity(Deadline(0.2))


def test_a_request_does_not_wait_for_another_ones_plugin_longer_than_its_deadline(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    credentials = using(Plugin(tmp_path, f"cat '{fifo}'; echo '{exec_credential(token='abc')}'")).credentials
    first = threading.Thread(target=credentials.identity)
    first.start()
    writing = open(fifo, "w")  # noqa: SIM115 - opens once the plugin of the first request reads
    with writing, pytest.raises(RequestTimeoutError, match="still running"):
        credentials.identity(Deadline(0.05))
    first.join(10)
    assert credentials.identity().headers == [("Authorization", "Bearer abc")]


@pytest.mark.parametrize("closes", ["", "exec >&- 2>&-; "], ids=["waiting for output", "waiting for its end"])
def test_a_cancellation_ends_the_plugin(tmp_path: Path, closes: str) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    credentials = using(Plugin(tmp_path, f"echo > '{started}'; {closes}exec sleep 60")).credentials
    cancelled_after(lambda: started.read_text(), credentials.identity)


def test_a_cancellation_ends_the_wait_for_another_ones_plugin(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    credentials = using(Plugin(tmp_path, f"cat '{fifo}'; echo '{exec_credential(token='abc')}'")).credentials
    first = threading.Thread(target=credentials.identity)
    first.start()
    with open(fifo, "w"):  # opens once the plugin of the first request reads
        cancelled_after(lambda: None, credentials.identity)
    first.join(10)


def cancelled_after(reached: Callable[[], object], call: Callable[[Deadline], object]) -> None:
    """Cancel ``call`` once ``reached()`` has returned, and see that it is over at once."""
    cancellation, failures = Cancellation(), []

    def run() -> None:
        try:
            call(Deadline(None, cancellation=cancellation))
        except RequestTimeoutError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    reached()
    stopwatch = Stopwatch()
    cancellation.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert stopwatch.own_seconds < 1
    assert len(failures) == 1


def test_an_interrupt_ends_the_plugin_too(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    main = threading.get_ident()

    def interrupt_once_it_is_read() -> None:
        with open(fifo, "w"):  # opens when the plugin reads
            # Before that subprocess itself is still starting it, and nobody could hold on to the process.
            while not interrupted.wait(0.01):
                frame: Optional[FrameType] = sys._current_frames()[main]
                while frame is not None and frame.f_code is not _Output.read.__code__:
                    frame = frame.f_back
                if frame is not None:
                    os.kill(os.getpid(), signal.SIGUSR1)
                    break
            interrupted.wait(10)

    def raise_interrupt(_number: int, _frame: Optional[FrameType]) -> None:
        raise KeyboardInterrupt

    interrupted = threading.Event()
    thread = threading.Thread(target=interrupt_once_it_is_read)
    before = signal.signal(signal.SIGUSR1, raise_interrupt)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            using(Plugin(tmp_path, HOLDING.format(fifo))).credentials.identity()
    finally:
        signal.signal(signal.SIGUSR1, before)
        interrupted.set()
        thread.join(10)
    assert_nobody_reads(fifo)


@pytest.mark.parametrize(
    "printed",
    [
        '{"status": {"token": "s3cr3t-abc"}}',
        "status:\n  token: s3cr3t-abc",
        'status:\n  token: "s3cr3t-abc"',
        "status: {note: x, token: 's3cr3t-abc'}",
        "s3cr3t-abc",
    ],
)
def test_what_it_printed_before_it_failed_is_not_shown_by_its_stderr(tmp_path: Path, printed: str) -> None:
    plugin = Plugin(tmp_path, f"cat <<'END'\n{printed}\nEND\necho refused s3cr3t-abc today >&2; exit 1")
    assert failure_of(plugin).endswith("| refused *** today")


def test_stderr_cannot_steer_the_terminal_nor_hide_a_secret_behind_control_characters(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, r"printf '\033[31mred\033[0m\007 Bea\033[0mrer abc\n' >&2; exit 1")
    assert failure_of(plugin).endswith("Its stderr:\n  | red Bearer ***")


def test_what_explains_a_failed_login_is_shown(tmp_path: Path) -> None:
    """Found by review: everything that looked random was hidden, and with it the role that may not be assumed."""
    said = (
        "User arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/jo "
        "is not authorized to assume arn:aws:iam::210987654321:role/cluster-administrators-of-team"
    )
    assert failure_of(Plugin(tmp_path, f"echo '{said}' >&2; exit 254")).endswith(f"  | {said}")
