"""The steps of a wait: short lines for ``on_event``, and at INFO for the ``devservers`` logger.

A warning loads ``logging`` if nobody has: the standard library then writes it to stderr.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ...transport.told import INFO, LOGGER, listener
from ..model.liveobject import LiveObject


class Progress:
    """Reports the steps of a wait for one object."""

    def __init__(self, live: LiveObject, on_event: Optional[Callable[[str], object]]) -> None:
        self._live = live
        self._on_event = on_event
        self._reported: dict[str, str] = {}

    def report(self, line: str) -> None:
        """One step."""
        logger = listener(INFO)
        if logger is not None:
            logger.info("%s: %s", self._live, line)
        if self._on_event is not None:
            self._on_event(line)

    def report_change(self, subject: str, line: str) -> None:
        """``line``, unless it is empty or the last one that was reported about ``subject``."""
        if line and self._reported.get(subject) != line:
            self._reported[subject] = line
            self.report(line)


def warn(line: str) -> None:
    """Log at WARNING: something needs attention, but nothing has failed."""
    import logging

    logging.getLogger(LOGGER).warning("%s", line)
