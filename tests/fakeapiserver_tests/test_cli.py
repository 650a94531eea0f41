"""The fake from a shell: serve until interrupted, run a command against it, play the demo."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.cli import main, parser, server_for, split_command
from tests.fakeapiserver.operator import Operator

ROOT = Path(__file__).parent.parent.parent
PROGRAM = [sys.executable, "-m", "tests.fakeapiserver"]
TIMEOUT = 60


def finished(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)


class Serving:
    """``serve`` in its own process, up to the line that says it is ready."""

    def __init__(self, arguments: Sequence[str], temporary: Path) -> None:
        environment = {**os.environ, "TMPDIR": str(temporary)}
        self.process = subprocess.Popen(
            [*PROGRAM, "serve", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("export KUBECONFIG="):
                self.kubeconfig = Path(shlex.split(line)[1].partition("=")[2])
                return
        raise AssertionError("serve ended without an export line")

    def config(self) -> dict[str, object]:
        config: dict[str, object] = json.loads(self.kubeconfig.read_text())
        return config

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(TIMEOUT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    directory = tmp_path / "tmp"
    directory.mkdir()
    return directory


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_until_interrupted_and_leaves_nothing_behind(temporary: Path, number: int) -> None:
    serving = Serving((), temporary)
    config = json.loads(serving.kubeconfig.read_text())
    url, token = config["clusters"][0]["cluster"]["server"], config["users"][0]["user"]["token"]
    request = Request(f"{url}/version", headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=10) as response:
        assert response.status == 200
    assert serving.end(number) == 0
    assert list(temporary.iterdir()) == []


def test_serve_writes_the_kubeconfig_where_it_is_told_to(temporary: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "my config"
    serving = Serving(("--kubeconfig", str(wanted), "--tls"), temporary)
    assert serving.kubeconfig == wanted
    assert wanted.stat().st_mode & 0o777 == 0o600
    assert json.loads(wanted.read_text())["clusters"][0]["cluster"]["server"].startswith("https://")
    assert serving.end(signal.SIGINT) == 0


def test_serve_does_not_overwrite_another_clusters_kubeconfig(tmp_path: Path) -> None:
    precious = tmp_path / "config"
    precious.write_text("apiVersion: v1\ncurrent-context: production\n")
    assert main(["serve", "--kubeconfig", str(precious)]) == 2
    assert "production" in precious.read_text()


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_an_invalid_port_is_a_usage_error(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", f"--port={port}"])
    assert caught.value.code == 2
    assert "--port" in capsys.readouterr().err


def test_a_port_in_use_is_a_readable_error(temporary: Path) -> None:
    serving = Serving((), temporary)
    clusters = serving.config()["clusters"]
    port = str(clusters).rpartition(":")[2].strip("'}]")
    result = finished("serve", "--port", port)
    assert (result.returncode, result.stderr) == (1, f"cannot listen on port {port}: Address already in use\n")
    assert serving.end(signal.SIGINT) == 0


def test_run_gives_the_command_a_kubeconfig_and_exits_with_its_code() -> None:
    result = finished("run", "--", "sh", "-c", 'grep -c "fake-admin-token" "$KUBECONFIG"; exit 7')
    assert (result.stdout, result.returncode) == ("1\n", 7)


@pytest.mark.parametrize(
    ("command", "code"),
    [(["nosuchcommand"], 127), (["/etc/passwd"], 126), (["sh", "-c", "kill -9 $$"], 137), (["true"], 0)],
)
def test_run_ends_as_a_shell_does(command: list[str], code: int) -> None:
    assert finished("run", "--", *command).returncode == code


def test_run_passes_a_signal_on_to_the_command() -> None:
    script = "trap 'echo told; exit 9' TERM; echo up; while :; do sleep 0.05; done"
    process = subprocess.Popen([*PROGRAM, "run", "--", "sh", "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as out:
        assert out.readline() == "up\n"
        process.terminate()
        assert out.readline() == "told\n"
    assert process.wait(TIMEOUT) == 9


def test_run_without_a_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run"])
    assert caught.value.code == 2
    assert "run needs a command" in capsys.readouterr().err


def test_options_after_two_dashes_belong_to_the_command() -> None:
    assert split_command(["run", "--tls", "--", "kubectl", "--help", "--", "x"]) == (
        ["run", "--tls"],
        ["kubectl", "--help", "--", "x"],
    )


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["run", "--help"], ["demo", "--help"]])
def test_help_is_shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "usage: python -m tests.fakeapiserver" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan", "inf"])
@pytest.mark.parametrize("option", ["--lag", "--finalize"])
def test_an_invalid_pace_is_a_usage_error(option: str, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["demo", f"{option}={seconds}"])
    assert caught.value.code == 2
    assert option in capsys.readouterr().err


def test_the_pace_of_the_operator_is_set_from_the_command_line() -> None:
    arguments = parser().parse_args(["serve", "--lag", "8", "--finalize", "0.5"])
    operator = Operator.of(server_for(arguments))
    assert (operator.lag, operator.finalize) == (8, 0.5)
    usual, default = Operator.of(FakeAPIServer()), Operator.of(server_for(parser().parse_args(["serve"])))
    assert (default.lag, default.finalize) == (usual.lag, usual.finalize)


@pytest.mark.parametrize("tls", [[], ["--tls"]], ids=["plain", "tls"])
def test_the_demo_runs_to_its_end(tls: list[str]) -> None:
    result = finished("demo", *tls)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("ok: ") == 12
    assert "FAILED" not in result.stdout
