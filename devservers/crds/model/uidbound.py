"""Patches that are for one object alone: bound to the uid it had when it was read, so that they refuse
a namesake.

The API server treats ``metadata.uid`` as immutable: a merge patch or an apply that carries another
one is refused (422, or 409 where there is no object), and a ``test`` that fails refuses a whole
JSON patch. The latter is told in the same words as any other JSON patch that cannot be applied, and
a stale resourceVersion is told first: what it was about can only be learnt by reading the object
again.
"""

from __future__ import annotations

from typing import Any, Optional, Union

from ...errors import APIError, ConflictError

Patch = Union[dict[str, Any], list[Any]]

UID_PATH = "/metadata/uid"


def bind(patch: Patch, uid: Optional[str]) -> Patch:
    """The patch bound to ``uid``; the very same object if there is none, or if it says something of
    the uid itself.

    A mapping is a merge patch or a configuration to apply, a list is a JSON patch.
    """
    if uid is None:
        return patch
    return _bound_json_patch(patch, uid) if isinstance(patch, list) else _bound_mapping(patch, uid)


def _bound_mapping(patch: dict[str, Any], uid: str) -> dict[str, Any]:
    metadata = patch.get("metadata", {})
    if (
        not isinstance(metadata, dict) or "uid" in metadata
    ):  # metadata that is none is for the server to refuse
        return patch
    return {**patch, "metadata": {**metadata, "uid": uid}}


def _bound_json_patch(patch: list[Any], uid: str) -> list[Any]:
    if any(isinstance(step, dict) and step.get("path") == UID_PATH for step in patch):
        return patch
    return [{"op": "test", "path": UID_PATH, "value": uid}, *patch]


def is_about_uid(error: APIError) -> bool:
    """Whether a refusal says that the object of that name is not the one that was read."""
    if isinstance(error, ConflictError):
        return error.is_about_uid
    return any(cause.get("field") == "metadata.uid" for cause in error.causes)
