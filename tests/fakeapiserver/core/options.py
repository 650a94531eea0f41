"""Options in the query (or, for deletions, in the body): parsed and validated with the API's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from ..forms.negotiate import JSON, load_body
from ..goish.gojson import TYPE_META, JSONError, cannot_unmarshal, load
from ..goish.gonumbers import parse_int, parse_uint
from ..serving.http import Request
from ..vocabulary.fielderrors import Cause, forbidden, invalid, not_supported, required, too_long
from ..vocabulary.status import APIFailure, bad_request, internal
from ..vocabulary.status import invalid as invalid_object

META = "meta.k8s.io"
POLICIES = ("Foreground", "Background", "Orphan")
DIRECTIVES = ("", "Ignore", "Strict", "Warn")
FIELD_MANAGER_LIMIT = 128


def refuse(kind: str, causes: list[Cause]) -> None:
    """Raise the 422 that bad options get."""
    if causes:
        raise invalid_object(META, kind, "", causes)


def boolean(text: Optional[str]) -> Optional[bool]:
    return None if text is None else text.lower() not in ("0", "false")


def integer(text: Optional[str]) -> Optional[int]:
    """An integer parameter; raises 400 with Go's words."""
    if text is None:
        return None
    try:
        return parse_int(text)
    except ValueError as error:
        raise bad_request(str(error)) from None


