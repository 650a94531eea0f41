"""The one place that opens connections to the API server: name, TCP, perhaps a proxy, perhaps TLS.

Every step honors the deadline and its cancellation: the socket does not block while the connection
is being opened, and each wait is one that :meth:`Deadline.wait` can end. So ``stop()`` of a watch
takes effect during a connect to a host that drops packets, a handshake with a silent peer, and a
lookup that a name server leaves unanswered (see :mod:`.resolve`).

Every failure leaves here as one of this package's exceptions (:mod:`.translate`), with the socket
closed. Messages name the host, the proxy setting or the certificate entry at fault, and never hold
credentials.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Callable, Optional, TypeVar

from ...errors import ConnectionFailedError, ProtocolError, RequestTimeoutError, TransportError
from ...parts import needed_by
from ...version import __version__
from ..auth.credentials import Identity
from ..config.clientconfig import ClientConfig
from ..config.serverurl import certificate_name, host_and_port
from ..deadline import Deadline
from ..lazymodule import LazyModule
from ..tls.context import make_proxy_context
from ..tls.explain import explain_handshake_failure
from .resolve import Address, resolve
from .sockets import tune, wait_ready
from .stream import Stream
from .translate import CONNECT, HANDSHAKE, LOOKUP, TUNNEL, translated

if TYPE_CHECKING:
    from ..config.proxies import Proxy
    from ..tls import tunnel as tls_tunnel
else:
    tls_tunnel = LazyModule("..tls.tunnel", __package__)

CONNECT_TIMEOUT = 30.0
"""Seconds for one address, for CONNECT and for a handshake, where the caller gave no deadline."""
_MAX_CONNECT_REPLY = 16 * 1024

T = TypeVar("T")


def connect(
    config: ClientConfig,
    deadline: Deadline,
    identity: Optional[Identity] = None,
    *,
    tunnel: bool = False,
) -> Stream:
    """A connection to the API server, ready for the first byte of HTTP.

    For an https server the TLS handshake is done and verified. Through a proxy, https is tunneled
    by ``CONNECT``; plain http only if ``tunnel`` (an upgrade would not survive the proxy), else the
    connection leads to the proxy and requests must be in absolute form. ``identity`` is whose
    client certificate is shown; default: ours as of now. The timeout of the stream is what was left
    of the deadline; callers set their own.

    Raises:
        TransportError: ConnectionFailedError, TLSError, ProtocolError or RequestTimeoutError; its
            ``nothing_sent`` is True.
        KubeConfigError: the credentials or certificates cannot be used.
    """
    proxy = config.proxy()
    secure = config.scheme == "https"
    host, port, target = config.host, config.port, config.server
    if proxy is not None:
        host, port, target = proxy.host, proxy.port, f"the proxy {proxy}"
    stream: Optional[Stream] = None
    try:
        stream = sock = _open(host, port, target, deadline)
        if proxy is not None and proxy.scheme == "https":
            stream = sock = _proxy_tls(sock, config, proxy, deadline)
        if proxy is not None and (secure or tunnel):
            _request_tunnel(sock, config, proxy, deadline)
        if secure:
            identity = identity or config.credentials.identity(deadline)
            stream = _server_tls(sock, config, identity, deadline)
        stream.settimeout(_time_left(deadline, target))
    except BaseException as error:
        if stream is not None:
            stream.close()
        if isinstance(error, TransportError):
            error.nothing_sent = True  # of any request: nobody has got this stream yet
        raise
    return stream


def _open(host: str, port: int, target: str, deadline: Deadline) -> socket.socket:
    """Try each address of ``host``; each one gets no more than its share of the time."""
    with translated(LOOKUP, target=target, host=host):
        addresses = resolve(host, port, deadline)
    problem = OSError("no address")
    for index, address in enumerate(addresses):
        left = _time_left(deadline, target)
        share = CONNECT_TIMEOUT if left is None else left / (len(addresses) - index)
        try:
            return _dial(address, deadline.sooner(share))
        except OSError as error:
            problem = error
    with translated(CONNECT, target=target):
        raise problem


def _dial(address: Address, deadline: Deadline) -> socket.socket:
    """A connected socket that does not block."""
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        problem = sock.connect_ex(where)
        if problem in (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR):
            _await_ready(sock, deadline, write=True)
            problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise OSError(problem, os.strerror(problem))
        tune(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _time_left(deadline: Deadline, target: str) -> Optional[float]:
    if deadline.expired:
        within = "" if deadline.seconds is None else f" within {deadline.seconds:g} s"
        raise RequestTimeoutError(f"no connection to {target}{within}")
    return deadline.remaining()


def _step_deadline(deadline: Deadline, target: str) -> Deadline:
    """The time for one step: what is left, or a limit of our own."""
    if _time_left(deadline, target) is None:
        return deadline.sooner(CONNECT_TIMEOUT)
    return deadline


def _patiently(
    stream: Stream, deadline: Deadline, step: Callable[[], T], *, write: bool = False
) -> T:
    """Repeat ``step()`` of a stream that does not block until it need not wait.

    ``write``: a plain socket that is not ready waits to be written.

    Raises:
        socket.timeout: the time is up.
    """
    while True:
        try:
            return step()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            wants_write = isinstance(error, ssl.SSLWantWriteError)
        except BlockingIOError:
            wants_write = write
        _await_ready(stream, deadline, write=wants_write)


def _await_ready(stream: Stream, deadline: Deadline, *, write: bool) -> None:
    if not deadline.wait(partial(wait_ready, stream, read=not write, write=write)):
        raise socket.timeout("timed out")


def _proxy_tls(
    sock: socket.socket, config: ClientConfig, proxy: Proxy, deadline: Deadline
) -> ssl.SSLSocket:
    target = f"the proxy {proxy}"
    deadline = _step_deadline(deadline, target)
    context = make_proxy_context(config.tls)

    def explanation(error: Exception) -> str:
        return explain_handshake_failure(error, config.tls, None)

    with translated(HANDSHAKE, target=target, explanation=explanation):
        return _handshake(sock, context, certificate_name(proxy.host), deadline)


def _server_tls(
    sock: socket.socket, config: ClientConfig, identity: Identity, deadline: Deadline
) -> Stream:
    context = config.ssl_context(identity)
    name = certificate_name(config.tls.server_name or config.host)
    deadline = _step_deadline(deadline, config.server)

    def explanation(error: Exception) -> str:
        return explain_handshake_failure(error, config.tls, identity.certificate)

    with translated(HANDSHAKE, target=config.server, explanation=explanation):
        if not isinstance(sock, ssl.SSLSocket):
            return _handshake(sock, context, name, deadline)
        with needed_by("TLS through a proxy that is itself reached by TLS"):
            inner = tls_tunnel.TunnelledTLS(sock, context, name)
        _patiently(inner, deadline, inner.do_handshake)
        return inner


def _handshake(
    sock: socket.socket, context: ssl.SSLContext, name: str, deadline: Deadline
) -> ssl.SSLSocket:
    """A TLS session that owns the socket from here on."""
    secure = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    try:
        _patiently(secure, deadline, secure.do_handshake)
    except BaseException:
        secure.close()
        raise
    return secure


def _request_tunnel(
    sock: socket.socket, config: ClientConfig, proxy: Proxy, deadline: Deadline
) -> None:
    """Ask the proxy for a connection to the API server (RFC 9110, section 9.3.6)."""
    authority = host_and_port(config.host, config.port)
    target = f"the proxy {proxy}"
    lines = [
        f"CONNECT {authority} HTTP/1.1",
        f"Host: {authority}",
        f"User-Agent: devservers/{__version__}",
        *(f"{name}: {value}" for name, value in proxy.headers()),
    ]
    deadline = _step_deadline(deadline, target)
    with translated(TUNNEL, target=target, authority=authority, port=config.port):
        _send(sock, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), deadline)
        head = _read_head(sock, deadline, target)
    _check_connect_reply(head, authority, target)


def _send(sock: socket.socket, data: bytes, deadline: Deadline) -> None:
    while data:
        sent = _patiently(sock, deadline, partial(sock.send, data), write=True)
        data = data[sent:]


def _read_head(sock: socket.socket, deadline: Deadline, target: str) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = _patiently(sock, deadline, partial(sock.recv, 4096))
        if not data:
            raise ConnectionResetError("end of file")
        head += data
        if len(head) > _MAX_CONNECT_REPLY:
            raise ProtocolError(
                f"{target} answered CONNECT with more than {_MAX_CONNECT_REPLY} bytes of header"
            )
    return head


_UNREACHED = (
    "it could not reach the API server: check the server's address, or exempt the host in NO_PROXY"
)
_CONNECT_ADVICE = {
    401: "it wants credentials: put user and password into the proxy's URL",
    403: "it does not allow this target: ask for a rule, or exempt the host in NO_PROXY if it can "
    "be reached directly",
    404: "it does not seem to be a forward proxy: check the address",
    405: "it does not allow CONNECT: check the address and port of the proxy",
    407: "it wants credentials: put user and password (percent-encoded) into the proxy's URL, or "
    "renew them",
    502: _UNREACHED,
    503: _UNREACHED,
    504: "the API server did not answer it: check the server's address, or exempt the host in "
    "NO_PROXY",
}


def _check_connect_reply(head: bytes, authority: str, target: str) -> None:
    match = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    if match is None:
        raise ProtocolError(
            f"{target} did not answer CONNECT {authority} with HTTP; is it an HTTP proxy?"
        )
    status = int(match.group(1))
    if not 200 <= status < 300:
        advice = _CONNECT_ADVICE.get(status, "check the proxy's address and its log")
        refusal = ConnectionFailedError(
            f"{target} refused CONNECT {authority} with status {status}: {advice}"
        )
        # The others would be refused again, and wrong passwords sent repeatedly lock accounts.
        refusal.may_pass = status >= 500
        raise refusal
    if not head.endswith(b"\r\n\r\n"):
        raise ProtocolError(f"{target} sent data ahead of the API server's; is it an HTTP proxy?")
