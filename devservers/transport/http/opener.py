"""HTTP/1.1 over urllib: an opener with one handler of our own, on kept-alive connections.

Theory of operation. ``urllib.request`` on its own opens a connection per request, follows redirects
with the Authorization header, opens ``file:`` and ``ftp:`` URLs and reads the proxy variables. So
the opener here is put together by hand and knows exactly one handler, for ``http`` and ``https``,
which takes a connection from the pool, sends, and hands out an :class:`Answer`. Whatever the
status, the answer comes back; the REST layer judges it. Exceptions of ``http.client``, ``ssl`` and
``socket`` do not leave this module (:mod:`.translate`).
"""

from __future__ import annotations

import http.client
import urllib.request
from typing import Callable, Optional

from ...errors import ConnectionFailedError
from ..auth.credentials import Identity
from ..config.clientconfig import ClientConfig
from ..deadline import Deadline
from ..tls.explain import is_alert
from .pool import Connection, Pool
from .translate import exchanging

READ_SIZE = 65536

Headers = list[tuple[str, str]]


class Request(urllib.request.Request):
    """A request whose headers are a list (Impersonate-Group repeats) and whose time is bounded.

    It may be sent several times; who sends it is set each time.

    Attributes:
        doing: says in messages what it is for.
        sending: called each time its first byte is about to go out.
        identity, header_list: who sends it now.
        fresh: whether it must not go over a connection that was used before.
    """

    identity: Identity
    header_list: Headers
    fresh: bool = False

    def __init__(
        self,
        method: str,
        url: str,
        body: Optional[bytes],
        deadline: Deadline,
        *,
        doing: str = "",
        sending: Optional[Callable[[], None]] = None,
    ) -> None:
        super().__init__(url, method=method)
        self.body = body
        self.deadline = deadline
        self.doing = doing or f"{method} {self.selector.partition('?')[0]}"
        self.sending = sending


class Answer:
    """A status, headers and a body that is read as it comes.

    It holds its connection until it is read to the end, or closed.
    """

    def __init__(
        self, pool: Pool, connection: Connection, response: http.client.HTTPResponse, doing: str
    ) -> None:
        self.status = response.status
        self.headers = response.headers
        self._pool = pool
        self._connection: Optional[Connection] = connection
        self._response = response
        self._doing = doing

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(iter(self.read_some, b""))

    def read_some(self) -> bytes:
        """The next bytes that arrive, ``b""`` at the end. A body cut short is an error."""
        if self._connection is None:
            return b""
        try:
            with exchanging(self._pool.config, self._doing):
                data = self._response.read1(READ_SIZE)
                if not data and self._response.length:  # http.client takes that for an end
                    raise http.client.IncompleteRead(b"", self._response.length)
        except BaseException:
            self.close()
            raise
        if not data or self._response.isclosed() or self._response.length == 0:
            self._release()
        return data

    def extend(self, deadline: Deadline, idle: float) -> None:
        """Read the rest under another deadline: a stream lives longer than its request."""
        if self._connection is not None:
            self._connection.timed.bind(deadline, idle)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._response.close()
        if connection is not None:
            connection.close()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        self._response.close()  # http.client takes no further request before
        if connection is None:
            return
        if self._response.will_close:
            connection.close()
        else:
            self._pool.put(connection)


class KeepAliveHandler(urllib.request.BaseHandler):
    """The opener's only handler: http and https over the pool."""

    def __init__(self, config: ClientConfig, pool: Pool) -> None:
        self._config = config
        self._pool = pool

    def http_open(self, request: urllib.request.Request) -> Answer:
        """Send the request and read the head of its answer."""
        assert isinstance(request, Request)
        connection = None if request.fresh else self._pool.take(request.identity)
        if connection is None:
            connection = Connection(
                self._config, self._pool.clock, request.identity, request.deadline
            )
        try:
            connection.timed.bind(request.deadline, None)
            with exchanging(self._config, request.doing):
                _put_head(request, connection)
                connection.timed.sending = request.sending
                try:
                    connection.endheaders(request.body)
                except (BrokenPipeError, ConnectionResetError):
                    response = _early_answer(connection)
                else:
                    response = connection.getresponse()
        except BaseException as error:
            connection.close()
            if isinstance(error, ConnectionFailedError):
                error.on_kept_alive = connection.reused
            raise
        return Answer(self._pool, connection, response, request.doing)

    https_open = http_open


def _put_head(request: Request, connection: Connection) -> None:
    """Give request line and headers to ``http.client``, which sends them with the body.

    The target is in origin form, or in absolute form to an http proxy before an http server
    (RFC 9112, section 3.2).
    """
    target = request.selector
    headers = request.header_list
    if connection.proxy is not None:
        target = request.full_url
        headers = [*headers, *connection.proxy.headers()]
    connection.putrequest(request.get_method(), target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", request.host)
    for name, value in headers:
        connection.putheader(name, value)
    if request.body is not None:
        connection.putheader("Content-Length", str(len(request.body)))


def _early_answer(connection: Connection) -> http.client.HTTPResponse:
    """The answer of a server that closed before it had read the whole body (a 413, say).

    Without an answer, the reset stands.
    """
    try:
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        if is_alert(error):
            raise  # TLS 1.3: the server does not accept our certificate, and says so only now
    raise ConnectionResetError("the connection was reset while the request was sent")


def build_opener(config: ClientConfig, pool: Pool) -> urllib.request.OpenerDirector:
    """An opener that speaks http and https, reuses connections, and does nothing else."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = []
    opener.add_handler(KeepAliveHandler(config, pool))
    opener.add_handler(urllib.request.UnknownHandler())
    return opener
