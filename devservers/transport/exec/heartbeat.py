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
   lies, those of TLS in TLS included.) To know early what was read, a ping follows each
   :data:`PROOF_BYTES` of data, and one soon after the last of it.
   Buffers have an end: to those kubelets 9 and 12 MB went before a command that did not read. Once
   :data:`MOST_UNREAD` bytes have gone since what was read for certain, somebody takes them, and
   a pong is owed for the pings among them.
2. Anything that arrives is life, be it a part of a frame: a server that writes much may be late
   with its pong.
3. A peer that is not known to answer pings owes nothing. RFC 6455 wants pings answered, and API
   servers and kubelets do so (their WebSocket library answers when it reads; so do those of the
   gateways that end the stream and begin another). But what re-frames a stream may drop control
   frames, and nothing tells such a peer from a dead one: to call it lost would end every command
   there that is quiet for a minute. The first ping goes out soon, and whoever remembers an answer
   on an earlier stream says so (``answers``): the time in which a path can die unnoticed is short,
   and comes once.
4. A command of our own that takes its stdin without delay (the far end of a file transfer) is
   different: data that it leaves unread for minutes, while nothing moves in either direction, is a
   loss, whether pings were answered or not. Minutes, for what is on its way may fill large buffers
   before a slow link.
5. A server that has closed its socket, the command being done, answers whatever comes then with a
   reset, and drops what it has not sent yet: output and status. So a ping that more data does not
   follow waits for :data:`QUIET_SECONDS` in which nothing has come.
6. A minute in which we did not look (a callback that took its time, a stopped process) is none of
   silence. So pings are counted, not seconds: each is sent when it is due and we look.
"""

from __future__ import annotations

from collections import deque

from ..deadline import Clock

QUIET_SECONDS = 0.2
"""Silence before a ping. A command that ends sooner, or goes on writing, is not pinged at all."""
PING_SECONDS = 10.0
"""Load balancers cut streams that were idle for 60 to 350 seconds."""
PINGS_UNANSWERED = 6
"""Pings in a row after which, when the next is due, a peer that owes a pong is lost: 60 s."""
PINGS_WITHOUT_PROGRESS = 30
"""The same for one that ought to read and does not: 300 s."""
PROOF_BYTES = 1 << 20
"""Data between two pings that ask whether it was read."""
MOST_UNREAD = 64 << 20
"""More bytes than all buffers on the way to a command can hold."""
_REMEMBERED = 1000
"""Unanswered pings of which it is known what was sent before them: the latest."""


class Heartbeat:
    """The pings of one stream: in ``due_in`` seconds send :meth:`ping`, if the peer is not lost.

    When ``proof_due``, send :meth:`proof`. ``reads_on``: the command takes its stdin without delay.
    ``answers``: the peer is known to answer pings.
    """

    def __init__(self, clock: Clock, reads_on: bool = False, answers: bool = False) -> None:
        self.reads_on = reads_on
        self.answers = answers
        self._clock = clock
        self._due_at = clock.now() + QUIET_SECONDS
        self._pings = 0
        self._asked: deque[tuple[int, int]] = deque([(0, 0)], _REMEMBERED)  # ping, data before it
        self._data = 0  # bytes sent that the peer may leave unread
        self._read = 0  # bytes of them that it has read for certain
        self._owed = False  # a pong, since some ping before which all had been read
        self._unanswered = 0
        self._without_progress = 0

    @property
    def due_in(self) -> float:
        """Seconds until the next ping is to be sent, or the peer to be given up."""
        return max(0.0, self._due_at - self._clock.now())

    @property
    def is_lost(self) -> bool:
        """Whether the peer, asked often enough, has owed a pong for too long."""
        if self.reads_on and self._without_progress >= PINGS_WITHOUT_PROGRESS:
            return True
        return self.answers and self._owed and self._unanswered >= PINGS_UNANSWERED

    @property
    def proof_due(self) -> bool:
        """Whether much data has followed the last ping."""
        return self._data - self._asked[-1][1] >= PROOF_BYTES

    def ping(self, queued: int = 0) -> bytes:
        """The payload of the next ping; ``queued`` bytes before it have not been sent yet."""
        self._due_at = self._clock.now() + PING_SECONDS
        unread = self._data - self._read
        self._owed = self._owed or unread == 0 or unread - queued > MOST_UNREAD
        self._unanswered += self._owed
        self._without_progress += 1
        return self.proof()

    def proof(self) -> bytes:
        """The payload of a ping whose pong proves that the data so far was read."""
        self._pings += 1
        self._asked.append((self._pings, self._data))
        return b"%d" % self._pings

    def sent_data(self, size: int) -> None:
        """So many bytes were sent that the peer may leave unread."""
        self._data += size

    def sent_all(self) -> None:
        """No more data will follow."""
        self._due_at = min(self._due_at, self._clock.now() + QUIET_SECONDS)

    def sent(self) -> None:
        """Data of ours has gone on its way."""
        self._without_progress = 0

    def heard(self) -> None:
        """Bytes have arrived."""
        self._due_at = max(self._due_at, self._clock.now() + QUIET_SECONDS)
        self._without_progress = 0
        self._owed = False
        self._unanswered = 0

    def pong(self, payload: bytes) -> None:
        """A pong has arrived, with what its ping carried."""
        self.heard()
        number = int(payload) if payload.isdigit() else 0
        if not 0 < number <= self._pings:
            return  # sent without being asked
        self.answers = True
        while self._asked[0][0] < number:
            self._asked.popleft()
        if self._asked[0][0] == number:
            self._read = self._asked[0][1]
