"""Patches bound to the uid that their object had when it was read, so that they refuse a namesake.

The API server treats ``metadata.uid`` as immutable: it refuses a merge patch or an apply that
carries another one (422, or 409 where there is no object), and a failing ``test`` refuses a whole
JSON patch. The message of the latter is that of any JSON patch that cannot be applied, and a stale
resourceVersion is reported first, so only reading the object again shows what the refusal was
about. Pure.
"""

from __future__ import annotations

from typing import Any, Optional, Union

from ...errors import APIError, ConflictError

Patch = Union[dict[str, Any], list[Any]]

UID_PATH = "/metadata/uid"


def bind(patch: Patch, uid: Optional[str]) -> Patch:
    """A copy of the patch that is bound to ``uid``.

    ``patch`` itself is returned if there is no uid, or if it says something about the uid. A
    mapping is a merge patch or a configuration to apply, a list is a JSON patch.
    """
    if uid is None:
        return patch
    if isinstance(patch, list):
        return _bound_json_patch(patch, uid)
    return _bound_mapping(patch, uid)


def _bound_mapping(patch: dict[str, Any], uid: str) -> dict[str, Any]:
    metadata = patch.get("metadata", {})
    if not isinstance(metadata, dict):  # the server refuses it, with its own message
        return patch
    if "uid" in metadata:
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
