"""What all parts of one server share, and what each of them is handed: state, rights, faults, threads, a directory.

Parts are installed on it: they add handlers of subresources, and hooks for the server's start and stop.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

from .access.auth import Rules, Tokens
from .core.api import API
from .core.store import ObjectStore
from .core.watch import Watches
from .faults.faults import Faults
from .serving.http import Reply, Request
from .vocabulary.objects import Object

SubresourceHandler = Callable[[Request, str, str], Reply]


class Backbone:
    """One server without its listener."""

    def __init__(self, exec_protocols: tuple[str, ...], history: int) -> None:
        self.exec_protocols = exec_protocols
        self.stopping = threading.Event()
        self.store = ObjectStore(history)
        self.watches = Watches(self.store, self.stopping)
        self.api = API(self.store, self.watches)
        self.tokens = Tokens()
        self.rules = Rules()
        self.fault = self.faults = Faults(self.stopping)
        self.subresource_handlers: dict[tuple[str, str], SubresourceHandler] = {}
        self.on_start: list[Callable[[], None]] = []
        self.on_stop: list[Callable[[], None]] = []
        self._threads: list[threading.Thread] = []
        self._tempdir: Optional[Path] = None

    def spawn(self, target: Callable[[], None], name: str) -> threading.Thread:
        """Run a function on a thread that :meth:`stop` waits for; it must end when ``stopping`` is set."""
        thread = threading.Thread(target=target, name=f"fake-{name}", daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()]
        self._threads.append(thread)
        thread.start()
        return thread

    @property
    def tempdir(self) -> Path:
        """The server's own directory, removed by :meth:`stop`."""
        if self._tempdir is None:
            self._tempdir = Path(tempfile.mkdtemp(prefix="fakeapiserver-"))
        return self._tempdir

    def watch_objects(self, resource: str, namespace: str = "") -> Iterator[tuple[str, Object]]:
        """What is there as ADDED, then every change, until the server stops: ``(type, object)``."""
        return self.watches.objects(self.store.type(resource), namespace)

    def wind_down(self) -> None:
        """Tell all that runs to end, and wake what waits."""
        self.stopping.set()
        self.watches.wake()
        self.faults.release()
        for hook in self.on_stop:
            hook()

    def clear_away(self) -> None:
        """Wait until all has ended, and remove the directory."""
        for thread in self._threads:
            thread.join()
        if self._tempdir is not None:
            shutil.rmtree(self._tempdir, ignore_errors=True)
            self._tempdir = None
