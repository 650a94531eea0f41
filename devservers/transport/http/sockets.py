"""Sockets that lead to the API server: waiting until one is ready, and noticing a dead path.

Theory of operation. When packets vanish on the way and no TCP answers any more, a connection does
not end by itself for hours. What can be done depends on what is under way:

1. Nothing is, and we wait to read (a watch, an answer that takes its time): the kernel sends
   keepalive probes, and ends a connection that leaves :data:`PROBES` of them unanswered, within
   half a minute in all.
2. We have sent something that is not acknowledged: the kernel sends no probes then, but repeats
   what was sent for a quarter of an hour. :func:`unanswered` asks it (``TCP_INFO``, Linux) how long
   ago the peer last gave a sign of life.
3. The peer does not read, so that its window is closed: it is alive, and answers the kernel's
   window probes.

``TCP_USER_TIMEOUT`` is left alone, though it is made for the second case: Linux counts answered
window probes towards it, so that it would end the third, and where it is set it is put in place of
the number of probes in the first.
"""

from __future__ import annotations

import errno
import select
import socket
import ssl
import sys
from typing import Optional

from .stream import Stream

PROBE_AFTER = 10
"""Seconds of silence before the first keepalive probe…"""
PROBE_INTERVAL = 5
"""… between two of them…"""
PROBES = 3
"""… and how many may be unanswered before the kernel ends the connection: 25 s in all."""
UNANSWERED_SECONDS = 25.0
"""Seconds without a sign of life after which a request is given up: it can be sent again."""

_IDLE_OPTION = getattr(socket, "TCP_KEEPIDLE", None)
if _IDLE_OPTION is None and sys.platform == "darwin":
    _IDLE_OPTION = getattr(socket, "TCP_KEEPALIVE", 0x10)
_PROBE_OPTIONS = (
    (_IDLE_OPTION, PROBE_AFTER),
    (getattr(socket, "TCP_KEEPINTVL", None), PROBE_INTERVAL),
    (getattr(socket, "TCP_KEEPCNT", None), PROBES),
)


def tune(sock: socket.socket) -> None:
    """No delay for small writes, and keepalive probes that notice a dead path in time."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _PROBE_OPTIONS:
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def wait_ready(
    sock: Stream, seconds: Optional[float], *, read: bool = True, write: bool = False
) -> bool:
    """Wait until the socket can be read or written; False when the time is up. None: no limit."""
    if not hasattr(select, "poll"):
        readers, writers = [sock] if read else [], [sock] if write else []
        return any(select.select(readers, writers, [], seconds))
    events = 0
    if read:
        events |= select.POLLIN
    if write:
        events |= select.POLLOUT
    poller = select.poll()
    poller.register(sock, events)
    if seconds is None:
        return bool(poller.poll())
    return bool(poller.poll(max(0, int(seconds * 1000 + 0.999))))  # rounded up: no busy loop


def has_its_socket(sock: Stream) -> bool:
    """Whether the TLS session still knows the socket that it writes to. Nothing is read or sent."""
    outer = getattr(sock, "outer", sock)  # of TLS within TLS
    if not isinstance(outer, ssl.SSLSocket):
        return True
    try:
        outer.recv(0)
    except ssl.SSLError:
        return False
    return True


# struct tcp_info of <linux/tcp.h>: counters of one byte, then numbers of four.
_RETRANSMITS, _PROBES_OUT = 2, 3
_LAST_ACK_RECEIVED = slice(56, 60)
_TCP_INFO_BYTES = 60


def unanswered(sock: Stream, seconds: float) -> bool:
    """Whether the peer has not answered repeated packets or probes for that many seconds.

    Always False where the system does not say (all but Linux), and for a peer that merely does not
    read.
    """
    if sys.platform != "linux":
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:
        return False  # no TCP, or closed
    if len(info) < _TCP_INFO_BYTES or (info[_RETRANSMITS] < 2 and info[_PROBES_OUT] < PROBES):
        return False
    return int.from_bytes(info[_LAST_ACK_RECEIVED], sys.byteorder) >= seconds * 1000


def dead_path() -> OSError:
    """The error for a peer that is :func:`unanswered`."""
    return OSError(errno.ETIMEDOUT, "the host no longer answers: is the network or the VPN down?")
