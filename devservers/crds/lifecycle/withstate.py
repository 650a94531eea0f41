"""What a ``with`` statement works with: the object, the settings of its DevServer, and its history.

A DevServer may be entered several times: again after it was left, or nested in itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Optional, Protocol, Union

from ..model.liveobject import LiveObject
from .obligation import Obligation
from .progress import Progress


class Settings(Protocol):
    """Attributes of a DevServer. They may be changed at any time, and are read when needed."""

    wait_timeout: Optional[float]
    sync_workspace: Mapping[Any, Union[str, os.PathLike[str]]]
    delete_on_exit: str
    if_exists: str
    deletion_timeout: float
    fail_fast: bool
    on_event: Optional[Callable[[str], object]]


class History:
    """What the ``with`` statements of one DevServer have left for those to come."""

    def __init__(self) -> None:
        self.obligations: tuple[Obligation, ...] = ()
        """One for each statement under way, the innermost last."""
        self.sent_metadata: Optional[dict[str, Any]] = None
        """The metadata of the last create."""
        self.generated_name = ""
        """The name that the API server generated for the last create."""

    def open_obligations(self) -> tuple[Obligation, ...]:
        return tuple(each for each in self.obligations if each.is_open)

    def add(self, obligation: Obligation) -> None:
        self.obligations = (*self.open_obligations(), obligation)

    def managed(self, live: LiveObject, settings: Settings) -> Managed:
        return Managed(live, settings, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> History:
        """A copy has created nothing itself."""
        twin = History()
        twin.sent_metadata, twin.generated_name = self.sent_metadata, self.generated_name
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "obligations": ()}


class Managed(NamedTuple):
    """A DevServer in a ``with`` statement."""

    live: LiveObject
    settings: Settings
    history: History

    def progress(self) -> Progress:
        return Progress(self.live, self.settings.on_event)
