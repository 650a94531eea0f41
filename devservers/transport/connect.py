"""The one place that opens connections to the API server: TCP, perhaps a proxy, perhaps TLS, all within a deadline.

Every failure leaves here as one of this package's exceptions and with the socket closed. Messages name the host, the
proxy setting or the certificate entry at fault, never credentials.
"""

from __future__ import annotations

import re
import socket
import ssl
from typing import NoReturn, Optional, Union, cast

from .. import __version__
from ..errors import ConnectionFailedError, ProtocolError, RequestTimeoutError, TLSError
from .config import ClientConfig
from .deadline import Deadline
from .proxies import Proxy
from .serverurl import certificate_name
from .tls import make_proxy_context
from .tlserrors import explain_handshake_failure, is_end_of_stream
from .tlsintls import TunnelledTLS

CONNECT_TIMEOUT = 30.0  # seconds for one address, where the caller gave no deadline
KEEPALIVE_SECONDS = 30  # Go's interval, below what load balancers and NAT bear
UNACKNOWLEDGED_SECONDS = 120  # after which data that nobody acknowledged ends a connection
_MAX_CONNECT_REPLY = 16 * 1024

Stream = Union[socket.socket, ssl.SSLSocket, TunnelledTLS]


def connect(config: ClientConfig, deadline: Deadline, *, tunnel: bool = False) -> socket.socket:
    """A connected socket to the API server, ready for the first byte of HTTP.

    For an https server the TLS handshake is done and verified. Through a proxy, https is tunnelled by ``CONNECT``; for
    plain http only if ``tunnel`` (an upgrade would not survive the proxy), else the socket leads to the proxy and
    requests must be in absolute form. The socket's timeout is what was left of the deadline; callers set their own.

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
            stream = _server_tls(stream, config, deadline)
        stream.settimeout(_time_left(deadline, target))
    except BaseException:
        stream.close()
        raise
    return cast(socket.socket, stream)


def _open(host: str, port: int, target: str, deadline: Deadline) -> socket.socket:
    """Try each address of ``host``; one that does not answer gets no more than its share of the time."""
    addresses = _resolve(host, port, target)
    problem = OSError("no address")
    for index, (family, address) in enumerate(addresses):
        left = _time_left(deadline, target)
        share = CONNECT_TIMEOUT if left is None else left / (len(addresses) - index)
        try:
            return _dial(family, address, share)
        except OSError as error:
            problem = error
    if isinstance(problem, (socket.timeout, TimeoutError)):
        raise RequestTimeoutError(
            f"no connection to {target} in time; is the host up, and does a firewall or a missing VPN drop packets?"
        ) from problem
    raise ConnectionFailedError(
        f"cannot connect to {target}: {problem.strerror or problem}; {_advice(problem)}"
    ) from problem


def _dial(family: int, address: tuple[object, ...], seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(address)
        _tune(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _advice(problem: OSError) -> str:
    if isinstance(problem, ConnectionRefusedError):
        return "nothing listens there: is the cluster running, and is this the right context and port?"
    return "check the address, your network and VPN"


def _resolve(host: str, port: int, target: str) -> list[tuple[int, tuple[object, ...]]]:
    """The addresses of a name. The system's resolver has time limits of its own and knows no deadline."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(int(family), address) for family, _, _, _, address in found]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a host name"
        raise ConnectionFailedError(
            f"cannot connect to {target}: the name {host!r} does not resolve ({reason}); "
            "check the spelling, DNS and VPN, or set proxy-url if the cluster is behind a proxy"
        ) from error


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):  # by default the first probe goes out after two hours
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEPALIVE_SECONDS)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # sent and not acknowledged: keepalive does not count there (RFC 5482)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)


def _time_left(deadline: Deadline, target: str) -> Optional[float]:
    if deadline.expired:
        raise RequestTimeoutError(f"no connection to {target} within {deadline.seconds:g} s")
    return deadline.remaining()


def _step(stream: Stream, deadline: Deadline, target: str) -> None:
    """Bound the next blocking call."""
    left = _time_left(deadline, target)
    stream.settimeout(CONNECT_TIMEOUT if left is None else left)


def _proxy_tls(sock: socket.socket, config: ClientConfig, proxy: Proxy, deadline: Deadline) -> ssl.SSLSocket:
    _step(sock, deadline, f"the proxy {proxy}")
    context = make_proxy_context(config.tls)
    try:
        return context.wrap_socket(sock, server_hostname=certificate_name(proxy.host))
    except (OSError, ValueError) as error:
        _fail(error, f"the proxy {proxy}", explain_handshake_failure(error, config.tls, None))


def _server_tls(stream: Stream, config: ClientConfig, deadline: Deadline) -> Stream:
    context = config.ssl_context(deadline)
    certificate = config.credentials.client_certificate(deadline)
    name = certificate_name(config.tls.server_name or config.host)
    _step(stream, deadline, config.server)
    try:
        if isinstance(stream, (ssl.SSLSocket, TunnelledTLS)):
            inner = TunnelledTLS(cast(socket.socket, stream), context, name)
            inner.do_handshake()
            return inner
        return context.wrap_socket(stream, server_hostname=name)
    except (OSError, ValueError) as error:
        _fail(error, config.server, explain_handshake_failure(error, config.tls, certificate))


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
        _step(stream, deadline, target)
        stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        head = _read_head(stream, deadline, target)
    except socket.timeout as error:
        raise RequestTimeoutError(f"{target} did not answer CONNECT {authority} in time") from error
    except OSError as error:
        raise ConnectionFailedError(
            f"{target} closed the connection when asked for {authority}; does it allow CONNECT to port {config.port}?"
        ) from error
    _check_connect_reply(head, authority, target)


def _read_head(stream: Stream, deadline: Deadline, target: str) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        _step(stream, deadline, target)
        data = stream.recv(4096)
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
