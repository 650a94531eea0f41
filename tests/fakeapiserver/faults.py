"""Faults: named, scoped, matched on verb, resource and the nth call."""

from __future__ import annotations

import threading
from typing import Optional

from .http import Request


class Faults:
    """The faults in force."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def release(self) -> None:
        """Let go of whatever a fault holds back."""

    def exec_fault(self, request: Request) -> Optional[str]:
        """The name of the fault that this exec session is to suffer, if any (each call counts as a session)."""
        return None
