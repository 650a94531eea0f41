"""What an operator left on an object beside its status: the memory of the kopf framework, in
annotations. Pure.

The DevServer operator that users run keeps its progress where kopf keeps it, and a failure for good
is told nowhere else. While a handler is at work, or waits for its next try, there is one annotation
``kopf.zalando.org/HANDLER`` with ``retries``, ``delayed`` and a message; once an object is handled,
``…/last-handled-configuration`` holds what was handled. An operator may have another prefix than
kopf's, so annotations are known by their form.

The message may be a whole HTTP error: headers, and a Status as its body. Of that only the Status'
own sentence is shown, for headers and bodies may hold what is nobody's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

from ...transport.text import json_or_none, printable

LAST_HANDLED = "/last-handled-configuration"
FINALIZER_MARK = "kopffinalizermarker"
MESSAGE_LIMIT = 400
"""Characters of a handler's message that are shown."""
LONGEST_READ = 20_000
MOST_BRACES = 20
"""Limits on what is looked through for a Status in a message: characters, and places where one may
begin.
"""

_WIRE_BEGINS = re.compile(
    r"HTTP response (?:headers|body)|HTTPHeaderDict|CIMultiDict|<!doctype|<html"
    r"|\bheaders['\"]?\s*[:=]|['\"]?\bauthorization['\"]?\s*[:=]",
    re.IGNORECASE,
)
_BRACES = re.compile(r"""'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?|[{}]""", re.DOTALL)
"""The braces of what Python prints, and the strings in it, where braces do not count."""


class Handler(NamedTuple):
    """One handler's progress: how often it was tried, what came of it, and when it is tried next
    (as written).
    """

    name: str
    retries: int
    message: str
    next_try: str
    failed: bool


class OperatorNotes(NamedTuple):
    """What an operator has left on an object."""

    handled: bool
    """It has handled the object as it stands: nothing more will come of it."""
    handlers: tuple[Handler, ...]
    finalizers: tuple[str, ...]
    seen: bool
    """An operator has been here at all: it left a status, its finalizer, or an annotation."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> OperatorNotes:
        metadata = raw.get("metadata") or {}
        annotations = metadata.get("annotations") or {}
        finalizers = tuple(str(name) for name in metadata.get("finalizers") or ())
        handlers = tuple(_handlers(annotations))
        memory = next(
            (text for key, text in annotations.items() if key.endswith(LAST_HANDLED)), None
        )
        marked = any(FINALIZER_MARK in name.lower() for name in finalizers)
        return cls(
            handled=memory is not None and not handlers and _is_about(memory, raw.get("spec")),
            handlers=handlers,
            finalizers=finalizers,
            seen=bool(raw.get("status") or handlers or memory is not None or marked),
        )

    def lines(self) -> Iterator[str]:
        """For a report: each handler that has not ended well, and what holds the object."""
        for handler in self.handlers:
            tries = f"{handler.retries} {'try' if handler.retries == 1 else 'tries'}"
            ending = (
                "failed for good"
                if handler.failed
                else "at work"
                if not handler.message
                else "failed"
            )
            again = (
                f", next try at {handler.next_try}"
                if handler.next_try and not handler.failed
                else ""
            )
            said = f": {handler.message}" if handler.message else ""
            yield f"operator: handler {handler.name} {ending} ({tries}{again}){said}"
        if self.finalizers:
            yield f"finalizers: {', '.join(self.finalizers)}"


def _handlers(annotations: Mapping[str, Any]) -> Iterator[Handler]:
    for key, text in sorted(annotations.items()):
        progress = json_or_none(text) if isinstance(text, str) else None
        if (
            not isinstance(progress, dict)
            or not {"retries", "success", "failure"} <= progress.keys()
        ):
            continue
        if progress.get("success"):
            continue
        retries = progress.get("retries")
        yield Handler(
            name=key.rpartition("/")[2],
            retries=retries if isinstance(retries, int) else 0,
            message=plain_message(str(progress.get("message") or "")),
            next_try=_one_line(str(progress.get("delayed") or ""))[:40],
            failed=bool(progress.get("failure")),
        )


def _is_about(memory: object, spec: object) -> bool:
    """Whether what was handled is the spec as it stands; where that cannot be told, it is taken to
    be.
    """
    handled = json_or_none(memory) if isinstance(memory, str) else None
    return not isinstance(handled, dict) or "spec" not in handled or handled["spec"] == spec


def plain_message(text: str) -> str:
    """A handler's message as it can be shown: the sentence of the Status in it, else what stands
    before the wire.
    """
    status = _status_in(text)
    if status is not None:
        said = [
            _one_line(text)
            for text in (status.get("message"), status.get("reason"))
            if isinstance(text, str)
        ]
        text = next(filter(None, said), "")
    else:
        text = _one_line(_WIRE_BEGINS.split(text, 1)[0])
    return text if len(text) <= MESSAGE_LIMIT else f"{text[:MESSAGE_LIMIT]}…"


def _status_in(text: str) -> Optional[Mapping[str, Any]]:
    """The Status in a message, whether it was printed as JSON, as Python's bytes of JSON, or as
    Python's dict.
    """
    text = text[:LONGEST_READ]
    plain = text.replace("\\'", "'").replace("\\\\", "\\")  # as it was before repr() of bytes
    for version in dict.fromkeys((text, plain)):
        for begin in list(re.finditer(r"\{", version))[:MOST_BRACES]:
            found = _object_at(version, begin.start())
            if isinstance(found, dict) and found.get("kind") == "Status":
                return found
    return None


def _object_at(text: str, at: int) -> object:
    try:
        return json.JSONDecoder().raw_decode(text, at)[0]
    except (ValueError, RecursionError):
        return _literal_at(text, at)


def _literal_at(text: str, at: int) -> object:
    """A dict as Python prints it, which ends with the brace that closes its first one."""
    if not text.startswith(("{'", '{"'), at):
        return None
    import warnings
    from ast import literal_eval

    depth = 0
    for token in _BRACES.finditer(text, at):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if depth == 0:
            break
    else:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes: it is not our program
        try:
            return literal_eval(text[at : token.end()])
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
