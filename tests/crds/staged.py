"""A fake API server with a prompter: something can be made to happen just before or after a request is handled.

So "the operator writes the status while the update is under way" is a fact of the test, and not a matter of luck.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, NamedTuple, Optional

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.http import Reply, Request, Upgrade

Act = Callable[[Request], Optional[Reply]]


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

    def before(self, method: str, part: str, act: Callable[[], object]) -> None:
        """Run ``act`` before the next request of that method whose target holds ``part`` is handled."""
        self._before.append(_Cue(method, part, lambda request: void(act())))

    def after(self, method: str, part: str, act: Callable[[], object]) -> None:
        """Run ``act`` after it was handled, before it is answered."""
        self._after.append(_Cue(method, part, lambda request: void(act())))

    def lose_request(self, method: str, part: str = "") -> None:
        """Close the connection instead of handling it."""
        self._before.append(_Cue(method, part, lambda request: Upgrade(lambda connection: None)))

    def lose_answer(self, method: str, part: str = "") -> None:
        """Handle it, and close the connection instead of answering."""
        self._after.append(_Cue(method, part, lambda request: Upgrade(lambda connection: None)))

    def _handle(self, request: Request) -> Reply:
        instead = self._prompt(self._before, request)
        if instead is not None:
            return instead
        reply = super()._handle(request)
        return self._prompt(self._after, request) or reply

    def _prompt(self, cues: list[_Cue], request: Request) -> Optional[Reply]:
        with self._cues:
            cue = next((cue for cue in cues if cue.meets(request)), None)
            if cue is None:
                return None
            cues.remove(cue)
        return cue.act(request)


def void(value: object) -> None:
    """For callbacks whose result is of no interest."""
