from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devservers.crds.files.receiver import complaint, target_path, word
from devservers.crds.result import RemoteResult


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("/workspace/project", "/workspace/project"),
        ("/", "/"),
        ("project", "./project"),
        ("-rf", "./-rf"),
        ("~", "~/"),
        ("~/x", "~/x"),
        ("~x", "./~x"),
        (".", "././"),
        ("a/..", "./a/../"),
        ("/srv/.", "/srv/./"),
        ("./a/", "././a/"),
    ],
)
def test_a_target_is_absolute_or_begins_with_a_dot_or_with_home(remote: str, expected: str) -> None:
    assert target_path(remote) == expected


@pytest.mark.parametrize(
    ("remote", "why"),
    [("", "is empty; '.' is"), ("a\0b", "contains a NUL"), ("\ud800", "cannot be encoded: surrogates not allowed")],
)
def test_a_path_that_no_container_can_have_is_refused(remote: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        target_path(remote)


def test_ordinary_paths_travel_as_they_are() -> None:
    assert word("/workspace/my-project_1.0/été") == "/workspace/my-project_1.0/été"


def test_words_hold_no_blanks_and_are_valid_utf8() -> None:
    assert word("a b\n\t\\\udcff") == r"a\0040b\0012\0011\0134\0377"


@settings(max_examples=25, deadline=None)
@example(b"\\0101\\c%s\n\n")
@example(bytes(range(1, 256)))
@given(st.binary(min_size=1, max_size=40).map(lambda raw: raw.replace(b"\0", b"\1")))
def test_printf_gives_back_the_bytes_of_any_path(path: bytes) -> None:
    spelt = word(path.decode("utf-8", "surrogateescape"))
    assert subprocess.run(["sh", "-c", 'printf %b "$1"', "sh", spelt], capture_output=True, check=True).stdout == path


def test_exit_code_0_is_no_complaint_even_with_gnu_tars_warnings() -> None:
    warning = b"tar: x: implausibly old time stamp 1970-01-01 00:00:00\n"
    assert complaint(RemoteResult(0, b"", warning)) is None


def test_a_complaint_holds_what_was_said_the_exit_code_and_a_remedy() -> None:
    said = complaint(RemoteResult(2, b"", b"tar: x: Cannot open: No space left on device\n"))
    assert said is not None
    assert "No space left on device (exit code 2). Nothing was changed in the container." in said


@pytest.mark.parametrize(
    ("stderr", "is_blamed"),
    [
        (b"tar: x: Cannot open: No space left on device", True),
        (b"tar: x: Cannot utime: Operation not permitted\ntar: y: No space left on device", True),
        (b"tar: x: Wrote only 3072 of 10240 bytes", True),
        (b"tar: can't create symlink 'a' to 'b': Operation not permitted", False),
        (b"tar: a?b: Cannot open: Invalid argument", False),
        (b"tar: x: Cannot open: File name too long", False),
        (b"", True),
    ],
)
def test_the_disk_is_blamed_unless_another_cause_is_plain(stderr: bytes, is_blamed: bool) -> None:
    said = str(complaint(RemoteResult(2, b"", stderr)))
    assert "Nothing was changed in the container." in said
    assert ("a full disk or a quota" in said) == is_blamed


def test_a_long_complaint_is_abridged() -> None:
    said = complaint(RemoteResult(2, b"", b"".join(b"tar: %d\n" % number for number in range(1000))))
    assert said is not None
    assert "tar: 19\n… and 980 more lines (exit code 2)" in said


def test_silence_is_told_as_such() -> None:
    assert "it wrote nothing to stderr (exit code 137)" in str(complaint(RemoteResult(137, b"", b"")))


def test_a_script_that_was_killed_is_not_blamed_on_its_files() -> None:
    said = str(complaint(RemoteResult(137, b"", b"Killed\n")))
    assert said.startswith("Killed (exit code 137). A signal killed it: did the container run out of memory, or end?")


def test_stderr_that_is_not_utf8_can_be_told() -> None:
    assert "tar: caf\ufffd (exit code 1)" in str(complaint(RemoteResult(1, b"", b"tar: caf\xe9")))
