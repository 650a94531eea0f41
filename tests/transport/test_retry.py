"""What may be sent again is what cannot have been executed, or does no harm when executed twice."""

from __future__ import annotations

from typing import Optional

import pytest

from devservers.transport.retry import parse_retry_after, retry_answer, retry_transport


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [429, 503])
def test_any_verb_goes_again_when_the_server_did_nothing(method: str, status: int) -> None:
    assert retry_answer(method, status, 2.0, backoff=0.1) == 2.0


def test_a_429_without_retry_after_waits_for_the_backoff() -> None:
    assert retry_answer("POST", 429, None, backoff=0.1) == 0.1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_only_reads_go_again_after_a_server_error(status: int) -> None:
    assert retry_answer("GET", status, None, backoff=0.1) == 0.1
    assert retry_answer("POST", status, None, backoff=0.1) is None
    assert retry_answer("PATCH", status, None, backoff=0.1) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_a_refusal_is_reported(status: int) -> None:
    assert retry_answer("GET", status, None, backoff=0.1) is None


def test_a_retry_after_of_an_hour_is_reported_instead_of_slept_through() -> None:
    assert retry_answer("POST", 429, 3600.0, backoff=0.1) is None


def test_a_lost_connection_is_tried_again_for_reads_and_for_what_was_never_sent() -> None:
    assert retry_transport("GET", False, 0.1) == 0.1
    assert retry_transport("POST", True, 0.1) == 0.1
    assert retry_transport("POST", False, 0.1) is None


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
