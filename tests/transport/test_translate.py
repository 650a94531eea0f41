"""Exceptions of other libraries become ours by the first rule that fits, and quote nothing."""

from __future__ import annotations

import errno
import http.client
from typing import Any

import pytest

from devservers.errors import ConnectionFailedError, NotFoundError, ProtocolError, RequestTimeoutError, TransportError
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.http.translate import LOOKUP, Rule, exchanging, guarded, translate, translated

CONFIG = ClientConfig("https://api.example")


def _raise(error: BaseException) -> Any:
    raise error


def _crossing(error: Exception, kind: type[Exception] = TransportError) -> Exception:
    with pytest.raises(kind) as caught, exchanging(CONFIG, "get pods"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (TimeoutError("timed out"), RequestTimeoutError, "no whole answer from https://api.example"),
        (OSError(errno.ETIMEDOUT, "gone"), ConnectionFailedError, "the connection failed (gone)"),
        (ConnectionResetError(104, "reset"), ConnectionFailedError, "the connection failed (reset)"),
        (http.client.IncompleteRead(b"s3cret"), ConnectionFailedError, "cut before the answer"),
        (http.client.BadStatusLine("s3cret"), ProtocolError, "is not HTTP (BadStatusLine)"),
        (ValueError("s3cret"), ProtocolError, "the answer is not HTTP (ValueError)"),
    ],
)
def test_each_exception_of_an_exchange_has_its_kind_and_text(
    error: Exception, kind: type[Exception], text: str
) -> None:
    failure = _crossing(error)
    assert type(failure) is kind
    assert str(failure).startswith("get pods: ")
    assert text in str(failure)


def test_an_exception_of_the_system_is_the_cause() -> None:
    error = ConnectionResetError(104, "reset")
    assert _crossing(error).__cause__ is error


@pytest.mark.parametrize("error", [http.client.BadStatusLine("s3cret"), ValueError("s3cret")])
def test_one_that_may_quote_the_peer_is_neither_cause_nor_context(error: Exception) -> None:
    failure = _crossing(error)
    assert failure.__cause__ is None
    assert failure.__context__ is None
    with pytest.raises(ProtocolError) as caught:
        guarded(CONFIG, "get pods", lambda: _raise(error))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("error", [NotFoundError("no"), KeyError("other")])
def test_ours_and_those_that_no_rule_fits_pass_as_they_are(error: Exception) -> None:
    assert _crossing(error, type(error)) is error
    assert translate(error, "get pods", CONFIG) is error


def test_an_interrupt_passes() -> None:
    with pytest.raises(KeyboardInterrupt), exchanging(CONFIG, "get pods"):
        raise KeyboardInterrupt


def test_rules_for_another_library_come_first() -> None:
    more = (Rule(ValueError, ConnectionFailedError, "{doing}: theirs", quotes=True),)
    with pytest.raises(ConnectionFailedError, match="get pods: theirs"):
        guarded(CONFIG, "get pods", lambda: _raise(ValueError()), more)


def test_a_word_is_looked_for_only_where_the_message_needs_it() -> None:
    unused = {"explanation": lambda error: _raise(AssertionError())}
    with pytest.raises(ConnectionFailedError, match="'x' does not resolve"):
        with translated(LOOKUP, target="https://x", host="x", **unused):
            raise OSError(-2, "Name or service not known")
