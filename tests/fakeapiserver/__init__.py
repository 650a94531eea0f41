"""A Kubernetes API server for tests: real HTTP(S) and WebSocket on a loopback port, verified against recordings."""

from __future__ import annotations

from .server import FakeAPIServer

__all__ = ["FakeAPIServer"]