@dataclass(frozen=True)
class WriteOptions:
    """CreateOptions, UpdateOptions and PatchOptions."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Warn"
    force: Optional[bool] = None


def write_options(kind: str, request: Request, apply: bool = False) -> WriteOptions:
    """Read and validate the options of a write; raises 422."""
    manager, force = request.arg("fieldManager") or "", boolean(request.arg("force"))
    directive = request.arg("fieldValidation") or ""
    causes: list[Cause] = []
    if kind == "PatchOptions" and apply and not manager:
        causes.append(required("fieldManager", "is required for apply patch"))
    if kind == "PatchOptions" and not apply and force is not None:
        causes.append(forbidden("force", "may not be specified for non-apply patch"))
    causes.extend(_manager_causes(manager))
    causes.extend(_dry_run_causes(request.args("dryRun")))
    if directive not in DIRECTIVES:
        causes.append(not_supported("fieldValidation", directive, DIRECTIVES))
    refuse(kind, causes)
    return WriteOptions(bool(request.args("dryRun")), manager, directive or "Warn", force)


def _manager_causes(manager: str) -> list[Cause]:
    causes = []
    if len(manager.encode()) > FIELD_MANAGER_LIMIT:
        causes.append(too_long("fieldManager", FIELD_MANAGER_LIMIT))
    for at, letter in enumerate(manager):
        if not letter.isprintable():
            causes.append(invalid("fieldManager", manager, f"invalid character U+{ord(letter):04X} (at position {at})"))
    return causes


def _dry_run_causes(values: list[str]) -> list[Cause]:
    return [not_supported("dryRun", values, ["All"])] if set(values) - {"All"} else []


@dataclass(frozen=True)
class DeleteOptions:
    dry_run: bool = False
    policy: str = ""
    orphan: Optional[bool] = None
    grace: Optional[int] = None
    preconditions: dict[str, str] = field(default_factory=dict)


def delete_options(request: Request, media: str) -> DeleteOptions:
    """From the body if there is one, else from the query."""
    options = _delete_body(request.body, media) if request.body else _delete_query(request)
    causes: list[Cause] = []
    policy, orphan = options.get("propagationPolicy"), options.get("orphanDependents")
    if orphan is not None and policy is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(invalid("propagationPolicy", policy, why))
    if policy is not None and policy not in POLICIES:
        causes.append(not_supported("propagationPolicy", policy, (*POLICIES, "nil")))
    causes.extend(_dry_run_causes(options.get("dryRun") or []))
    refuse("DeleteOptions", causes)
    return DeleteOptions(
        bool(options.get("dryRun")),
        policy or "",
        orphan,
        options.get("gracePeriodSeconds"),
        {key: value for key, value in (options.get("preconditions") or {}).items() if value is not None},
    )


def _delete_query(request: Request) -> dict[str, Any]:
    preconditions = {key: request.arg(key) for key in PRECONDITIONS if request.arg(key)}
    return {
        "dryRun": request.args("dryRun"),
        "propagationPolicy": request.arg("propagationPolicy"),
        "orphanDependents": boolean(request.arg("orphanDependents")),
        "gracePeriodSeconds": integer(request.arg("gracePeriodSeconds")),
        "preconditions": preconditions,
    }


DELETE_FIELDS: dict[str, tuple[type, str]] = {
    "gracePeriodSeconds": (int, "int64"),
    "preconditions": (dict, "v1.Preconditions"),
    "orphanDependents": (bool, "bool"),
    "propagationPolicy": (str, "v1.DeletionPropagation"),
    "dryRun": (list, "[]string"),
}
PRECONDITIONS = {"uid": "types.UID", "resourceVersion": "string"}


def _delete_body(body: bytes, media: str) -> dict[str, Any]:
    """Errors in a body of options come as they are, without a status made of them: 500."""
    try:
        options = load(body) if media == JSON else load_body(body, media)
    except JSONError as error:
        raise internal(f"couldn't get version/kind; json parse error: {error}") from None
    except ValueError as error:
        raise internal(str(error)) from None
    if options is None:
        return {}
    if not isinstance(options, dict):
        why = cannot_unmarshal(options, f"value of type {TYPE_META}")
        raise internal(f"couldn't get version/kind; json parse error: {why}")
    kind = options.get("kind", "DeleteOptions")
    if kind != "DeleteOptions":
        version = options.get("apiVersion", "v1")
        scheme = "pkg/apis/meta/internalversion/scheme/register.go:27"
        raise internal(f'no kind "{kind}" is registered for version "{version}" in scheme "{scheme}"')
    for name, (wanted, shown) in DELETE_FIELDS.items():
        _require_type(options.get(name), wanted, f"DeleteOptions.{name} of type {shown}")
    for word in options.get("dryRun") or []:
        _require_type(word, str, "DeleteOptions.dryRun of type string")
    for name, shown in PRECONDITIONS.items():
        value = (options.get("preconditions") or {}).get(name)
        _require_type(value, str, f"Preconditions.preconditions.{name} of type {shown}")
    return options


def _require_type(value: Any, wanted: type, field_and_type: str) -> None:
    if value is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
        raise internal(cannot_unmarshal(value, f"struct field {field_and_type}"))


@dataclass(frozen=True)
class ListOptions:
    version: str = ""
    match: str = ""
    limit: int = 0
    token: str = ""
    timeout: Optional[int] = None
    bookmarks: bool = False
    initial_events: Optional[bool] = None


def list_options(request: Request, watching: bool) -> ListOptions:
    """Read and validate what a list or watch may say; raises 400 or 422."""
    options = ListOptions(
        request.arg("resourceVersion") or "",
        request.arg("resourceVersionMatch") or "",
        integer(request.arg("limit")) or 0,
        request.arg("continue") or "",
        integer(request.arg("timeoutSeconds")),
        request.flag("allowWatchBookmarks"),
        boolean(request.arg("sendInitialEvents")),
    )
    causes = _watch_causes(options) if watching else _list_causes(options)
    refuse("ListOptions", causes)
    return options


MATCH, INITIAL = "resourceVersionMatch", "sendInitialEvents"


def _list_causes(options: ListOptions) -> list[Cause]:
    causes = []
    if options.match:
        if not options.version:
            causes.append(forbidden(MATCH, f"{MATCH} is forbidden unless resourceVersion is provided"))
        if options.token:
            causes.append(forbidden(MATCH, f"{MATCH} is forbidden when continue is provided"))
        if options.match not in ("Exact", "NotOlderThan"):
            causes.append(not_supported(MATCH, options.match, ("Exact", "NotOlderThan", "")))
        if options.match == "Exact" and options.version == "0":
            causes.append(forbidden(MATCH, f'{MATCH} "exact" is forbidden for resourceVersion "0"'))
    if options.initial_events is not None:
        causes.append(forbidden(INITIAL, f"{INITIAL} is forbidden for list"))
    return causes


def _watch_causes(options: ListOptions) -> list[Cause]:
    causes = []
    if options.initial_events is not None and options.match != "NotOlderThan":
        causes.append(forbidden(MATCH, f"{INITIAL} requires setting {MATCH} to NotOlderThan"))
    if options.match:
        if options.initial_events is None:
            causes.append(forbidden(MATCH, f"{MATCH} is forbidden for watch unless {INITIAL} is provided"))
        if options.match != "NotOlderThan":
            causes.append(not_supported(MATCH, options.match, ("NotOlderThan",)))
        if options.token:
            causes.append(forbidden(MATCH, f"{MATCH} is forbidden when continue is provided"))
    return causes


def parse_version(text: str) -> int:
    """A resourceVersion as a number; empty is 0. What is no number is an error nobody made a status of: 500."""
    if not text:
        return 0
    try:
        return parse_uint(text)
    except ValueError as error:
        raise APIFailure(500, "", f'resourceVersion: Invalid value: "{text}": {error}') from None
