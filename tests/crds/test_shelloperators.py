"""Shell operators in commands that no shell reads: told, and nothing else is taken for one."""

from __future__ import annotations

import linecache
import shlex
import warnings
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devservers.crds.commands.commandline import parse_command
from devservers.crds.commands.shelloperators import find_operator, masked_words
from devservers.crds.devserver import DevServer


@pytest.mark.parametrize(
    ("args", "operator"),
    [
        ("ls | wc -l", "|"),
        ("make || true", "||"),
        ("cd /x && make", "&&"),
        ("sleep 5 &", "&"),
        ("a ; b", ";"),
        ("cd /x; make", ";"),
        ("make;", ";"),
        ("echo x > f", ">"),
        ("echo x >> f", ">>"),
        ("cat < f", "<"),
        ("cat << EOF", "<<"),
        ("cat <<< text", "<<<"),
        ("make 2> log", "2>"),
        ("make 2>&1", "2>&1"),
        ("make >&2", ">&2"),
        ("make > log 2>&1", ">"),
        ("make |& tee log", "|&"),
        ("make &> log", "&>"),
        ("echo x >f.txt", ">"),
        ("echo x >>f.txt", ">>"),
        ("make >/dev/null", ">"),
        ("make 2>/dev/null", "2>"),
        ("make >'my log'", ">"),
        ("make &>/dev/null", "&>"),
        ("cat <in.txt", "<"),
        ("cat </dev/null", "<"),
        ("find . -exec rm {} ; ; ls", ";"),
        ("find . -exec rm {} ';' && ls", "&&"),
    ],
)
def test_an_operator_is_found(args: str, operator: str) -> None:
    assert find_operator(args) == operator


@pytest.mark.parametrize(
    "args",
    [
        "",
        "ls -l",
        "grep '|' f",
        'grep "|" f',
        r"grep \| f",
        "grep '&&' f",
        "awk '$1 > 2 && $3 { print }' f",
        "sh -c 'a | b > c; d &'",
        'python -c "import os; print(1)"',
        "echo ';'",
        r"find . -exec rm {} \;",
        "find . -exec rm {} ;",
        "find . -name x -execdir cat {} ; -print",
        "pytest -k a|b",
        "pip install pkg>=1.0",
        "pip install >=1.0",
        "curl http://host/?a=1&b=2",
        "grep <title> index.html",
        "echo a;b",
        "echo text/html;charset=utf-8",
        "echo -> =>",
        "echo 'a;'",
        "echo ''",
        'echo "x|y" z',
        'echo "it\'s | here"',
        "git commit -m 'fix: a > b'",
    ],
)
def test_what_is_quoted_or_part_of_a_word_is_none(args: str) -> None:
    assert find_operator(args) is None


def split(args: str) -> Optional[list[str]]:
    try:
        return shlex.split(args)
    except ValueError:
        return None


@given(st.text(alphabet="ab|;>& \t\n'\"\\", max_size=12))
def test_words_are_those_that_shlex_finds(args: str) -> None:
    """As many, and with the characters that were not quoted in the same order."""
    words = split(args)
    if words is None:
        return
    masked = masked_words(args)
    assert len(masked) == len(words)
    for found, word in zip(masked, words):
        rest = iter(word)
        assert all(letter in rest for letter in found if letter != "\0")


@given(st.lists(st.text(min_size=1, max_size=5), max_size=4))
def test_what_was_quoted_for_a_shell_is_never_one(words: list[str]) -> None:
    assert find_operator(shlex.join(words).replace("\0", "x")) is None


def test_the_warning_names_the_way_and_the_callers_line() -> None:
    with pytest.warns(UserWarning, match="shell=True") as caught:
        parse_command("ls | wc", shell=False)
    (warning,) = caught
    assert str(warning.message) == (
        "'ls' is given '|' as a plain word, because no shell reads the command: pass shell=True to use shell syntax, "
        "or a list of words if it is meant so"
    )
    assert type(warning.message) is UserWarning
    assert (warning.filename, linecache.getline(warning.filename, warning.lineno).strip()) == (
        __file__, 'parse_command("ls | wc", shell=False)',
    )  # fmt: skip


def test_exec_warns_at_the_line_that_called_it(modern: DevServer) -> None:
    with pytest.warns(UserWarning, match="shell=True") as caught:
        result = modern.exec("echo a | cat")
    assert result.stdout == "a | cat\n"
    lines = [(each.filename, linecache.getline(each.filename, each.lineno).strip()) for each in caught]
    assert lines == [(__file__, 'result = modern.exec("echo a | cat")')]


@pytest.mark.parametrize(("args", "shell"), [(["echo", "|"], False), ("echo a | cat", True)])
def test_a_list_and_a_shell_are_meant_as_they_stand(args: object, shell: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_command(args, shell)  # type: ignore[arg-type]
