"""Opens recorded exec and port-forward sessions again, and takes their frames down in the same form.

What the client sent is sent again, each frame once as many bytes have come, on each channel, as had come before it in
the recording, or once nothing more comes. The end is a close frame, the end of the connection, or silence.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from wsproto.utilities import LocalProtocolError

from .peer import ANONYMOUS, Peer
from .websocket import Frame, WebSocketClient

Exchange = dict[str, Any]

SILENCE = 3.0  # seconds without a frame after which a session is taken for one that waits
KEPT = 300  # characters of a frame's data
BYPASSED = "the kubelet is killed"
"""In names of exchanges that need more than requests: they stay out of a new recording."""
V4 = "v4.channel.k8s.io"


class ExecRecorder:
    """Records sessions again, in one pod."""

    def __init__(self, peer: Peer, exchanges: Iterable[Exchange]) -> None:
        self._peer = peer
        self._exchanges = [each for each in exchanges if BYPASSED not in each["name"]]

    def run(self) -> list[Exchange]:
        """The new recording's exchanges."""
        entries = []
        for exchange in self._exchanges:
            with self._web_servers(exchange):
                entries.append(self._repeat(exchange))
        return entries

    def _repeat(self, exchange: Exchange) -> Exchange:
        request = exchange["request"]
        authorization = request["authorization"]
        if authorization not in ("admin", "limitedtoken", ANONYMOUS):
            authorization = f"Bearer {authorization}"
        protocols = request["offered_subprotocols"]
        with self._peer.websocket(request["path"], protocols, authorization, SILENCE) as client:
            response: dict[str, Any] = {"handshake_status": client.handshake.status}
            if client.handshake.status == 101:
                response["subprotocol"] = client.protocol
                response["frames"] = Session(client).play(exchange["response"].get("frames") or [])
            else:
                response["content_type"] = client.handshake.headers.get("content-type")
                response["body"] = said(client.handshake.body, response["content_type"])
        return {"name": exchange["name"], "request": request, "response": response}

    @contextmanager
    def _web_servers(self, exchange: Exchange) -> Iterator[None]:
        """Behind a port that was spoken to, a web server of Python's listens in the pod, if there is a Python."""
        url = urlsplit(exchange["request"]["path"])
        spoken_to = any(frame["dir"] == "client" for frame in exchange["response"].get("frames") or ())
        if not url.path.endswith("/portforward") or not spoken_to:
            yield
            return
        port = parse_qs(url.query)["ports"][0]
        words = ["python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", port]
        command = "&".join(f"command={quote(word)}" for word in words)
        path = url.path.replace("/portforward", f"/exec?{command}&stdin=true&stdout=true&stderr=true&tty=true")
        with self._peer.websocket(path, [V4], "admin", SILENCE) as client:
            try:
                next((frame for frame in client.frames() if b"Serving" in frame.data), None)
            except TimeoutError:
                pass  # the recording will tell
            yield
            say(client, 0, b"\x03")  # an interrupt: with the connection alone the command would not end


class Session:
    """One session: how much has been received, and the record of it."""

    def __init__(self, client: WebSocketClient) -> None:
        self._client = client
        self._incoming = client.frames()
        self._frames: list[dict[str, Any]] = []
        self._came: Counter[int] = Counter()
        self._seen: set[int] = set()
        self._over = False

    def play(self, recorded: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Say what the recorded client said, hear what the server says now."""
        wanted: Counter[int] = Counter()
        for frame in recorded:
            if frame["dir"] == "client" and "channel" in frame:
                self._hear(wanted)
                self._say(frame)
            elif "length" in frame:
                channel = int(frame["channel"])
                wanted[channel] += len(payload_of(frame)) if frame["opcode"] == "text" else frame["length"]
                wanted[channel] += 0  # an empty frame is waited for, too
        while not self._over:
            self._take()
        return self._frames

    def _hear(self, wanted: Counter[int]) -> None:
        while not self._over and any(c not in self._seen or self._came[c] < n for c, n in wanted.items()):
            if not self._take():
                return

    def _say(self, frame: dict[str, Any]) -> None:
        if say(self._client, int(frame["channel"]), frame["data"].encode("latin-1")):
            self._frames.append({"dir": "client", "channel": frame["channel"], "data": frame["data"]})

    def _take(self) -> bool:
        """Take down what comes next; False if nothing comes."""
        try:
            frame = next(self._incoming)
        except (TimeoutError, OSError, StopIteration) as error:
            silent = isinstance(error, TimeoutError)
            how = "Timeout: nothing came" if silent else "the connection ended"
            self._frames.append({"dir": "server", "end": how})
            self._over = True
            return False
        self._frames.append(written(frame))
        self._over = frame.opcode == "close"
        if not self._over:
            self._seen.add(frame.channel)
            self._came[frame.channel] += len(frame.payload)
        return True


def say(client: WebSocketClient, channel: int, data: bytes) -> bool:
    """Send a frame, unless the server has gone or said goodbye; its last words are yet to be read then."""
    try:
        client.send(channel, data)
    except (OSError, LocalProtocolError):
        return False
    return True


def runs(peer: Peer, namespace: str, pod: str) -> bool:
    """Can commands be run in a pod?"""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?command=true&container=devserver&stdout=true"
    with peer.websocket(path, [V4], "admin", SILENCE) as client:
        return client.handshake.status == 101 and any(b'"status":"Success"' in each.data for each in client.frames())


def written(frame: Frame) -> dict[str, Any]:
    """A frame as recordings have it."""
    if frame.opcode == "close":
        return {"dir": "server", "opcode": "close", "code": frame.code, "reason": frame.data.decode()}
    if frame.opcode == "text":
        text = frame.data.decode()
        return {"dir": "server", "opcode": "text", "channel": text[:1], "length": len(text) - 1, "data": text[:KEPT]}
    data = frame.payload.decode("latin-1")
    return {"dir": "server", "opcode": "binary", "channel": frame.channel, "length": len(data), "data": data[:KEPT]}


def payload_of(frame: dict[str, Any]) -> bytes:
    """What a recorded text frame carries, if it was not cut."""
    try:
        return base64.b64decode(frame["data"][1:])
    except ValueError:
        return b""


def said(body: bytes, kind: Any) -> Any:
    return json.loads(body) if kind == "application/json" and body else body.decode()


def containers_of(exchanges: Iterable[Exchange]) -> list[str]:
    """The containers that sessions were opened in."""
    opened = [each["request"]["path"] for each in exchanges if each["response"]["handshake_status"] == 101]
    named = (name for path in opened for name in parse_qs(urlsplit(path).query).get("container", ()))
    return list(dict.fromkeys(["devserver", *named]))


def pods_of(exchanges: Iterable[Exchange]) -> list[tuple[str, str]]:
    """Namespace and name of the pods that were there: those with an open session."""
    opened = [each["request"]["path"] for each in exchanges if each["response"]["handshake_status"] == 101]
    return list(dict.fromkeys((path.split("/")[4], path.split("/")[6]) for path in opened))


def moved(exchanges: Iterable[Exchange], namespace: str, pod: str, to: tuple[str, str]) -> list[Exchange]:
    """The exchanges in another namespace, one pod under another name."""

    def path(old: str) -> str:
        there = old.replace(f"/namespaces/{namespace}/", f"/namespaces/{to[0]}/", 1)
        return there.replace(f"/pods/{pod}/", f"/pods/{to[1]}/", 1)

    return [{**each, "request": {**each["request"], "path": path(each["request"]["path"])}} for each in exchanges]
