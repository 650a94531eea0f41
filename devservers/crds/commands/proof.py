"""The proof that a command ended: a mark at the end of each of its output streams.

On protocol v5 the API server's word "Success" proves nothing: it says so as well when the kubelet
was killed in mid-command and the output is cut. So a wrapper in the container, which outlives the
command, ends stdout and stderr with a mark each once the command has ended with exit code 0. This
module takes it out again. Pure: bytes in, bytes out.

Rules:

1. No byte of the mark reaches the caller; every other byte does, in order, what comes after the
   mark included: a child in the background may still write.
2. Nothing is held back but bytes that may be the beginning of the mark, so never more than its
   length. The mark begins with a character that text does not contain: a prompt is passed on at
   once.
3. The mark is never a word of the command line, where ``ps`` would show it: the wrapper puts it
   together.
"""

from __future__ import annotations

LEAD = "\x17"
"""ETB, "end of transmission block"."""


def mark_of(identity: str) -> bytes:
    """What the wrapper of the command with this identity writes at the end of each stream."""
    return f"{LEAD}{identity}{identity}\n".encode()


class MarkedStream:
    """Takes the first mark out of a stream that comes in pieces, cut anywhere.

    ``ended`` says whether it was there.
    """

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._held = b""
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """The output that is certain after this piece."""
        if self.ended:
            return data
        data = self._held + data
        at = data.find(self._mark)
        if at >= 0:
            self.ended, self._held = True, b""
            return data[:at] + data[at + len(self._mark) :]
        keep = self._possible_beginning(data)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def flush(self) -> bytes:
        """At the end of the stream: what was held back, and turned out to be output."""
        held, self._held = self._held, b""
        return held

    def _possible_beginning(self, data: bytes) -> int:
        """How many bytes at the end of ``data`` may be the beginning of the mark."""
        start = max(0, len(data) - len(self._mark) + 1)
        while True:
            start = data.find(self._mark[:1], start)
            if start < 0:
                return 0
            if self._mark.startswith(data[start:]):
                return len(data) - start
            start += 1
