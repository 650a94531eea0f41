"""Faults: what networks, proxies and overloaded servers do, on demand.

Each is a context manager that names what goes wrong and says for whom: verb, resource and which call::

    with server.fault.reset_after_execution("create", "devservers"):
        ...

``verb`` is the API's (``get``, ``list``, ``watch``, ``create``, …), ``resource`` a plural (``pods/exec`` for a
subresource), ``*`` any. ``nth`` picks one of the matching calls (1 is the first); without it every one suffers, or as
many as ``times`` says. Leaving the block ends the fault and lets go of whatever it holds back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Optional

from ..serving.http import Reply, Request
from . import faultyanswers
from .execfaults import ExecFault
from .faultyanswers import Proceed, Suffer


@dataclass
class Fault:
    """A fault in force; ``suffered`` counts the calls it has struck."""

    verb: str
    resource: str
    nth: Optional[int]
    times: Optional[int]
    suffer: Suffer
    session: Optional[ExecFault] = None
    """What an exec session suffers in place of ``suffer``."""
    largest_file: Optional[int] = None
    """How many bytes a command can write to one file, where it is this that is wrong."""
    calls: int = 0
    suffered: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    struck: threading.Event = field(default_factory=threading.Event)
    """Set when the first call suffers: for a test to wait on."""

    @property
    def of_requests(self) -> bool:
        """Is it the answer to a request that it spoils, and not what an exec session does?"""
        return self.session is None and self.largest_file is None

    def strikes(self, request: Request) -> bool:
        """Count a call that matches; is it one that suffers?"""
        info = request.info
        target = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
        if self.verb not in ("*", info.verb) or self.resource not in ("*", target):
            return False
        self.calls += 1
        due = self.calls == self.nth if self.nth is not None else True
        if not due or (self.times is not None and self.suffered >= self.times):
            return False
        self.suffered += 1
        self.struck.set()
        return True


Scope = AbstractContextManager[Fault]


class Faults:
    """The faults in force, and one method for each that there is."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    # for the server

    def around(self, request: Request, proceed: Proceed) -> Reply:
        """Answer a request, with the first fault that strikes it in the way."""
        if not self._faults:
            return proceed()
        with self._lock:
            fault = next((f for f in self._faults if f.of_requests and f.strikes(request)), None)
        return proceed() if fault is None else fault.suffer(request, proceed, fault.over)

    def exec_fault(self, request: Request) -> Optional[ExecFault]:
        """The fault that this exec session is to suffer, if any. An upgrade that is refused is none."""
        with self._lock:
            fault = next((f for f in self._faults if f.session is not None and f.strikes(request)), None)
        return None if fault is None else fault.session

    def largest_file(self, request: Request) -> Optional[int]:
        """How many bytes the command of this exec session can write to one file; None: as many as it likes."""
        with self._lock:
            fault = next((f for f in self._faults if f.largest_file is not None and f.strikes(request)), None)
        return None if fault is None else fault.largest_file

    def release(self) -> None:
        """Let go of whatever faults hold back: the server is stopping."""
        with self._lock:
            for fault in self._faults:
                fault.over.set()

    @contextmanager
    def _in_force(self, fault: Fault) -> Iterator[Fault]:
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            fault.over.set()
            with self._lock:
                self._faults.remove(fault)

    def inject(self, suffer: Suffer, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """A fault of one's own: ``suffer(request, proceed, over)`` makes the reply."""
        return self._in_force(Fault(verb, resource, which.get("nth"), which.get("times"), suffer))

    # connections

    def reset_before_execution(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """The connection is reset; the server did nothing."""
        return self.inject(faultyanswers.reset_before, verb, resource, **which)

    def reset_after_execution(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """The request was executed; the connection is reset before the answer."""
        return self.inject(faultyanswers.reset_after, verb, resource, **which)

    def half_response(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """The connection ends in the middle of the answer's body."""
        return self.inject(faultyanswers.half, verb, resource, **which)

    def stall(self, verb: str = "*", resource: str = "*", executed: bool = False, **which: Optional[int]) -> Scope:
        """The request is taken (and executed, if so told), and nothing ever comes back."""
        return self.inject(faultyanswers.stalled_after if executed else faultyanswers.stalled, verb, resource, **which)

    def slow_drip(self, verb: str = "*", resource: str = "*", pause: float = 0.05, **which: Optional[int]) -> Scope:
        """The answer comes byte by byte, with ``pause`` seconds between."""
        return self.inject(faultyanswers.dripping(pause), verb, resource, **which)

    # answers

    def unauthorized_once(self, verb: str = "*", resource: str = "*") -> Scope:
        """401 for the first call, as when a token has just expired."""
        return self.inject(faultyanswers.unauthorized, verb, resource, times=1)

    def forbidden(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """403 with the authorizer's sentence."""
        return self.inject(faultyanswers.forbidden, verb, resource, **which)

    def too_many_requests(
        self, verb: str = "*", resource: str = "*", seconds: int = 1, **which: Optional[int]
    ) -> Scope:
        """429: a Status, with Retry-After."""
        return self.inject(faultyanswers.too_many(seconds), verb, resource, **which)

    def too_many_requests_text(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """429 as an overloaded API server sends it: plain text, ``Retry-After: 1``."""
        return self.inject(faultyanswers.too_many_text, verb, resource, **which)

    def server_error(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """500 InternalError."""
        return self.inject(faultyanswers.server_error, verb, resource, **which)

    def bad_gateway_html(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """502 with a proxy's HTML page."""
        return self.inject(faultyanswers.bad_gateway, verb, resource, **which)

    def page_not_found(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """404 as plain text and no Status: an API server that has started and does not know its CRDs yet."""
        return self.inject(faultyanswers.not_served, verb, resource, **which)

    def not_found_html(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """404 with a page of HTML: an ingress that has lost its backend."""
        return self.inject(faultyanswers.not_found_page, verb, resource, **which)

    def no_field_validation(self, verb: str = "*", resource: str = "*", **which: Optional[int]) -> Scope:
        """``fieldValidation`` is ignored and unknown fields are dropped in silence: a server before 1.25."""
        return self.inject(faultyanswers.unvalidated, verb, resource, **which)

    def service_unavailable(
        self, verb: str = "*", resource: str = "*", seconds: int = 1, **which: Optional[int]
    ) -> Scope:
        """503 with Retry-After."""
        return self.inject(faultyanswers.unavailable(seconds), verb, resource, **which)

    def redirect(
        self, verb: str = "*", resource: str = "*", to: str = "http://elsewhere.invalid/", **which: Optional[int]
    ) -> Scope:
        """302 to another place."""
        return self.inject(faultyanswers.redirect(to), verb, resource, **which)

    # watches

    def empty_watches(self, resource: str = "*", **which: Optional[int]) -> Scope:
        """Watches end at once, properly, without an event."""
        return self.inject(faultyanswers.empty_watch, "watch", resource, **which)

    def watch_cut_mid_line(self, resource: str = "*", after: int = 0, **which: Optional[int]) -> Scope:
        """The connection ends in the middle of the event that follows ``after`` whole ones."""
        return self.inject(faultyanswers.cut_mid_line(after), "watch", resource, **which)

    def watch_cut_in_character(self, resource: str = "*", **which: Optional[int]) -> Scope:
        """The connection ends within the first UTF-8 character of several bytes."""
        return self.inject(faultyanswers.cut_in_character, "watch", resource, **which)

    def unservable_version(self, resource: str = "*", **which: Optional[int]) -> Scope:
        """200 and an ERROR event 500 for each watch from one version, that of the first watch that is struck.

        So answers an API server without a watch cache when what etcd held before a change has been
        compacted.
        """
        return self.inject(faultyanswers.unservable_version(), "watch", resource, **which)

    def half_open_watch(self, resource: str = "*", after: int = 0, **which: Optional[int]) -> Scope:
        """After ``after`` events nothing comes any more, and the connection stays open."""
        return self.inject(faultyanswers.half_open(after), "watch", resource, **which)

    # exec sessions; what they do is in :mod:`~tests.fakeapiserver.faults.execfaults`

    def _exec(self, name: str, which: dict[str, Optional[int]], **amounts: int) -> Scope:
        nothing: Suffer = lambda request, proceed, over: proceed()  # noqa: E731
        session = ExecFault(name, **amounts)
        return self._in_force(Fault("*", "pods/exec", which.get("nth"), which.get("times"), nothing, session))

    def kubelet_lost(self, output: int = 0, stdin: int = 0, **which: Optional[int]) -> Scope:
        """The kubelet is killed in mid-command, when it has passed on that many bytes of output and of stdin.

        v5: the output so far, then Success and a proper close, as API servers say since 1.30. v4: the stream ends.
        """
        return self._exec("kubelet_lost", which, output=output, stdin=stdin)

    def disk_full(self, room: int = 64 * 1024, **which: Optional[int]) -> Scope:
        """Commands can write no more than ``room`` bytes to any file, as if the disk were full then."""
        nothing: Suffer = lambda request, proceed, over: proceed()  # noqa: E731
        fault = Fault("*", "pods/exec", which.get("nth"), which.get("times"), nothing)
        fault.largest_file = room
        return self._in_force(fault)

    def exec_closed_without_status(self, **which: Optional[int]) -> Scope:
        """All output comes, then a proper close, and no status."""
        return self._exec("close_without_status", which)

    def exec_reset_before_status(self, **which: Optional[int]) -> Scope:
        return self._exec("reset_before_status", which)

    def exec_reset_after_status(self, **which: Optional[int]) -> Scope:
        return self._exec("reset_after_status", which)

    def exec_stalls_at_the_end(self, **which: Optional[int]) -> Scope:
        """The process has ended, and neither a status nor a close says so."""
        return self._exec("stall_at_the_end", which)

    def exec_split_frames(self, **which: Optional[int]) -> Scope:
        """Messages come in fragments."""
        return self._exec("split_frames", which)

    def exec_unknown_channels(self, **which: Optional[int]) -> Scope:
        """Messages on a channel that the protocol does not have come in between."""
        return self._exec("unknown_channels", which)

    def exec_subprotocol_refused(self, **which: Optional[int]) -> Scope:
        """The server speaks none of the protocols offered: 403."""
        return self._exec("subprotocol_refused", which)

    def exec_no_subprotocol_echoed(self, **which: Optional[int]) -> Scope:
        """101 without the header that names the protocol."""
        return self._exec("no_subprotocol_echoed", which)
