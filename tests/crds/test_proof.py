"""The mark at the end of a stream: taken out wherever it is cut, and nothing else is touched or held back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devservers.crds.commands.proof import MarkedStream, mark_of

IDENTITY = "0123456789abcdef"
MARK = mark_of(IDENTITY)


def fed(data: bytes, cuts: list[int], mark: bytes = MARK) -> tuple[list[bytes], MarkedStream]:
    """What came out of it piece by piece, the flush at the end last."""
    stream = MarkedStream(mark)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [stream.feed(data[start:end]) for start, end in zip(places, places[1:])]
    return [*pieces, stream.flush()], stream


beginnings = st.integers(0, len(MARK) - 1).map(lambda size: MARK[:size])
pieces_of_output = st.lists(st.one_of(st.binary(max_size=20), beginnings), max_size=6)
output = pieces_of_output.map(b"".join).filter(lambda data: MARK not in data)  # a beginning and its end make one
cuts = st.lists(st.integers(0, 10_000), max_size=30)


@settings(deadline=None)  # the machine may be busy
@given(before=output, after=output, cuts=cuts)
def test_the_mark_is_taken_out_wherever_the_stream_is_cut(before: bytes, after: bytes, cuts: list[int]) -> None:
    pieces, stream = fed(before + MARK + after, cuts)
    assert b"".join(pieces) == before + after
    assert stream.ended


@settings(deadline=None)  # the machine may be busy
@given(data=output, cuts=cuts)
def test_without_a_mark_all_of_it_comes_and_nothing_is_proved(data: bytes, cuts: list[int]) -> None:
    pieces, stream = fed(data, cuts)
    assert b"".join(pieces) == data
    assert not stream.ended


@settings(deadline=None)  # the machine may be busy
@given(data=output, cuts=cuts)
def test_what_is_held_back_is_never_more_than_a_possible_beginning(data: bytes, cuts: list[int]) -> None:
    stream = MarkedStream(MARK)
    came, given_so_far = b"", b""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in zip(places, places[1:]):
        came += stream.feed(data[start:end])
        given_so_far = data[:end]
        held = given_so_far[len(came) :]
        assert given_so_far.startswith(came)
        assert MARK.startswith(held)
        assert len(held) < len(MARK)


@settings(deadline=None)  # the machine may be busy
@given(
    alphabet_word=st.text("ab", min_size=1, max_size=6).map(str.encode),
    before=st.text("ab", max_size=12).map(str.encode),
    cuts=cuts,
)
def test_a_mark_that_resembles_itself_is_found_at_its_first_place(
    alphabet_word: bytes, before: bytes, cuts: list[int]
) -> None:
    data = before + alphabet_word
    at = data.index(alphabet_word)
    pieces, stream = fed(data, cuts, mark=alphabet_word)
    assert b"".join(pieces) == data[:at] + data[at + len(alphabet_word) :]
    assert stream.ended


@pytest.mark.parametrize("text", [b"password: ", b"$ ", b"50%\r", b"\x1b[0m", "ü".encode()[:1]])
def test_a_prompt_is_passed_on_at_once(text: bytes) -> None:
    assert MarkedStream(MARK).feed(text) == text


def test_what_comes_after_the_mark_is_passed_on_at_once_whatever_it_looks_like() -> None:
    stream = MarkedStream(MARK)
    assert stream.feed(b"a" + MARK) == b"a"
    assert stream.feed(MARK[:5]) == MARK[:5]
    assert stream.feed(MARK) == MARK
    assert stream.flush() == b""


def test_the_mark_of_one_command_is_none_to_another() -> None:
    stream = MarkedStream(MARK)
    other = mark_of("fedcba9876543210")
    assert stream.feed(other) + stream.flush() == other
    assert not stream.ended


def test_the_identity_alone_as_ps_shows_it_is_no_mark() -> None:
    shown = f"/bin/sh -c ... {IDENTITY} env DEVSERVERS_EXEC_ID={IDENTITY}\n".encode()
    assert MARK not in shown
    stream = MarkedStream(MARK)
    assert stream.feed(shown) + stream.flush() == shown
    assert not stream.ended
