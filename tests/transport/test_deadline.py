"""Deadlines count down once; backoff grows, is capped and starts again."""

from __future__ import annotations

import threading

from devservers.transport.deadline import SYSTEM_CLOCK, Backoff, Deadline

from .scripted import FakeClock


def test_a_deadline_counts_down_and_never_below_zero() -> None:
    clock = FakeClock()
    deadline = Deadline(10, clock)
    clock.time = 4
    assert deadline.remaining() == 6
    clock.time = 11
    assert deadline.remaining() == 0
    assert deadline.expired


def test_no_deadline_never_expires() -> None:
    clock = FakeClock()
    deadline = Deadline(None, clock)
    clock.time = 1e9
    assert deadline.remaining() is None
    assert not deadline.expired
    assert deadline.capped(5) == 5
    assert deadline.capped(None) is None


def test_a_wait_is_capped_by_what_is_left() -> None:
    clock = FakeClock()
    deadline = Deadline(3, clock)
    assert deadline.capped(5) == 3
    assert deadline.capped(1) == 1
    assert deadline.capped(None) == 3


def test_a_step_has_the_sooner_of_two_deadlines() -> None:
    clock = FakeClock()
    assert Deadline(3, clock).sooner(60).remaining() == 3
    assert Deadline(90, clock).sooner(60).remaining() == 60
    assert Deadline(None, clock).sooner(None).remaining() is None


def test_backoff_doubles_up_to_its_limit_and_starts_again() -> None:
    backoff = Backoff(first=1, limit=4, rand=lambda: 1.0)
    assert [backoff.next() for _ in range(4)] == [1, 2, 4, 4]
    backoff.reset()
    assert backoff.next() == 1


def test_backoff_is_jittered_between_half_and_the_whole() -> None:
    assert Backoff(first=1, rand=lambda: 0.0).next() == 0.5
    assert 0.5 <= Backoff(first=1).next() <= 1


def test_a_sleep_ends_when_it_is_woken() -> None:
    woken = threading.Event()
    woken.set()
    started = SYSTEM_CLOCK.now()
    SYSTEM_CLOCK.sleep(60, woken)
    SYSTEM_CLOCK.sleep(0)
    assert SYSTEM_CLOCK.now() - started < 30
