"""What may be sent again is what cannot have been executed, or does no harm when executed twice."""

from __future__ import annotations

from typing import Optional

import pytest

from devservers.errors import APIError, ConnectionFailedError, ProtocolError, RequestTimeoutError
from devservers.transport.deadline import Backoff
from devservers.transport.retry import parse_retry_after, wait_after

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
