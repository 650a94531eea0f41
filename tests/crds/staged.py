"""A fake API server with a prompter: something can be made to happen just before or after a request is handled.

So "the operator writes the status while the update is under way" is a fact of the test, and not a matter of luck.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, NamedTuple

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.serving.http import Reply, Request

Act = Callable[[], object]


class _Cue(NamedTuple):
    method: str
    part: str
    act: Act

    def meets(self, request: Request) -> bool:
        return request.method == self.method and self.part in request.target


class StagedServer(FakeAPIServer):
    """A :class:`FakeAPIServer` with cues; each is for one request, the first it meets."""

    def __init__(self, **options: Any) -> None:
        self._before: list[_Cue] = []
        self._after: list[_Cue] = []
        self._cues = threading.Lock()
        super().__init__(**options)

    def before(self, method: str, part: str, act: Act) -> None:
        """Run ``act`` before the next request of that method whose target holds ``part`` is handled."""
        self._before.append(_Cue(method, part, act))

    def after(self, method: str, part: str, act: Act) -> None:
        """Run ``act`` after it was handled, before it is answered."""
        self._after.append(_Cue(method, part, act))

    def _handle(self, request: Request) -> Reply:
        self._prompt(self._before, request)
        reply = super()._handle(request)
        self._prompt(self._after, request)
        return reply

    def _prompt(self, cues: list[_Cue], request: Request) -> None:
        with self._cues:
            cue = next((cue for cue in cues if cue.meets(request)), None)
            if cue is None:
                return
            cues.remove(cue)
        cue.act()
