"""What a container logged before it ended: the last lines, for the failure report.

If another instance has been started or is about to be, the instance that ended is the previous one
(``previous=true``): the log of the present one says nothing about it, or does not exist.
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
"""Bytes of a log that are searched for its last lines: not every runtime honors ``tailLines``."""
CONTAINERS = 3
"""Logs that are read for one report."""


class LastLog(NamedTuple):
    """The last lines of one container, or why they could not be read."""

    container: str
    lines: tuple[str, ...] = ()
    problem: str = ""

    def lines_of_report(self) -> Iterator[str]:
        """The log as it is shown in the failure report."""
        if self.problem:
            yield f"container {self.container}: its log could not be read ({self.problem})"
        elif not self.lines:
            yield f"container {self.container}: its log is empty"
        else:
            yield f"container {self.container}: the end of its log:"
            for line in self.lines:
                yield f"  | {line}"


class Ending(NamedTuple):
    """A container that ended; ``previous`` if another instance replaced it, or is about to."""

    container: str
    previous: bool


def endings(pod: Mapping[str, Any]) -> Iterator[Ending]:
    """The containers of a pod whose logs may say why they ended. Pure."""
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
    """The last lines of each container of the pod that ended, or the problem in reading them."""
    logs = []
    for ending in list(endings(pod))[:CONTAINERS]:
        try:
            logs.append(LastLog(ending.container, _last_lines(client, pod, ending, deadline)))
        except Exception as error:
            logs.append(LastLog(ending.container, problem=str(error)))
    return logs


def _last_lines(
    client: RESTClient, pod: Mapping[str, Any], ending: Ending, deadline: Deadline
) -> tuple[str, ...]:
    """The last lines of the instance that ended."""
    try:
        return _read_log(client, pod, ending, deadline)
    except BadRequestError:
        if not ending.previous:
            raise
        # The previous instance is not known any more (its status was lost, or the runtime has
        # removed it). The present one may have ended, too.
        return _read_log(client, pod, ending._replace(previous=False), deadline)


def _read_log(
    client: RESTClient, pod: Mapping[str, Any], ending: Ending, deadline: Deadline
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
    """A line that is safe to print: a container may write terminal control sequences."""
    text = printable(without_terminal_controls(line).expandtabs(4)).rstrip()
    if len(text) <= LINE_LIMIT:
        return text
    return f"{text[:LINE_LIMIT]}…"
