"""Whether a stream that says nothing is alive: pings, and what their pongs prove.

Pure: the session sends, and tells what has come.

A path can be dead and look alive: something on the way (a proxy, a gateway, a tunnel) goes on
acknowledging our packets though nothing gets through it, so that neither TCP nor its probes notice.
Only the far end can tell, by a pong. But many a silence is none:

1. A server reads its stream in order. While a command does not read its stdin, the data for it
   fills the buffers on the way, and a ping behind that data is not seen, let alone answered, for as
   long as the command likes (``sleep 7200; wc -c``). That our kernel got rid of the data proves
   nothing, for it may lie in the peer's: kubelets 1.20 and 1.36, spoken to in v4, answered none of
   ten pings while 300 kB lay unread, and all ten when they were read. So a pong is owed only for a
   ping before which everything has been read, as the pong to a ping after the last data proves;
   data that follows it later does not change that. (It does not matter then in whose buffers a ping
   lies, those of TLS in TLS included.)
2. Anything that arrives is life, be it a part of a frame: a server that writes much may be late
   with its pong.
3. A peer that has never answered a ping on this stream owes nothing. RFC 6455 wants pings answered,
   and API servers and kubelets do so (their WebSocket library answers when it reads; so do those of
   the gateways that end the stream and begin another). But what re-frames a stream may drop control
   frames, and nothing tells such a peer from a dead one: to call it lost would end every command
   there that is quiet for a minute. The first ping goes out soon after the start, so that the time
   in which a path can die unnoticed is short.
4. A command of our own that takes its stdin without delay (the far end of a file transfer) is
   different: data that it leaves unread for minutes, while nothing moves in either direction, is a
   loss. Minutes, for what is on its way may fill large buffers before a slow link.
5. A minute in which we did not look (a callback that took its time, a stopped process) is none of
   silence. So pings are counted, not seconds: each is sent when it is due and we look.
"""

from __future__ import annotations

from ..deadline import Clock

FIRST_PING_SECONDS = 1.0
"""A command that ends sooner is not pinged at all."""
PING_SECONDS = 10.0
"""Load balancers cut streams that were idle for 60 to 350 seconds."""
PINGS_UNANSWERED = 6
"""Pings in a row after which, when the next is due, a peer that owes a pong is lost: 60 s."""
PINGS_WITHOUT_PROGRESS = 30
"""The same for one that ought to read and does not: 300 s."""


class Heartbeat:
    """The pings of one stream: when ``due``, send :meth:`ping`, unless the peer ``is_lost``.

    ``reads_on``: the command takes its stdin without delay.
    """

    def __init__(self, clock: Clock, reads_on: bool = False) -> None:
        self.reads_on = reads_on
        self._clock = clock
        self._due_at = clock.now() + FIRST_PING_SECONDS
        self._sent = 0
        self._first_after_data = 1  # from this ping on, a pong proves that all data was read
        self._all_read = True
        self._answers = False  # the peer has answered a ping before
        self._owed = False  # a pong, since some ping before which all had been read
        self._unanswered = 0
        self._without_progress = 0

    @property
    def due(self) -> bool:
        """Whether the next ping is to be sent, or the peer to be given up."""
        return self._clock.now() >= self._due_at

    @property
    def is_lost(self) -> bool:
        """Whether the peer, asked often enough, has owed a pong for too long."""
        if not self._answers:
            return False
        if self.reads_on and self._without_progress >= PINGS_WITHOUT_PROGRESS:
            return True
        return self._owed and self._unanswered >= PINGS_UNANSWERED

    def ping(self) -> bytes:
        """The payload of the next ping."""
        self._due_at = self._clock.now() + PING_SECONDS
        self._sent += 1
        self._owed = self._owed or self._all_read
        self._unanswered += self._owed
        self._without_progress += 1
        return b"%d" % self._sent

    def sent_data(self) -> None:
        """Something was sent that the peer may leave unread."""
        self._all_read = False
        self._first_after_data = self._sent + 1

    def sent(self) -> None:
        """Data of ours has gone on its way."""
        self._without_progress = 0

    def heard(self) -> None:
        """Bytes have arrived."""
        self._without_progress = 0
        self._owed = False
        self._unanswered = 0

    def pong(self, payload: bytes) -> None:
        """A pong has arrived, with what its ping carried."""
        self.heard()
        if not payload.isdigit() or not 0 < int(payload) <= self._sent:
            return  # sent without being asked
        self._answers = True
        self._all_read = self._all_read or int(payload) >= self._first_after_data
