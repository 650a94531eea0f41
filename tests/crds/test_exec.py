"""exec(): a command run to its end, in the manner of subprocess.run."""

from __future__ import annotations

import io
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer, ExecResult
from tests.fakeapiserver.pods import Pods

from .builders import SPEC, created, pod_name, requests_of
from .staged import StagedServer

MEGABYTE = 1 << 20
TEXT = "Grüße, 世界 🎉\n"


# commands


def test_the_documented_commands(devserver: DevServer) -> None:
    assert devserver.exec("echo 'hello from inside'").stdout == "hello from inside\n"
    assert "total" in devserver.exec(["ls", "-l", "/home"]).stdout
    assert devserver.exec("printf 'a\\nmy-process\\n' | grep my-process", shell=True).stdout == "my-process\n"


def test_the_result_is_like_that_of_subprocess(devserver: DevServer) -> None:
    result = devserver.exec("echo out; echo err >&2; exit 3", shell=True)
    assert isinstance(result, ExecResult)
    assert (result.args, result.stdout, result.stderr, result.returncode) == (
        "echo out; echo err >&2; exit 3",
        "out\n",
        "err\n",
        3,
    )
    assert (result.stdout_bytes, result.stderr_bytes) == (b"out\n", b"err\n")


def test_a_command_without_output_has_empty_output(devserver: DevServer) -> None:
    result = devserver.exec(["true"])
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)


def test_no_shell_reads_the_words_of_a_list(devserver: DevServer) -> None:
    words = ["$HOME", "a  b", "*", "`id`", "'", '"', "\\", "é", "a\nb", "&", "+", "%41", "#", "?", "=", ""]
    result = devserver.exec(["printf", "<%s>", *words])
    assert result.stdout == "".join(f"<{word}>" for word in words)


def test_a_string_is_split_as_a_shell_would_and_expanded_by_none(devserver: DevServer) -> None:
    assert devserver.exec("printf '<%s>' \"a b\" c\\ d $HOME '*'").stdout == "<a b><c d><$HOME><*>"


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 255])
def test_the_exit_code_is_that_of_the_command(devserver: DevServer, code: int) -> None:
    assert devserver.exec(f"exit {code}", shell=True).returncode == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_command_killed_by_a_signal_has_128_more_than_its_number(devserver: DevServer, number: int) -> None:
    assert devserver.exec(f"kill -{int(number)} $$", shell=True).returncode == 128 + number


# output


def test_megabytes_of_output_come_whole(devserver: DevServer) -> None:
    result = devserver.exec(f"head -c {8 * MEGABYTE} /dev/zero; echo end >&2", shell=True, text=False)
    assert len(result.stdout) == 8 * MEGABYTE
    assert result.stderr == b"end\n"


def test_every_byte_comes_as_it_was(devserver: DevServer) -> None:
    result = devserver.exec(["printf", "".join(f"\\{byte:03o}" for byte in range(256))], text=False)
    assert result.stdout == bytes(range(256))


def test_characters_split_over_frames_come_whole(operated: StagedServer, modern: DevServer) -> None:
    with operated.fault.exec_split_frames():
        result = modern.exec(["printf", TEXT * 50])
    assert result.stdout == TEXT * 50


def test_characters_written_byte_by_byte_come_whole(modern: DevServer) -> None:
    script = "for byte in 303 274 360 237 216 211; do printf '\\'$byte; sleep 0.01; done"
    assert modern.exec(script, shell=True).stdout == "ü🎉"


def test_bytes_that_are_no_utf_8_are_replaced_and_kept_in_the_raw_output(devserver: DevServer) -> None:
    result = devserver.exec(["printf", "a\\377b"])
    assert (result.stdout, result.stdout_bytes) == ("a\ufffdb", b"a\xffb")


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({"text": False}, b"\xfc"),
        ({"encoding": "latin-1"}, "ü"),
        ({"errors": "backslashreplace"}, "\\xfc"),
        ({"errors": "ignore"}, ""),
    ],
)
def test_output_is_decoded_as_asked(modern: DevServer, options: dict[str, Any], output: Any) -> None:
    assert modern.exec(["printf", "\\374"], **options).stdout == output


