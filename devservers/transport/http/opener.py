"""HTTP/1.1 over urllib: an opener with our own handler, kept-alive connections, no redirects, http and https only.

Theory of operation. ``urllib.request`` opens a connection per request, follows redirects with the Authorization header,
opens ``file:`` and ``ftp:`` URLs and consults proxies on its own. So the opener here is put together by hand and knows
exactly one handler, for ``http`` and ``https``, which takes a connection from the pool, sends, and hands out an
:class:`Answer`. Whatever the status, the answer comes back; the REST layer judges it. Exceptions of ``http.client``,
``ssl`` and ``socket`` do not leave this module: see :func:`guarded`.
"""

from __future__ import annotations

import http.client
import urllib.request
from typing import TYPE_CHECKING, Callable, Optional, cast

from ...errors import ConnectionFailedError, TransportError
from ..auth.credentials import Identity
from ..config.clientconfig import ClientConfig
from ..deadline import Deadline
from ..tls.explain import is_alert
from .pool import Connection, Pool
from .translate import guarded

if TYPE_CHECKING:
    from ..config.proxies import Proxy

READ_SIZE = 65536

Headers = list[tuple[str, str]]


class Request(urllib.request.Request):
    """A request whose headers are a list (Impersonate-Group repeats) and whose time is bounded.

    ``identity``: who sends it. ``doing`` says in messages what it is for. ``idle``: seconds of silence borne in its
    body. ``fresh``: use no connection that was used before. ``sending`` is called when its first byte is about to go
    out.
    """

    def __init__(
        self, url: str, method: str, headers: Headers, body: Optional[bytes], deadline: Deadline, *,
        identity: Identity, doing: str = "", idle: Optional[float] = None, fresh: bool = False,
        sending: Optional[Callable[[], None]] = None,
    ) -> None:  # fmt: skip
        super().__init__(url, data=body, method=method)
        self.header_list = headers
        self.deadline = deadline
        self.identity = identity
        self.idle = idle
        self.fresh = fresh
        self.sending = sending
        self._doing = doing or f"{self.get_method()} {self.selector.partition('?')[0]}"

    def __str__(self) -> str:
        return self._doing


class Answer:
    """A status, headers and a body that is read as it comes; holds its connection until read to the end or closed."""

    def __init__(self, pool: Pool, connection: Connection, response: http.client.HTTPResponse, doing: str) -> None:
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
        """The next bytes that arrive, ``b""`` at the proper end. A body cut short is an error, never an end."""
        if self._connection is None:
            return b""
        try:
            data = guarded(self._pool.config, self._doing, self._read1)
        except BaseException:
            self.close()
            raise
        if not data or self._response.isclosed() or self._response.length == 0:
            self._release()
        return data

    def _read1(self) -> bytes:
        data = self._response.read1(READ_SIZE)
        if not data and self._response.length:  # http.client lets a short body pass as an end
            raise http.client.IncompleteRead(b"", self._response.length)
        return data

    def extend(self, deadline: Deadline, idle: float) -> None:
        """Read the rest of the body under another deadline: a stream's life is longer than its request's."""
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
        assert isinstance(request, Request)
        connection = (None if request.fresh else self._pool.take(request.identity)) or self._connected(request)
        try:
            connection.timed.bind(request.deadline, request.idle)
            response = guarded(self._config, str(request), lambda: _exchange(request, connection))
            return Answer(self._pool, connection, response, str(request))
        except ConnectionFailedError as error:
            error.on_kept_alive = connection.reused
            connection.close()
            raise
        except BaseException:
            connection.close()
            raise

    https_open = http_open

    def _connected(self, request: Request) -> Connection:
        try:
            return Connection(self._config, request.host, request.identity, request.deadline)
        except TransportError as error:
            error.nothing_sent = True
            raise


def _exchange(request: Request, connection: Connection) -> http.client.HTTPResponse:
    """The request out, the head of the answer in."""
    target, headers = _request_line(request, connection.proxy)
    connection.putrequest(request.get_method(), target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    body = cast(Optional[bytes], request.data)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.timed.sending = request.sending
    try:
        connection.endheaders(body)
    except (BrokenPipeError, ConnectionResetError):
        return _early_answer(connection)
    return connection.getresponse()


def _early_answer(connection: Connection) -> http.client.HTTPResponse:
    """A server may answer and close before it has read a whole body (413, say); without an answer, the error stands."""
    try:
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        if is_alert(error):
            raise  # TLS 1.3: the server does not accept our certificate, and says so only now
    raise ConnectionResetError("the connection was reset while the request was sent")


def _request_line(request: Request, proxy: Optional[Proxy]) -> tuple[str, Headers]:
    """Origin form, or absolute form to an http proxy before an http server (RFC 9112, section 3.2)."""
    headers = [("Host", request.host), *request.header_list]
    if proxy is None:
        return request.selector, headers
    return request.full_url, [*headers, *proxy.headers()]


def build_opener(config: ClientConfig, pool: Pool) -> urllib.request.OpenerDirector:
    """An opener that speaks http and https, reuses connections, and does nothing else."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = []
    opener.add_handler(KeepAliveHandler(config, pool))
    opener.add_handler(urllib.request.UnknownHandler())
    return opener
