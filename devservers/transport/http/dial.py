"""The one place that opens connections to the API server: a name, TCP, perhaps a proxy, perhaps TLS.

Every step honours the deadline and its cancellation: the socket does not block while the connection
is being opened, and each wait is one that :meth:`Deadline.wait` can end. So ``stop()`` of a watch
is felt in a connect to a host that drops packets, in a handshake with a silent peer, and in a
lookup that a name server leaves hanging (see :mod:`.resolve`).

Every failure leaves here as one of this package's exceptions and with the socket closed. Messages name the host, the
proxy setting or the certificate entry at fault, never credentials.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Callable, NoReturn, Optional, TypeVar, Union, cast

from ...errors import ConnectionFailedError, ProtocolError, RequestTimeoutError, TLSError
from ...parts import needed_by
from ...version import __version__
from ..auth.credentials import Identity
from ..config.clientconfig import ClientConfig
from ..config.serverurl import certificate_name
from ..deadline import Deadline
from ..tls.context import make_proxy_context
from ..tls.explain import explain_handshake_failure, is_end_of_stream
from .resolve import Address, resolve
from .sockets import tune, wait_ready

if TYPE_CHECKING:
    from ..config.proxies import Proxy
    from ..tls.tunnel import TunnelledTLS

CONNECT_TIMEOUT = 30.0
"""Seconds for one address, for CONNECT and for a handshake, where the caller gave no deadline."""
_MAX_CONNECT_REPLY = 16 * 1024

T = TypeVar("T")
Stream = Union[socket.socket, ssl.SSLSocket, "TunnelledTLS"]


def connect(
    config: ClientConfig, deadline: Deadline, identity: Optional[Identity] = None, *, tunnel: bool = False
) -> socket.socket:
    """A connected socket to the API server, ready for the first byte of HTTP.

    For an https server the TLS handshake is done and verified. Through a proxy, https is tunnelled by ``CONNECT``; for
    plain http only if ``tunnel`` (an upgrade would not survive the proxy), else the socket leads to the proxy and
    requests must be in absolute form. ``identity`` is whose client certificate is shown; default: ours as of now. The
    socket's timeout is what was left of the deadline; callers set their own.

    Raises: ConnectionFailedError, TLSError, ProtocolError, RequestTimeoutError, KubeConfigError.
    """
    proxy = config.proxy()
    secure = config.scheme == "https"
    host, port = (config.host, config.port) if proxy is None else (proxy.host, proxy.port)
    target = config.server if proxy is None else f"the proxy {proxy}"
    stream: Stream = _open(host, port, target, deadline)
    try:
        if proxy is not None and proxy.scheme == "https":
            stream = _proxy_tls(cast(socket.socket, stream), config, proxy, deadline)
        if proxy is not None and (secure or tunnel):
            _request_tunnel(stream, config, proxy, deadline)
        if secure:
            stream = _server_tls(stream, config, identity or config.credentials.identity(deadline), deadline)
        stream.settimeout(_time_left(deadline, target))
    except BaseException:
        stream.close()
        raise
    return cast(socket.socket, stream)


def _open(host: str, port: int, target: str, deadline: Deadline) -> socket.socket:
    """Try each address of ``host``; one that does not answer gets no more than its share of the time."""
    addresses = _addresses(host, port, target, deadline)
    problem = OSError("no address")
    for index, address in enumerate(addresses):
        left = _time_left(deadline, target)
        share = CONNECT_TIMEOUT if left is None else left / (len(addresses) - index)
        try:
            return _dial(address, deadline.sooner(share))
        except OSError as error:
            problem = error
    if isinstance(problem, (socket.timeout, TimeoutError)):
        raise RequestTimeoutError(
            f"no connection to {target} in time; is the host up, and does a firewall or a missing VPN drop packets?"
        ) from problem
    raise ConnectionFailedError(
        f"cannot connect to {target}: {problem.strerror or problem}; {_advice(problem)}"
    ) from problem


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


def _advice(problem: OSError) -> str:
    if isinstance(problem, ConnectionRefusedError):
        return "nothing listens there: is the cluster running, and is this the right context and port?"
    return "check the address, your network and VPN"


def _addresses(host: str, port: int, target: str, deadline: Deadline) -> list[Address]:
    try:
        return resolve(host, port, deadline)
    except TimeoutError as error:
        raise RequestTimeoutError(
            f"no connection to {target}: the name {host!r} was not resolved in time; do the name "
            "servers answer, and is a VPN missing?"
        ) from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a host name"
        raise ConnectionFailedError(
            f"cannot connect to {target}: the name {host!r} does not resolve ({reason}); "
            "check the spelling, DNS and VPN, or set proxy-url if the cluster is behind a proxy"
        ) from error


def _time_left(deadline: Deadline, target: str) -> Optional[float]:
    if deadline.expired:
        within = "" if deadline.seconds is None else f" within {deadline.seconds:g} s"
        raise RequestTimeoutError(f"no connection to {target}{within}")
    return deadline.remaining()


def _step_deadline(deadline: Deadline, target: str) -> Deadline:
    """The time for one step: what is left, or a limit of our own."""
    return deadline if _time_left(deadline, target) is not None else deadline.sooner(CONNECT_TIMEOUT)


def _patiently(stream: Stream, deadline: Deadline, step: Callable[[], T], *, write: bool = False) -> T:
    """``step()`` of a socket that does not block, again and again until it need not wait.

    ``write``: a plain socket that is not ready waits to be written. Raises socket.timeout when the
    time is up.
    """
    while True:
        try:
            return step()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            wants_write = isinstance(error, ssl.SSLWantWriteError)
        except BlockingIOError:
            wants_write = write
        _await_ready(cast(socket.socket, stream), deadline, write=wants_write)


def _await_ready(sock: socket.socket, deadline: Deadline, *, write: bool) -> None:
    if not deadline.wait(partial(wait_ready, sock, read=not write, write=write)):
        raise socket.timeout("timed out")


def _proxy_tls(sock: socket.socket, config: ClientConfig, proxy: Proxy, deadline: Deadline) -> ssl.SSLSocket:
    deadline = _step_deadline(deadline, f"the proxy {proxy}")
    context = make_proxy_context(config.tls)
    try:
        return _handshake(sock, context, certificate_name(proxy.host), deadline)
    except (OSError, ValueError) as error:
        _fail(error, f"the proxy {proxy}", explain_handshake_failure(error, config.tls, None))


def _handshake(sock: socket.socket, context: ssl.SSLContext, name: str, deadline: Deadline) -> ssl.SSLSocket:
    """A TLS session that owns the socket from here on."""
    secure = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    try:
        _patiently(secure, deadline, secure.do_handshake)
    except BaseException:
        secure.close()
        raise
    return secure


def _server_tls(stream: Stream, config: ClientConfig, identity: Identity, deadline: Deadline) -> Stream:
    context = config.ssl_context(identity)
    name = certificate_name(config.tls.server_name or config.host)
    deadline = _step_deadline(deadline, config.server)
    try:
        if isinstance(stream, ssl.SSLSocket):
            with needed_by("TLS through a proxy that is itself reached by TLS"):
                from ..tls.tunnel import TunnelledTLS

            inner = TunnelledTLS(stream, context, name)
            _patiently(inner, deadline, inner.do_handshake)
            return inner
        return _handshake(cast(socket.socket, stream), context, name, deadline)
    except (OSError, ValueError) as error:
        _fail(error, config.server, explain_handshake_failure(error, config.tls, identity.certificate))


def _fail(error: Exception, target: str, explanation: str) -> NoReturn:
    if isinstance(error, socket.timeout):
        raise RequestTimeoutError(f"the TLS handshake with {target} did not end in time") from error
    if isinstance(error, (ssl.SSLError, ValueError)) and not is_end_of_stream(error):
        raise TLSError(f"no TLS connection to {target}: {explanation}") from error
    reason = getattr(error, "strerror", None) or "end of file"
    raise ConnectionFailedError(
        f"{target} closed the connection during the TLS handshake ({reason}); "
        "is this a TLS port, and does something on the way (a proxy, a firewall) cut it?"
    ) from error


def _request_tunnel(stream: Stream, config: ClientConfig, proxy: Proxy, deadline: Deadline) -> None:
    authority = f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", f"User-Agent: devservers/{__version__}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers()]
    target = f"the proxy {proxy}"
    try:
        deadline = _step_deadline(deadline, target)
        _send(stream, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), deadline)
        head = _read_head(stream, deadline, target)
    except socket.timeout as error:
        raise RequestTimeoutError(f"{target} did not answer CONNECT {authority} in time") from error
    except OSError as error:
        raise ConnectionFailedError(
            f"{target} closed the connection when asked for {authority}; does it allow CONNECT to port {config.port}?"
        ) from error
    _check_connect_reply(head, authority, target)


def _send(stream: Stream, data: bytes, deadline: Deadline) -> None:
    while data:
        sent = _patiently(stream, deadline, partial(stream.send, data), write=True)
        data = data[sent:]


def _read_head(stream: Stream, deadline: Deadline, target: str) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = _patiently(stream, deadline, lambda: stream.recv(4096))
        if not data:
            raise ConnectionResetError("end of file")
        head += data
        if len(head) > _MAX_CONNECT_REPLY:
            raise ProtocolError(f"{target} answered CONNECT with more than {_MAX_CONNECT_REPLY} bytes of header")
    return head


_CONNECT_ADVICE = {
    401: "it wants credentials: put user and password into the proxy's URL",
    403: "it does not allow this target: ask for a rule, or exempt the host in NO_PROXY if it can be reached directly",
    404: "it does not seem to be a forward proxy: check the address",
    405: "it does not allow CONNECT: check the address and port of the proxy",
    407: "it wants credentials: put user and password (percent-encoded) into the proxy's URL, or renew them",
    502: "it could not reach the API server: check the server's address, or exempt the host in NO_PROXY",
    503: "it could not reach the API server: check the server's address, or exempt the host in NO_PROXY",
    504: "the API server did not answer it: check the server's address, or exempt the host in NO_PROXY",
}


def _check_connect_reply(head: bytes, authority: str, target: str) -> None:
    match = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    if match is None:
        raise ProtocolError(f"{target} did not answer CONNECT {authority} with HTTP; is it an HTTP proxy?")
    status = int(match.group(1))
    if not 200 <= status < 300:
        advice = _CONNECT_ADVICE.get(status, "check the proxy's address and its log")
        refusal = ConnectionFailedError(f"{target} refused CONNECT {authority} with status {status}: {advice}")
        refusal.may_pass = status >= 500  # the rest asked again would be refused again, and lock accounts
        raise refusal
    if not head.endswith(b"\r\n\r\n"):
        raise ProtocolError(f"{target} sent data ahead of the API server's; is it an HTTP proxy?")
