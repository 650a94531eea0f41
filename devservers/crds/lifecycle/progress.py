"""Telling what goes on: short lines for ``on_event`` and the ``devservers`` logger (see
:mod:`..transport.told`).

A warning loads ``logging``, for the standard library then writes it to stderr.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ...transport.told import INFO, LOGGER, listener
from ..model.liveobject import LiveObject


class Teller:
    """Tells the steps of a wait for one object, for ``on_event`` and at INFO."""

    def __init__(self, live: LiveObject, on_event: Optional[Callable[[str], object]]) -> None:
        self._live = live
        self._on_event = on_event
        self._told: dict[str, str] = {}

    def tell(self, line: str) -> None:
        """One step."""
        logger = listener(INFO)
        if logger is not None:
            logger.info("%s: %s", self._live, line)
        if self._on_event is not None:
            self._on_event(line)

    def tell_news(self, about: str, line: str) -> None:
        """``line``, unless it is empty or what was told about this last."""
        if line and self._told.get(about) != line:
            self._told[about] = line
            self.tell(line)


def warn(line: str) -> None:
    """Something that needs attention but fails nothing, at WARNING."""
    import logging

    logging.getLogger(LOGGER).warning("%s", line)
