"""The agenda: steps run at their time, and a failing one does not end it."""

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


def test_a_failing_step_is_reported_and_the_others_go_on(agenda: Agenda, capsys: pytest.CaptureFixture[str]) -> None:
    reached = threading.Event()
    agenda.after(0, lambda: int("nothing"))
    agenda.after(0, reached.set)
    assert reached.wait(LONG)
    assert "ValueError: invalid literal for int() with base 10: 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", [1e12, float("inf")])
def test_a_step_in_the_far_future_does_not_delay_the_others(agenda: Agenda, seconds: float) -> None:
    reached = threading.Event()
    agenda.after(seconds, lambda: None)
    agenda.after(0.01, lambda: agenda.after(0.01, reached.set))
    assert reached.wait(LONG)


def test_a_key_that_is_queued_twice_is_handled_once(agenda: Agenda) -> None:
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


def test_a_key_that_is_queued_while_it_is_handled_is_handled_again(agenda: Agenda) -> None:
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
