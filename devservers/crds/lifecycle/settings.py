"""What a ``with`` statement goes by: the object, what its DevServer was told, and its earlier
``with`` statements.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Optional, Protocol, Union

from ..model.liveobject import LiveObject
from .obligation import Obligation
from .progress import Teller


class Settings(Protocol):
    """Those attributes of a DevServer; they may be changed at any time, and count when they are
    needed.
    """

    wait_timeout: Optional[float]
    sync_workspace: Mapping[Any, Union[str, os.PathLike[str]]]
    delete_on_exit: str
    if_exists: str
    deletion_timeout: float
    fail_fast: bool
    on_event: Optional[Callable[[str], object]]


class History:
    """What the ``with`` statements of one DevServer have left."""

    def __init__(self) -> None:
        self.obligations: tuple[Obligation, ...] = ()
        """Of the statements that are under way, the innermost last."""
        self.sent_metadata: Optional[dict[str, Any]] = None
        """Of the create before."""
        self.generated_name = ""
        """By the API server, for the statement before."""

    def owed(self) -> tuple[Obligation, ...]:
        """What is still to be deleted, or visited."""
        return tuple(each for each in self.obligations if each.is_open)

    def owe(self, obligation: Obligation) -> None:
        self.obligations = (*self.owed(), obligation)

    def managed(self, live: LiveObject, settings: Settings) -> Managed:
        return Managed(live, settings, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> History:
        twin = History()  # a copy has created nothing
        twin.sent_metadata, twin.generated_name = self.sent_metadata, self.generated_name
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "obligations": ()}


class Managed(NamedTuple):
    """A DevServer in a ``with`` statement."""

    live: LiveObject
    settings: Settings
    history: History

    def teller(self) -> Teller:
        return Teller(self.live, self.settings.on_event)
