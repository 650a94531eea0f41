"""Paths in messages. On its own because every kubeconfig needs it, and at once."""

from __future__ import annotations


def shown(path: str) -> str:
    """A path as it can be printed: names of files are bytes, and need not be text in any encoding."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")
