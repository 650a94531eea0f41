"""attach: the streams of a container's own process, which in the fake is nobody that listens.

What is written into the container's log while a client is attached, it sees on stdout; what it types goes nowhere.
The session ends with the pod.
"""

from __future__ import annotations

import threading
from typing import Callable, Optional

from .logs import ContainerLog
from .process import Sink


class Attached:
    """One client's attachment to a container, which sees the log from a position on."""

    def __init__(
        self, log: ContainerLog, position: int, stdout: Optional[Sink], on_exit: Callable[[int], None]
    ) -> None:
        self._log = log
        self._stdout = stdout
        self._on_exit = on_exit
        self._left = threading.Event()
        self._follow = log.follow(log.lines, position, self._left.is_set)
        threading.Thread(target=self._run, name="fake-attach", daemon=True).start()

    def _run(self) -> None:
        for line in self._follow:
            if self._stdout is not None:
                self._stdout(line.text + b"\n")
        if not self._left.is_set():
            self._on_exit(0)

    def write(self, data: bytes, /) -> None:
        """Nobody reads it."""

    def close_stdin(self) -> None:
        """Nobody read it."""

    def resize(self, width: int, height: int, /) -> None:
        """There is no terminal."""

    def leave(self) -> None:
        self._left.set()
        self._log.wake()
