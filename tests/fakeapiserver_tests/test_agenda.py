"""The agenda: steps in their time, and none that ends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.fakeapiserver.operator.agenda import Agenda, Queue

LONG = 20.0


@pytest.fixture
def agenda() -> Iterator[Agenda]:
    stopping = threading.Event()
    agenda = Agenda(stopping)
    thread = threading.Thread(target=agenda.run)
    thread.start()
    yield agenda
    stopping.set()
    agenda.wake()
    thread.join(LONG)
    assert not thread.is_alive()


def test_a_step_that_fails_is_shown_and_ends_nothing_but_itself(
    agenda: Agenda, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = threading.Event()
    agenda.after(0, lambda: int("nothing"))
    agenda.after(0, reached.set)
    assert reached.wait(LONG)
    assert "ValueError: invalid literal for int() with base 10: 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", [1e12, float("inf")])
def test_a_step_that_is_too_far_off_for_a_clock_keeps_no_other_waiting(agenda: Agenda, seconds: float) -> None:
    reached = threading.Event()
    agenda.after(seconds, lambda: None)
    agenda.after(0.01, lambda: agenda.after(0.01, reached.set))
    assert reached.wait(LONG)


def test_a_key_is_looked_at_once_however_often_it_was_put_in_before(agenda: Agenda) -> None:
    looked: list[str] = []
    done = threading.Event()
    queue: Queue[str] = Queue(agenda, looked.append)
    agenda.pause()
    for key in ("a", "b", "a", "a"):
        queue.put(key)
    agenda.after(0.02, done.set)
    agenda.resume()
    assert done.wait(LONG)
    assert looked == ["a", "b"]


def test_a_key_that_is_put_in_while_it_is_looked_at_is_looked_at_again(agenda: Agenda) -> None:
    looked: list[str] = []
    done = threading.Event()

    def look(key: str) -> None:
        looked.append(key)
        if len(looked) < 2:
            queue.put(key)
        else:
            done.set()

    queue: Queue[str] = Queue(agenda, look)
    queue.put("a")
    assert done.wait(LONG)
