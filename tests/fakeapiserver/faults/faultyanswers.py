"""How each fault answers: functions from a request, and the way to its proper answer, to what comes instead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Callable

from ..access.auth import denial
from ..core.watch import error_line
from ..serving.http import Connection, Disconnected, Reply, Request, Response, StreamResponse, Upgrade
from ..vocabulary.status import APIFailure, page_not_found
from ..vocabulary.status import unauthorized as unauthorized_failure

Proceed = Callable[[], Reply]
Suffer = Callable[[Request, Proceed, threading.Event], Reply]

LOOK = 0.05  # seconds between looks whether a client that is kept waiting has gone
PAGE = "<html>\r\n<head><title>{0}</title></head>\r\n<body><h1>{0}</h1></body>\r\n</html>\r\n"


def _discard(reply: Reply) -> None:
    """Let go of an answer that will not be sent."""
    if isinstance(reply, StreamResponse):
        close = getattr(reply.chunks, "close", None)
        if close is not None:
            close()


def _hold(connection: Connection, over: threading.Event) -> None:
    """Send nothing until the fault is over or the client has gone."""
    while not over.wait(LOOK) and not connection.peer_has_gone():
        pass


# connections


def reset_before(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return Upgrade(Connection.abort)


def reset_after(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    _discard(proceed())
    return Upgrade(Connection.abort)


def half(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    reply = proceed()
    if not isinstance(reply, Response):
        return cut_mid_line(0)(request, lambda: reply, over)
    head, body = reply.wire(True)
    return Upgrade(lambda connection: connection.send(head + body[: len(body) // 2]))


def stalled(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return Upgrade(lambda connection: _hold(connection, over))


def stalled_after(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    _discard(proceed())
    return stalled(request, proceed, over)


def dripping(pause: float) -> Suffer:
    def suffer(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
        reply = proceed()
        if not isinstance(reply, Response):
            return reply
        head, body = reply.wire(False)

        def run(connection: Connection) -> None:
            for at in range(len(head) + len(body)):
                connection.send((head + body)[at : at + 1])
                over.wait(pause)

        return Upgrade(run)

    return suffer


# answers


def unauthorized(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return unauthorized_failure().response()


def forbidden(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return denial(request.user, request.info).response()


def too_many(seconds: int) -> Suffer:
    message = "the server has received too many requests and has asked us to try again later"
    failure = APIFailure(429, "TooManyRequests", message, {"retryAfterSeconds": seconds})
    return lambda request, proceed, over: failure.response()


def too_many_text(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    text = b"Too many requests, please try again later.\n"
    return Response(429, text, "text/plain; charset=utf-8", [("Retry-After", "1")])


def _internal_error(why: str) -> APIFailure:
    """An error that the API server expects, told as a Status."""
    return APIFailure(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})


def server_error(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return _internal_error("etcdserver: leader changed").response()


def bad_gateway(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return Response(502, PAGE.format("502 Bad Gateway").encode(), "text/html")


def not_found_page(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return Response(404, PAGE.format("404 Not Found").encode(), "text/html")


def not_served(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return page_not_found()


def unvalidated(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    others = [(key, value) for key, value in request.query if key != "fieldValidation"]
    request.query[:] = [*others, ("fieldValidation", "Ignore")]
    return proceed()


def unavailable(seconds: int) -> Suffer:
    message = "the server is currently unable to handle the request"
    failure = APIFailure(503, "ServiceUnavailable", message, {"retryAfterSeconds": seconds})
    return lambda request, proceed, over: failure.response()


def redirect(to: str) -> Suffer:
    return lambda request, proceed, over: Response(302, b"", "", [("Location", to)])


# watches


def empty_watch(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
    return StreamResponse(200, "application/json", iter(()))


def unservable_version() -> Suffer:
    """Strikes the version from which the first watch begins, and that alone."""
    struck: list[str] = []

    def suffer(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
        version = request.arg("resourceVersion") or ""
        struck[:] = struck or [version]
        if struck != [version]:
            return proceed()
        key = f"/registry/{request.info.group}/{request.info.resource}/default/a"
        why = f'etcd event received with PrevKv=nil (key="{key}", modRevision={version}, type=PUT)'
        return StreamResponse(200, "application/json", iter([error_line(_internal_error(why))]))

    return suffer


def _changed(alter: Callable[[Request, Iterator[bytes], threading.Event], Iterator[bytes]]) -> Suffer:
    """A fault that changes what a watch sends, line by line."""

    def suffer(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
        reply = proceed()
        if isinstance(reply, StreamResponse):
            reply.chunks = _closing(reply.chunks, alter(request, _lines(reply.chunks), over))
        return reply

    return suffer


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield from chunk.splitlines(keepends=True)


def _closing(source: Iterator[bytes], altered: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from altered
    finally:
        _discard(StreamResponse(200, "", source))


def cut_mid_line(after: int) -> Suffer:
    def alter(request: Request, lines: Iterator[bytes], over: threading.Event) -> Iterator[bytes]:
        for number, line in enumerate(lines):
            if number >= after:
                yield line[: len(line) // 2]
                raise Disconnected("cut in the middle of a line, on purpose")
            yield line

    return _changed(alter)


def _cut_in_character(request: Request, lines: Iterator[bytes], over: threading.Event) -> Iterator[bytes]:
    for line in lines:
        at = next((index for index, byte in enumerate(line) if byte >= 0xC0), None)
        if at is not None:
            yield line[: at + 1]
            raise Disconnected("cut within a character, on purpose")
        yield line


cut_in_character = _changed(_cut_in_character)


def half_open(after: int) -> Suffer:
    def alter(request: Request, lines: Iterator[bytes], over: threading.Event) -> Iterator[bytes]:
        yield from islice(lines, after)
        _hold(request.connection, over)
        raise Disconnected("half open, on purpose")

    return _changed(alter)
