"""What a client has learned about its server and the containers there, so as not to ask each time.

What is remembered is a hint: servers are upgraded and containers replaced. Code that relies on a
hint must cope with its being wrong, and corrects it by :meth:`Memory.learn` or
:meth:`Memory.forget`.
"""

from __future__ import annotations

from collections.abc import Hashable

LIMIT = 1000
"""Facts kept; the oldest go first."""


class Memory:
    """A bounded set of facts, for many threads.

    There is no lock: each step is one operation of a dict, and a fork cannot leave it locked.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._facts: dict[Hashable, None] = {}

    def knows(self, fact: Hashable) -> bool:
        return fact in self._facts

    def learn(self, fact: Hashable) -> None:
        self._facts[fact] = None
        for oldest in list(self._facts)[: -self._limit]:
            self._facts.pop(oldest, None)

    def forget(self, fact: Hashable) -> None:
        self._facts.pop(fact, None)
