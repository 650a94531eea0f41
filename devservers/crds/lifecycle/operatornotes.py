"""What an operator left on an object besides its status: annotations of the kopf framework. Pure.

The DevServer operator that users run is built on kopf, which keeps the progress of its handlers in
annotations. That a handler has given up is written nowhere else. While a handler runs, or waits for
its next try, there is an annotation ``kopf.zalando.org/HANDLER`` with ``retries``, ``delayed`` and
a message. Once all handlers are done, ``…/last-handled-configuration`` contains the spec that they
processed. An operator may use another prefix, so annotations are recognized by their form.

The message may be a whole HTTP error: headers, and a Status as its body. Only the Status's own
sentence is shown, because headers and bodies may contain secrets.
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
SEARCHED_CHARACTERS = 20_000
SEARCHED_BRACES = 20
"""Limits of the search for a Status in a message: its length, and places where one may begin."""

_HTTP_BEGINS = re.compile(
    r"HTTP response (?:headers|body)|HTTPHeaderDict|CIMultiDict|<!doctype|<html"
    r"|\bheaders['\"]?\s*[:=]|['\"]?\bauthorization['\"]?\s*[:=]",
    re.IGNORECASE,
)
"""Where in a message the parts of an HTTP answer begin, which are not shown."""
_BRACES = re.compile(r"""'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?|[{}]""", re.DOTALL)
"""The braces of a dict that Python printed, and the strings in it, where braces do not count."""


class Handler(NamedTuple):
    """A handler that has not succeeded: its tries, and when the next one is due (as written)."""

    name: str
    tries: int
    message: str
    next_try: str
    gave_up: bool

    def __str__(self) -> str:
        outcome = "failed"
        if self.gave_up:
            outcome = "gave up"
        elif not self.message:
            outcome = "is running"
        tries = "1 try" if self.tries == 1 else f"{self.tries} tries"
        if self.next_try and not self.gave_up:
            tries += f", next try at {self.next_try}"
        line = f"handler {self.name} {outcome} ({tries})"
        if self.message:
            line += f": {self.message}"
        return line


class OperatorNotes(NamedTuple):
    """What an operator has left on an object."""

    finished: bool
    """It has processed the object as it is now: nothing more will come of it."""
    handlers: tuple[Handler, ...]
    finalizers: tuple[str, ...]
    seen: bool
    """An operator has seen the object: it left a status, its finalizer, or an annotation."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> OperatorNotes:
        metadata = raw.get("metadata") or {}
        annotations = metadata.get("annotations") or {}
        finalizers = tuple(str(name) for name in metadata.get("finalizers") or ())
        handlers = tuple(_handlers(annotations))
        processed = [text for key, text in annotations.items() if key.endswith(LAST_HANDLED)]
        has_finalizer = any(FINALIZER_MARK in name.lower() for name in finalizers)
        is_done = bool(processed) and not handlers
        return cls(
            finished=is_done and _is_about(processed[0], raw.get("spec")),
            handlers=handlers,
            finalizers=finalizers,
            seen=bool(raw.get("status") or handlers or processed or has_finalizer),
        )

    def lines(self) -> Iterator[str]:
        """For the failure report: the handlers that have not succeeded, and the finalizers."""
        for handler in self.handlers:
            yield f"operator: {handler}"
        if self.finalizers:
            yield f"finalizers: {', '.join(self.finalizers)}"


def _handlers(annotations: Mapping[str, Any]) -> Iterator[Handler]:
    for key, text in sorted(annotations.items()):
        progress = json_or_none(text) if isinstance(text, str) else None
        if not isinstance(progress, dict):
            continue
        if not {"retries", "success", "failure"} <= progress.keys() or progress["success"]:
            continue
        tries = progress["retries"]
        yield Handler(
            name=key.rpartition("/")[2],
            tries=tries if isinstance(tries, int) else 0,
            message=plain_message(str(progress.get("message") or "")),
            next_try=_one_line(str(progress.get("delayed") or ""))[:40],
            gave_up=bool(progress["failure"]),
        )


def _is_about(processed: object, spec: object) -> bool:
    """Whether ``spec`` is what was processed; True if that is not known."""
    configuration = json_or_none(processed) if isinstance(processed, str) else None
    if not isinstance(configuration, dict) or "spec" not in configuration:
        return True
    return bool(configuration["spec"] == spec)


def plain_message(text: str) -> str:
    """A handler's message as it can be shown: a Status's sentence, or what precedes the HTTP."""
    status = _status_in(text)
    if status is None:
        shown = _one_line(_HTTP_BEGINS.split(text, 1)[0])
    else:
        sentences = [status.get("message"), status.get("reason")]
        lines = [_one_line(sentence) for sentence in sentences if isinstance(sentence, str)]
        shown = next(filter(None, lines), "")
    if len(shown) <= MESSAGE_LIMIT:
        return shown
    return f"{shown[:MESSAGE_LIMIT]}…"


def _status_in(text: str) -> Optional[Mapping[str, Any]]:
    """The Status in a message, printed as JSON, as Python's bytes of JSON, or as Python's dict."""
    text = text[:SEARCHED_CHARACTERS]
    plain = text.replace("\\'", "'").replace("\\\\", "\\")  # as it was before repr() of bytes
    for version in dict.fromkeys((text, plain)):
        for begin in list(re.finditer(r"\{", version))[:SEARCHED_BRACES]:
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
    """The dict that Python printed at ``at``: it ends with the brace that closes its first one."""
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
        warnings.simplefilter("ignore")  # about invalid escapes: this is not our program
        try:
            return literal_eval(text[at : token.end()])
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