def test_strict_decoding_raises_what_decoding_raises(modern: DevServer) -> None:
    with pytest.raises(UnicodeDecodeError):
        modern.exec(["printf", "\\374"], errors="strict")


# sinks


def test_output_can_go_to_binary_files_as_it_comes(devserver: DevServer, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as out, (tmp_path / "err").open("wb") as err:
        result = devserver.exec(f"head -c {MEGABYTE} /dev/zero; echo e >&2", shell=True, stdout=out, stderr=err)
    assert (tmp_path / "out").stat().st_size == MEGABYTE
    assert (tmp_path / "err").read_bytes() == b"e\n"
    assert (result.stdout, result.stderr, result.stdout_bytes) == (None, None, b"")


def test_output_can_go_to_a_callable_as_it_comes(operated: StagedServer, modern: DevServer) -> None:
    go, seen = "/workspace/go", []

    def take(data: bytes) -> None:
        seen.append(data)
        if b"first" in data:
            Path(Pods.of(operated).sandbox("default", pod_name(operated)).paths.path(go)).touch()

    result = modern.exec(f"echo first; until [ -e {go} ]; do sleep 0.01; done; echo second", shell=True, stdout=take)
    assert b"".join(seen) == b"first\nsecond\n"
    assert (result.stdout, result.stderr) == (None, "")


def test_a_sink_that_takes_less_than_it_is_given_gets_it_all(modern: DevServer) -> None:
    class Reluctant(io.RawIOBase):
        taken = b""

        def write(self, data: Any) -> int:
            self.taken += bytes(data[:7])
            return min(7, len(data))

    sink = Reluctant()
    modern.exec(["printf", "0123456789" * 5], stdout=sink)  # type: ignore[call-overload]
    assert sink.taken == b"0123456789" * 5


def test_what_a_sink_raises_comes_out(modern: DevServer) -> None:
    def full(data: bytes) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        modern.exec("echo x", stdout=full)


# directory and environment


def test_a_command_runs_where_it_is_told_to(devserver: DevServer) -> None:
    devserver.exec(["mkdir", "-p", "/workspace/a b", "/workspace/-n"], check=True)
    assert devserver.exec("pwd", cwd="/workspace/a b").stdout == "/workspace/a b\n"
    assert devserver.exec("pwd", shell=True, cwd="/workspace").stdout == "/workspace\n"


def test_a_directory_that_is_not_there_is_an_exec_error(devserver: DevServer) -> None:
    with pytest.raises(errors.ExecError, match="'/workspace/nosuch' cannot be entered in pod \"dev-") as caught:
        devserver.exec("pwd", cwd="/workspace/nosuch")
    assert not isinstance(caught.value, errors.CommandNotFoundError)


def test_a_command_gets_its_environment_on_top_of_the_containers(devserver: DevServer) -> None:
    env = {"A": "a 'b' \"c\" $HOME `id`\n*", "n": "3", "EMPTY": ""}
    result = devserver.exec('printf "%s|%s|%s|%s" "$A" "$n" "${EMPTY-unset}" "${HOME:+home}"', shell=True, env=env)
    assert result.stdout == f"{env['A']}|3||home"


def test_an_empty_environment_is_the_containers(modern: DevServer) -> None:
    assert modern.exec(["sh", "-c", "echo ${HOME:+home}"], env={}).stdout == "home\n"


# check


def test_check_makes_a_failure_an_error_that_shows_what_the_command_said(devserver: DevServer) -> None:
    with pytest.raises(errors.CommandFailedError) as caught:
        devserver.exec("echo out; echo no such thing >&2; exit 3", shell=True, check=True)
    error = caught.value
    assert str(error) == "'echo out; echo no such thing >&2; exit 3' ended with exit code 3: no such thing"
    assert (error.returncode, error.stdout, error.stderr) == (3, "out\n", "no such thing\n")


def test_check_lets_a_success_pass(devserver: DevServer) -> None:
    assert devserver.exec("true", check=True).returncode == 0


def test_a_result_can_be_checked_later() -> None:
    ExecResult("true", "", "", 0).check_returncode()
    with pytest.raises(errors.CommandFailedError, match="'ls -l' ended with exit code 2"):
        ExecResult(["ls", "-l"], "", "", 2).check_returncode()


def test_a_result_shows_how_much_came_and_not_what() -> None:
    result = ExecResult(["ls"], "secret", "", 0, stdout_bytes=b"secret")
    assert repr(result) == "ExecResult(args=['ls'], returncode=0, stdout=6 bytes, stderr=0 bytes)"


def test_a_result_can_be_pickled() -> None:
    result = pickle.loads(pickle.dumps(ExecResult(["ls"], "x", "", 1, stdout_bytes=b"x")))
    assert (result.args, result.stdout, result.returncode, result.stdout_bytes) == (["ls"], "x", 1, b"x")


# what is refused before anything is sent


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"args": ["ls"], "shell": True}, TypeError),
        ({"args": ""}, ValueError),
        ({"args": "echo 'a"}, ValueError),
        ({"args": "ls", "cwd": ""}, ValueError),
        ({"args": "ls", "cwd": "a\0b"}, ValueError),
        ({"args": "ls", "env": {"A=B": "c"}}, ValueError),
        ({"args": "ls", "input": 1}, TypeError),
        ({"args": "ls", "encoding": "nosuch"}, LookupError),
        ({"args": "ls", "errors": "nosuch"}, LookupError),
        ({"args": "ls", "stdout": 1}, TypeError),
        ({"args": "ls", "stderr": io.StringIO()}, TypeError),
    ],
)
def test_bad_arguments_are_refused_before_any_request(
    cluster: StagedServer, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        DevServer(ObjectMeta(name="dev"), SPEC).exec(**arguments)
    assert not cluster.requests


def test_a_text_file_as_a_sink_is_told_what_to_pass_instead(cluster: StagedServer) -> None:
    with pytest.raises(TypeError, match=r"a binary file .* not TextIOWrapper \(it is a text file: pass its \.buffer\)"):
        DevServer(ObjectMeta(name="dev"), SPEC).exec("ls", stdout=io.TextIOWrapper(io.BytesIO()))  # type: ignore[call-overload]


# where it runs


def test_a_server_without_a_pod_says_what_to_do(cluster: StagedServer) -> None:
    with pytest.raises(errors.ExecError) as caught:
        created().exec("ls")
    assert str(caught.value) == (
        "<DevServer default/dev> has no running pod in namespace 'default' (phase unknown; pod: none was found): "
        "call wait_for_ready() first, or use it in a with statement\n"
        '  phase: none yet: is the DevServer operator running?\n  flavor: Flavor "cpu-small" does not exist\n'
        "  pod: none was found\n"
        "  likely cause: the flavor is misspelled or was never created: DevServerFlavor.list() shows which exist"
    )


def test_an_object_known_by_name_alone_can_be_used(operated: StagedServer, modern: DevServer) -> None:
    assert DevServer(ObjectMeta(name="dev"), SPEC).exec("echo x").stdout == "x\n"


def test_without_the_right_to_look_at_pods_the_conventional_one_is_used(cluster: StagedServer) -> None:
    pod = {"metadata": {"name": "dev-0"}, "spec": {"nodeName": "n", "containers": [{"name": "devserver"}]}}
    cluster.store.create("pods", {**pod, "status": {"phase": "Running"}})
    cluster.rules.deny("admin", "list", "pods")
    assert created().exec("echo x").stdout == "x\n"


def test_a_container_can_be_chosen(operated: StagedServer, modern: DevServer) -> None:
    def add_a_sidecar(raw: dict[str, Any]) -> None:
        raw["spec"]["containers"].append({"name": "sidecar", "image": "x"})

    operated.store.modify("pods", pod_name(operated), "default", add_a_sidecar)
    modern.exec("true")
    modern.exec("true", container="sidecar")
    asked = requests_of(operated, "GET", "/exec")
    assert "container=devserver&" in asked[0]
    assert "container=sidecar&" in asked[1]


def test_a_forbidden_exec_names_the_rule_that_would_allow_it(operated: StagedServer, modern: DevServer) -> None:
    operated.rules.deny("admin", "*", "pods/exec")
    with pytest.raises(errors.ForbiddenError, match=r'resources: \["pods/exec"\], verbs: \["get", "create"\]'):
        modern.exec("ls")
