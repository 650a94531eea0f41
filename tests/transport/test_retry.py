"""What may be sent again is what cannot have been executed, or does no harm when executed twice."""

from __future__ import annotations

import threading
from typing import Any, Optional

import pytest

from devservers.errors import APIError, ConnectionFailedError, ProtocolError, RequestTimeoutError, ServerError
from devservers.transport.deadline import Backoff, Deadline
from devservers.transport.retry import Attempts, Patience, Polls, may_have_been_executed, parse_retry_after, wait_after

from .scripted import FakeClock

PAUSE = 0.1


def _backoff() -> Backoff:
    return Backoff(first=PAUSE, rand=lambda: 1.0)


def _after_status(method: str, status: int, retry_after: Optional[float] = None) -> Optional[float]:
    return wait_after(APIError("no", status=status, retry_after=retry_after), method, _backoff())


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "UPGRADE"])
@pytest.mark.parametrize("status", [429, 503])
def test_any_verb_goes_again_when_the_server_did_nothing(method: str, status: int) -> None:
    assert _after_status(method, status, 2.0) == 2.0


def test_a_429_without_retry_after_waits_for_the_backoff() -> None:
    assert _after_status("POST", 429) == PAUSE


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_only_reads_go_again_after_a_server_error(status: int) -> None:
    assert _after_status("GET", status) == PAUSE
    assert _after_status("POST", status) is None
    assert _after_status("UPGRADE", status) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_a_refusal_is_reported(status: int) -> None:
    assert _after_status("GET", status) is None


def test_a_retry_after_of_an_hour_is_reported_instead_of_slept_through() -> None:
    assert _after_status("POST", 429, 3600.0) is None


def test_a_lost_connection_is_tried_again_for_reads_and_for_what_was_never_sent() -> None:
    error = ConnectionFailedError("lost")
    assert wait_after(error, "GET", _backoff()) == PAUSE
    assert wait_after(error, "POST", _backoff()) is None
    error.nothing_sent = True
    assert wait_after(error, "POST", _backoff()) == PAUSE


def test_a_kept_alive_connection_that_was_closed_says_nothing_about_the_server() -> None:
    error = ConnectionFailedError("lost")
    error.on_kept_alive = True
    assert wait_after(error, "GET", _backoff()) == 0


def test_a_connection_that_is_refused_for_good_is_reported() -> None:
    error = ConnectionFailedError("the proxy wants a password")
    error.nothing_sent, error.may_pass = True, False
    assert wait_after(error, "GET", _backoff()) is None


def test_a_timeout_and_a_broken_protocol_are_reported() -> None:
    assert wait_after(RequestTimeoutError("late"), "GET", _backoff()) is None
    assert wait_after(ProtocolError("odd"), "GET", _backoff()) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (" 0 ", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("\u0661", None),
        ("9" * 20, None),
    ],
)
def test_retry_after_is_whole_seconds_or_nothing(value: Optional[str], seconds: Optional[float]) -> None:
    assert parse_retry_after(value) == seconds


# the loop


NO = ServerError("no", status=500)


def _attempts(clock: FakeClock, seconds: Optional[float] = None, **options: Any) -> Attempts:
    return Attempts(Deadline(seconds, clock), _backoff(), **options)


def _run(attempts: Attempts, *failures: BaseException) -> int:
    """The number of attempts made: one a failure, and one more that succeeds."""
    left = list(failures)
    for attempt in attempts:
        with attempt:
            if left:
                raise left.pop(0)
    return attempts.number


def test_a_success_ends_the_loop_at_once() -> None:
    clock = FakeClock()
    assert _run(_attempts(clock)) == 1
    assert clock.slept == []


def test_what_may_pass_is_tried_again_after_pauses_that_grow() -> None:
    clock = FakeClock()
    assert _run(_attempts(clock), NO, NO, NO) == 4
    assert clock.slept == [PAUSE, 2 * PAUSE, 4 * PAUSE]


def test_what_cannot_pass_is_raised_by_the_first_attempt() -> None:
    clock = FakeClock()
    with pytest.raises(APIError, match="never"):
        _run(_attempts(clock), APIError("never", status=403))
    assert clock.slept == []


def test_whoever_calls_may_say_what_may_pass() -> None:
    clock = FakeClock()
    attempts = _attempts(clock, may_pass=lambda error: isinstance(error, KeyError))
    with pytest.raises(ServerError):
        _run(attempts, KeyError(), NO)
    assert clock.slept == [PAUSE]


def test_a_retry_after_that_is_longer_than_the_pause_counts() -> None:
    clock = FakeClock()
    assert _run(_attempts(clock), ServerError("no", status=503, retry_after=7.0)) == 2
    assert clock.slept == [7.0]


def test_the_last_of_a_limited_number_of_failures_is_raised() -> None:
    clock = FakeClock()
    with pytest.raises(ServerError, match="last"):
        _run(_attempts(clock, limit=3), NO, NO, ServerError("last", status=500))
    assert len(clock.slept) == 2


def test_a_failure_is_raised_when_its_pause_would_last_to_the_deadline() -> None:
    clock = FakeClock()
    with pytest.raises(ServerError, match="late"):
        _run(_attempts(clock, 2.5 * PAUSE), NO, ServerError("late", status=500))
    assert clock.slept == [PAUSE]


def test_an_exception_during_the_pause_is_not_shown_with_the_failure_before_it() -> None:
    class Interrupted(FakeClock):
        def sleep(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        _run(_attempts(Interrupted()), NO)
    assert caught.value.__context__ is None


def test_a_question_is_asked_once_more_at_the_deadline() -> None:
    clock = FakeClock()
    asked = [(number, clock.time) for number in Polls(Deadline(4 * PAUSE, clock), _backoff())]
    assert asked == [(1, 0.0), (2, PAUSE), (3, pytest.approx(3 * PAUSE)), (4, pytest.approx(4 * PAUSE))]


def test_a_question_is_asked_once_when_there_is_no_time() -> None:
    assert list(Polls(Deadline(0.0, FakeClock()), _backoff())) == [1]


def test_patience_ends_after_nothing_but_failures_for_its_time() -> None:
    clock = FakeClock()
    patience = Patience(clock, 10.0)
    assert not patience.failed()
    clock.time = 10.0
    assert not patience.failed()
    clock.time = 10.1
    assert patience.failed()


def test_a_success_restores_patience() -> None:
    clock = FakeClock()
    patience = Patience(clock, 10.0)
    patience.failed()
    clock.time = 11.0
    patience.succeeded()
    assert not patience.failed()


# what is known of a request that failed


def test_a_read_changes_nothing_and_a_write_may_unless_nothing_was_sent() -> None:
    error = ConnectionFailedError("lost")
    assert not may_have_been_executed(error, "GET")
    assert may_have_been_executed(error, "POST")
    error.nothing_sent = True
    assert not may_have_been_executed(error, "POST")
