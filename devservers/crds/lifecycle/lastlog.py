"""What a container wrote before it ended: the last lines of its log, for the failure report.

The instance that ended is the one before where another one has been started, or waits to be
(``previous=true``): the log of the one that is there now tells nothing, or does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadRequestError
from ...transport.resources import PODS
from ...transport.text import printable, without_terminal_controls

if TYPE_CHECKING:
    from ...transport.deadline import Deadline
    from ...transport.rest import RESTClient

LINES = 10
LINE_LIMIT = 300
"""Characters of a line that are shown."""
BYTES_KEPT = 65_536
"""Bytes of a log that are looked through for its last lines: the runtime may not have cut it."""
CONTAINERS = 3
"""Logs that are read for one report."""


class LastLog(NamedTuple):
    """The last lines of one container, or why they could not be read."""

    container: str
    lines: tuple[str, ...] = ()
    problem: str = ""

    def report(self) -> Iterator[str]:
        """For a report."""
        if self.problem:
            yield f"container {self.container}: its log could not be read ({self.problem})"
        elif not self.lines:
            yield f"container {self.container}: its log is empty"
        else:
            yield f"container {self.container}: the end of its log:"
            yield from (f"  | {line}" for line in self.lines)


class Ending(NamedTuple):
    """A container that ended; ``previous`` if another instance has taken its place, or is to."""

    container: str
    previous: bool


def endings(pod: Mapping[str, Any]) -> Iterator[Ending]:
    """The containers of a pod whose logs may tell why they ended. Pure."""
    status = pod.get("status") or {}
    main = status.get("containerStatuses") or []
    for entry in [*(status.get("initContainerStatuses") or []), *main]:
        name, state = str(entry.get("name")), entry.get("state") or {}
        terminated = state.get("terminated")
        if terminated is not None:
            # An init container ends when its work is done.
            if entry in main or terminated.get("exitCode") != 0:
                yield Ending(name, previous=False)
        elif not entry.get("ready") and _has_ended_before(entry):
            yield Ending(name, previous=True)


def _has_ended_before(entry: Mapping[str, Any]) -> bool:
    return bool((entry.get("lastState") or {}).get("terminated") or entry.get("restartCount"))


def last_logs(client: RESTClient, pod: Mapping[str, Any], deadline: Deadline) -> list[LastLog]:
    """The last lines of each container of the pod that ended; a problem is told in their place."""
    logs = []
    for ending in list(endings(pod))[:CONTAINERS]:
        try:
            logs.append(LastLog(ending.container, _last_lines(client, pod, ending, deadline)))
        except Exception as error:
            logs.append(LastLog(ending.container, problem=str(error)))
    return logs


def _last_lines(
    client: RESTClient,
    pod: Mapping[str, Any],
    ending: Ending,
    deadline: Deadline,
) -> tuple[str, ...]:
    """Of the instance that ended."""
    try:
        return _read(client, pod, ending, deadline)
    except BadRequestError:
        if not ending.previous:
            raise
        # The instance before is not known any more (its status was lost, or the runtime has cleared
        # it away): the one that is there may still have ended, too.
        return _read(client, pod, ending._replace(previous=False), deadline)


def _read(
    client: RESTClient,
    pod: Mapping[str, Any],
    ending: Ending,
    deadline: Deadline,
) -> tuple[str, ...]:
    metadata = pod["metadata"]
    path = PODS.item(metadata.get("namespace"), metadata["name"], "log")
    query = {
        "container": ending.container,
        "tailLines": LINES,
        "limitBytes": BYTES_KEPT,
        "previous": ending.previous or None,
    }
    end = b""
    idle = deadline.remaining() or 0.0
    with closing(client.stream(path, query=query, deadline=deadline, idle=idle)) as answer:
        for data in iter(answer.read_some, b""):
            end = (end + data)[-BYTES_KEPT:]
    return tuple(_shown(line) for line in end.decode("utf-8", "replace").splitlines()[-LINES:])


def _shown(line: str) -> str:
    """A line as it can be printed: what a container writes may steer a terminal."""
    text = printable(without_terminal_controls(line).expandtabs(4)).rstrip()
    return text if len(text) <= LINE_LIMIT else f"{text[:LINE_LIMIT]}…"
