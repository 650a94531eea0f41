"""What is really run: the caller's words, and a wrapper only where the exec API cannot do what was asked."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from devservers.crds.command import MARKER_VARIABLE, Command, check_directory, check_environment, parse_command
from tests.machine import BUSYBOX, needs_busybox

SHELLS = [pytest.param(["/bin/sh"], id="sh"), pytest.param([BUSYBOX, "sh"], id="busybox", marks=needs_busybox)]


def run(command: Command, shell: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run it here, by a shell of choice."""
    argv = command.argv()
    assert argv[0] == "/bin/sh"
    return subprocess.run([*shell, *argv[1:]], input=stdin, capture_output=True, check=False, timeout=20)


# words


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("echo 'a b' c", ["echo", "a b", "c"]),
        ('echo "a \\"b\\"" \'\'', ["echo", 'a "b"', ""]),
        (["echo", "a b", "", "*"], ["echo", "a b", "", "*"]),
        (("echo", "$HOME"), ["echo", "$HOME"]),
        ("  ls  ", ["ls"]),
    ],
)
def test_a_string_is_split_into_words_and_a_list_is_taken_as_it_is(args: Any, words: list[str]) -> None:
    assert parse_command(args, shell=False) == words


def test_with_shell_the_string_goes_to_sh() -> None:
    assert parse_command("ps aux | grep x", shell=True) == ["/bin/sh", "-c", "ps aux | grep x"]


