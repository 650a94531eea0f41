"""The boundary where exceptions of other libraries become this package's own, by tables.

Each step on the way to an answer has its table: looking up a name, connecting, the TLS handshake,
asking a proxy for a tunnel, and the exchange of a request for its answer. The first rule that fits
decides; an exception that no rule fits passes as it is. What reads an answer by another library
puts rules of its own in front (``more``)::

    with exchanging(config, "get pods", more=LIBRARY):
        response.begin()

Exceptions of ``socket`` and ``ssl`` stay attached as the cause. Those of ``http.client`` and of
other libraries do not: they quote what the peer sent, which may be a body.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from functools import partial
from types import TracebackType
from typing import Callable, NamedTuple, Optional, TypeVar, Union

from ...errors import (
    ConnectionFailedError,
    DevServersError,
    ProtocolError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)
from ..config.clientconfig import ClientConfig
from ..tls.explain import explain_handshake_failure, is_alert, is_end_of_stream

T = TypeVar("T")
ExceptionClasses = Union[type[Exception], tuple[type[Exception], ...]]


class Rule(NamedTuple):
    """Exceptions of the classes ``foreign`` become ``ours``.

    ``text`` may use the words given to :class:`translated` and, of the exception, ``{why}`` (what
    the system says), ``{reason}`` (OpenSSL's word) and ``{kind}`` (the name of its class).
    """

    foreign: ExceptionClasses
    ours: type[TransportError]
    text: str
    quotes: bool = False
    """Whether the exception may quote what the peer sent: then it is not attached as the cause."""
    when: Optional[Callable[[Exception], bool]] = None
    """A condition beyond the class."""


Table = tuple[Rule, ...]
Word = Union[str, int, Callable[[Exception], str]]
"""A word of a message, or what finds it, called only where the text of the rule contains it."""


def _is_ours(error: Exception) -> bool:
    """Whether a timeout is our deadline's, not the kernel's word about a dead path (ETIMEDOUT)."""
    return getattr(error, "errno", None) != errno.ETIMEDOUT


_TIMEOUTS = (TimeoutError, socket.timeout)  # one class since Python 3.10
_NO_SUCH_NAME = (
    "cannot connect to {target}: the name {host!r} does not resolve (%s); check the spelling, DNS "
    "and VPN, or set proxy-url if the cluster is behind a proxy"
)
_HUNG_UP = (
    "{target} closed the connection during the TLS handshake ({why}); is this a TLS port, and does "
    "something in between (a proxy, a firewall) cut it?"
)

LOOKUP: Table = (
    Rule(
        TimeoutError,
        RequestTimeoutError,
        "no connection to {target}: the name {host!r} was not resolved in time; do the name "
        "servers answer, and is a VPN missing?",
    ),
    Rule(UnicodeError, ConnectionFailedError, _NO_SUCH_NAME % "not a host name"),
    Rule(OSError, ConnectionFailedError, _NO_SUCH_NAME % "{why}"),
)
CONNECT: Table = (
    Rule(
        _TIMEOUTS,
        RequestTimeoutError,
        "no connection to {target} in time; is the host up, and does a firewall or a missing VPN "
        "drop packets?",
    ),
    Rule(
        ConnectionRefusedError,
        ConnectionFailedError,
        "cannot connect to {target}: {why}; nothing listens there: is the cluster running, and is "
        "this the right context and port?",
    ),
    Rule(
        OSError,
        ConnectionFailedError,
        "cannot connect to {target}: {why}; check the address, your network and VPN",
    ),
)
HANDSHAKE: Table = (
    Rule(_TIMEOUTS, RequestTimeoutError, "the TLS handshake with {target} did not end in time"),
    Rule(ssl.SSLError, ConnectionFailedError, _HUNG_UP, when=is_end_of_stream),
    Rule((ssl.SSLError, ValueError), TLSError, "no TLS connection to {target}: {explanation}"),
    Rule(OSError, ConnectionFailedError, _HUNG_UP),
)
TUNNEL: Table = (
    Rule(_TIMEOUTS, RequestTimeoutError, "{target} did not answer CONNECT {authority} in time"),
    Rule(
        OSError,
        ConnectionFailedError,
        "{target} closed the connection when asked for {authority}; does it allow CONNECT to port "
        "{port}?",
    ),
)
EXCHANGE: Table = (
    # In TLS 1.3 the client is done with the handshake before the server has looked at its
    # certificate, so that a missing, expired or unknown one shows only with the first read.
    Rule(ssl.SSLError, TLSError, "no TLS connection to {server}: {explanation}", when=is_alert),
    Rule(
        _TIMEOUTS,
        RequestTimeoutError,
        "{doing}: no whole answer from {server} in the time given",
        when=_is_ours,
    ),
    Rule(ssl.SSLError, ConnectionFailedError, "{doing}: the TLS connection broke ({reason})"),
    Rule(
        http.client.IncompleteRead,
        ConnectionFailedError,
        "{doing}: the connection was cut before the answer was whole",
        quotes=True,
    ),
    Rule(
        http.client.RemoteDisconnected,
        ConnectionFailedError,
        "{doing}: the API server closed the connection without an answer",
        quotes=True,
    ),
    Rule(OSError, ConnectionFailedError, "{doing}: the connection failed ({why})"),
    Rule(
        (http.client.HTTPException, ValueError),
        ProtocolError,
        "{doing}: the answer is not HTTP ({kind})",
        quotes=True,
    ),
)


class Boundary:
    """A context manager: an exception that leaves its block is translated."""

    def failure(self, error: Exception) -> Optional[TransportError]:
        """Our exception for ``error``; None if it is ours already, or no rule fits."""
        raise NotImplementedError

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if not isinstance(error, Exception):
            return
        failure = self.failure(error)
        if failure is None:
            return
        try:
            raise failure
        finally:
            failure.__context__ = None  # Python has just put the exception there that may quote


class translated(Boundary):
    """The boundary around one step: its table, and the words of its messages."""

    def __init__(self, table: Table, **words: Word) -> None:
        self._table = table
        self._words = words

    def failure(self, error: Exception) -> Optional[TransportError]:
        if isinstance(error, DevServersError):
            return None
        for rule in self._table:
            if isinstance(error, rule.foreign) and (rule.when is None or rule.when(error)):
                failure = rule.ours(rule.text.format(**self._words_for(rule.text, error)))
                failure.__cause__ = None if rule.quotes else error
                return failure
        return None

    def _words_for(self, text: str, error: Exception) -> dict[str, object]:
        words: dict[str, object] = {
            "why": getattr(error, "strerror", None) or str(error) or "end of file",
            "reason": getattr(error, "reason", None) or "end of file",
            "kind": type(error).__name__,
        }
        for name, word in self._words.items():
            if f"{{{name}" in text:
                words[name] = word(error) if callable(word) else word
        return words


class exchanging(Boundary):
    """The boundary around sending a request and reading its answer.

    ``doing`` begins the message; the rules of ``more`` come first.
    """

    def __init__(self, config: ClientConfig, doing: str, more: Table = ()) -> None:
        self._config = config
        self._doing = doing
        self._more = more

    def failure(self, error: Exception) -> Optional[TransportError]:
        config = self._config
        explanation = partial(_explain_refused_certificate, config)
        table = translated(
            self._more + EXCHANGE, doing=self._doing, server=config.server, explanation=explanation
        )
        return table.failure(error)


def _explain_refused_certificate(config: ClientConfig, error: Exception) -> str:
    certificate = config.credentials.identity().certificate
    return explain_handshake_failure(error, config.tls, certificate)


def translate(error: Exception, doing: str, config: ClientConfig, more: Table = ()) -> Exception:
    """What :func:`exchanging` would raise for ``error``: itself, if no rule fits."""
    return exchanging(config, doing, more).failure(error) or error


def guarded(config: ClientConfig, doing: str, call: Callable[[], T], more: Table = ()) -> T:
    """``call()`` within :func:`exchanging`, for loops in which each call counts."""
    try:
        return call()
    except Exception as error:
        failure = exchanging(config, doing, more).failure(error)
        if failure is None:
            raise
    raise failure  # out here, where the exception that may quote does not become its context
