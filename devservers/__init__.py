"""Python SDK for the ``devserver.io`` Kubernetes custom resources."""

from __future__ import annotations

__version__ = "0.1.0"