@pytest.mark.parametrize(
    ("args", "shell", "error", "message"),
    [
        (["ls"], True, TypeError, "shell=True takes the command as one string"),
        (b"ls", False, TypeError, "a string or a list of strings is needed, not bytes"),
        (["ls", 1], False, TypeError, r"every word must be a string, not int \(1\)"),
        ("echo 'a", False, ValueError, r"cannot be split into words \(No closing quotation\); pass a list instead"),
        ("", False, ValueError, "there is no command to run"),
        ("  ", True, ValueError, "there is no command to run"),
        ([], False, ValueError, "there is no command to run"),
        ([""], False, ValueError, "there is no command to run"),
        ("''", False, ValueError, "there is no command to run"),
        (["a\0b"], False, ValueError, "a NUL character cannot be passed"),
        (["cat", "\udcff"], False, ValueError, r"'\\udcff' is not text that can be encoded as UTF-8"),
    ],
)
def test_what_cannot_be_run_is_refused(args: Any, shell: bool, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_command(args, shell)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"A-B": "x"}, "'A-B' is not a name"),
        ({"1A": "x"}, "'1A' is not a name"),
        ({"": "x"}, "'' is not a name"),
        ({"devservers_count": "1"}, "begin with devservers_ .devservers_count. are kept"),
        ({"A": 1}, "the value of A must be a string"),
        ({"A": "a\0b"}, "env: A: a NUL character"),
        ({"A": "\udcff"}, "env: A: .* is not text"),
    ],
)
def test_an_environment_that_cannot_be_exported_is_refused(env: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_environment(env)


@pytest.mark.parametrize("cwd", ["", "a\0b", "\udcff", 1, b"/tmp"])
def test_a_directory_that_cannot_be_one_is_refused(cwd: Any) -> None:
    with pytest.raises(ValueError, match=r"^cwd: "):
        check_directory(cwd)


@pytest.mark.parametrize(("cwd", "path"), [(None, None), ("/a b", "/a b"), ("a", "a"), ("-", "./-"), ("-P", "./-P")])
def test_a_directory_is_never_taken_for_an_option(cwd: Any, path: Any) -> None:
    assert check_directory(cwd) == path


# the wrapper


def test_without_need_there_is_no_wrapper() -> None:
    command = Command(["ls", "-l"], "id")
    assert not command.wrapped
    assert command.argv() == ["ls", "-l"]


@pytest.mark.parametrize("shell", SHELLS)
class TestWrapper:
    def test_it_sets_the_environment_and_the_directory(self, shell: list[str]) -> None:
        command = Command(["sh", "-c", 'echo "$PWD $A"'], "id", cwd="/tmp", env={"A": "a 'b' $HOME\n*"})
        assert run(command, shell).stdout == b"/tmp a 'b' $HOME\n*\n"

    def test_no_word_is_read_by_the_shell(self, shell: list[str]) -> None:
        words = ["printf", "%s\\n", "a b", "$HOME", "`id`", "'", '"', "*", "-n", "\\", "é", "a\nb", ""]
        result = run(Command(words, "id", cwd="/"), shell)
        assert result.stdout.decode() == "".join(f"{word}\n" for word in words[2:])

    def test_names_of_variables_are_the_callers_to_choose(self, shell: list[str]) -> None:
        env = dict.fromkeys(("m", "d", "n", "k", "r", "f", "p", "i"), "7")
        env.update(CDPATH="/", IFS="x7", PATH="/usr/bin:/bin")
        command = Command(["cat"], "id", cwd="/usr", env=env, stdin_size=3)
        result = run(command, shell, b"abcdef")
        assert (result.stdout, result.stderr) == (b"abc", b"")

    def test_the_exit_code_is_that_of_the_command(self, shell: list[str]) -> None:
        assert run(Command(["sh", "-c", "exit 7"], "id", cwd="/"), shell).returncode == 7
        assert run(Command(["sh", "-c", "exit 7"], "id", stdin_size=0), shell).returncode == 7
        assert run(Command(["sh", "-c", "kill -9 $$"], "id", stdin_size=0), shell).returncode == 137

    def test_counted_stdin_ends_where_it_should(self, shell: list[str]) -> None:
        data = bytes(range(256)) * 1000
        assert run(Command(["cat"], "id", stdin_size=len(data)), shell, data + b"more").stdout == data
        assert run(Command(["cat"], "id", stdin_size=0), shell, b"more").stdout == b""

    def test_a_command_that_does_not_read_its_stdin_is_not_held_up(self, shell: list[str]) -> None:
        assert run(Command(["true"], "id", stdin_size=10**6), shell, b"x" * 10**6).returncode == 0

    @pytest.mark.parametrize(
        "command",
        [
            Command(["true"], "id", stdin_size=50_000),
            Command(["head", "-c", "10"], "id", stdin_size=50_000),
            Command(["sh", "-c", "exec <&-; exit 3"], "id", stdin_size=50_000),
            Command(["nosuchcommand"], "id", stdin_size=50_000),
            Command(["cat"], "id", cwd="/no/such", stdin_size=50_000),
        ],
        ids=lambda command: command.words[0],
    )
    def test_counted_stdin_is_taken_to_its_end_though_the_command_does_not(
        self, shell: list[str], command: Command
    ) -> None:
        """With input under way when the command ends, a v4 server may lose the status."""
        reading, writing = os.pipe()
        with open(reading, "rb") as stdin, open(writing, "wb") as rest:
            rest.write(bytes(50_000) + b"more")
            rest.flush()
            subprocess.run([*shell, *command.argv()[1:]], stdin=stdin, capture_output=True, check=False, timeout=20)
            rest.close()
            assert stdin.read() in (b"more", b"")  # busybox's head reads ahead

    def test_a_variable_that_the_shell_keeps_read_only_is_told(self, shell: list[str]) -> None:
        command = Command(["env"], "id", env={"A": "1", "KEPT": "2"})
        argv = [*shell, *command.argv()[1:]]
        argv[len(shell) + 1] = "readonly KEPT=0\n" + argv[len(shell) + 1]
        result = subprocess.run(argv, capture_output=True, check=False, timeout=20)
        assert command.complaint(result.returncode, result.stderr) == "no export"

    def test_the_mark_is_the_wrappers_whatever_the_callers_environment_says(self, shell: list[str]) -> None:
        command = Command(["sh", "-c", f"echo ${MARKER_VARIABLE}"], "the-mark", env={MARKER_VARIABLE: "another"})
        assert run(command, shell).stdout == b"the-mark\n"

    def test_a_command_that_is_not_there_is_told_from_one_that_fails_alike(self, shell: list[str]) -> None:
        for words in (["nosuchcommand"], ["/no/such"]):
            command = Command(words, "id", cwd="/")
            result = run(command, shell)
            assert command.complaint(result.returncode, result.stderr) == "not found"
        failing = Command(["sh", "-c", "echo 'devservers-other: not found' >&2; exit 127"], "id", cwd="/")
        result = run(failing, shell)
        assert failing.complaint(result.returncode, result.stderr) == ""

    def test_a_directory_that_is_not_there_is_told(self, shell: list[str]) -> None:
        command = Command(["true"], "id", cwd="/no/such")
        result = run(command, shell)
        assert command.complaint(result.returncode, result.stderr) == "no directory"

    def test_stdin_that_cannot_be_counted_is_told(self, shell: list[str]) -> None:
        command = Command(["true"], "id", stdin_size=1)
        argv = [*shell, *command.argv()[1:]]
        argv[len(shell) + 1] = "head() { :; }; command() { return 1; }\n" + argv[len(shell) + 1]
        result = subprocess.run(argv, capture_output=True, check=False, timeout=20, input=b"")
        assert command.complaint(result.returncode, result.stderr) == "no head"

    def test_the_killer_kills_the_command_and_its_children_by_their_mark(self, shell: list[str]) -> None:
        command = Command(["sh", "-c", "sleep 1000 & sleep 1000; :"], "mark-of-this-test", killable=True)
        with subprocess.Popen([*shell, *command.argv()[1:]], stdout=subprocess.PIPE) as victim:
            killer = [*shell, *command.killer()[1:]]
            assert subprocess.run(killer, check=False, timeout=20).returncode == 0
            assert victim.wait(20) in (137, -9)
            assert victim.stdout is not None
            assert victim.stdout.read() == b""  # no child holds it open
        assert subprocess.run(killer, check=False, timeout=20).returncode == 1

    def test_the_mark_stands_in_the_commands_environment(self, shell: list[str]) -> None:
        command = Command(["sh", "-c", f"echo ${MARKER_VARIABLE}"], "the-mark", killable=True)
        assert run(command, shell).stdout == b"the-mark\n"


def test_the_wrapper_knows_what_it_is_for() -> None:
    assert Command(["x"], "id", cwd="/", env={"A": "b"}, killable=True).needs_shell_for() == "cwd, env, timeout"
    assert Command(["x"], "id", stdin_size=0).needs_shell_for() == "input"
