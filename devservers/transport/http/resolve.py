"""Name resolution that ends with its deadline.

The system's resolver blocks for as long as it likes (half a minute where a name server is silent)
and nothing can wake it. So where there is a deadline or a cancellation, a name is looked up by a
thread that lives for that one lookup. This is the one exception to the rule that the package starts
no threads of its own, and a rare one: an address needs no lookup, as in a pod and with most
kubeconfigs; a kept-alive connection needs none either; and where no thread can be started, the
lookup is done in place. A thread that is given up ends when the resolver does, and holds no
resources.
"""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any, Callable, Optional

from ..deadline import Deadline

Lookup = Callable[[str, int], list[Any]]
Address = tuple[int, Any]
"""The address family, and what ``connect`` takes in it."""


def system_lookup(host: str, port: int) -> list[Any]:
    """``getaddrinfo`` for TCP."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def resolve(
    host: str, port: int, deadline: Deadline, lookup: Lookup = system_lookup
) -> list[Address]:
    """The addresses of a host, in the system's order of preference.

    Raises:
        OSError: it has none. UnicodeError: it is not a host name. TimeoutError: the time is up.
    """
    if _is_address(host) or (deadline.remaining() is None and deadline.cancellation is None):
        found = lookup(host, port)
    else:
        found = _Lookup(lookup, host, port).result(deadline)
    return [(int(family), address) for family, _, _, _, address in found]


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return "%" in host  # an IPv6 address with its zone


class _Lookup:
    """One lookup on a thread of its own."""

    def __init__(self, lookup: Lookup, host: str, port: int) -> None:
        self._lookup = lookup
        self._host = host
        self._port = port
        self._done = threading.Event()
        self._found: list[Any] = []
        self._error: Optional[Exception] = None

    def result(self, deadline: Deadline) -> list[Any]:
        """The addresses found; raises the error of the lookup, or TimeoutError."""
        if sys.is_finalizing():  # no thread runs any more, and waiting for one would hang
            self._run()
        else:
            self._run_in_thread()
        if not deadline.wait(self._done.wait):
            raise TimeoutError("timed out")
        if self._error is not None:
            raise self._error
        return self._found

    def _run_in_thread(self) -> None:
        try:
            threading.Thread(target=self._run, name="devservers-resolve", daemon=True).start()
        except RuntimeError:  # no more threads can be started here
            self._run()

    def _run(self) -> None:
        try:
            self._found = self._lookup(self._host, self._port)
        except Exception as error:
            self._error = error
        finally:
            self._done.set()
