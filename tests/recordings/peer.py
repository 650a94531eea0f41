"""The server that is recorded, spoken to plainly: one request, one connection, exactly the headers that were given.

Where the server is and who asks is read by ``devservers``' ``load_config`` (every way to log in works); the bytes
are sent by ``http.client`` and a bare socket, so that what is recorded does not depend on what is tested with it.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, Optional

from devservers.transport import ClientConfig

from .websocket import WebSocketClient

ANONYMOUS = "(none)"
LIMITED = ("Bearer <limitedtoken>", "limitedtoken")
"""What recordings hold in place of the token of somebody without rights."""
LIMITED_USER = "limited"
TIMEOUT = 90.0  # seconds; a recorded watch lasts three


class Peer:
    """One API server, as one user."""

    def __init__(self, config: ClientConfig, limited_token: str = "") -> None:
        if config.proxy() is not None:
            raise SystemExit("the recorder knows no proxies: record from where the server is reached directly")
        self._config = config
        self._limited_token = limited_token
        self._anonymous = replace(config, credentials=ClientConfig(config.server).credentials)

    def open(
        self, method: str, target: str, headers: Mapping[str, str], body: Optional[bytes] = None
    ) -> http.client.HTTPResponse:
        """Send a request; the answer's body is yet to be read. ``Authorization`` is meant as in a recording."""
        connection = self._connection(headers.get("Authorization", ""))
        connection.putrequest(method, self._config.path + target, skip_accept_encoding=True)
        for name, value in self._sent(headers):
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Connection", "close")
        connection.endheaders(body)
        return connection.getresponse()

    def ask(self, method: str, target: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        """As the user of the kubeconfig: status and JSON of the answer."""
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            headers["Content-Type"] = kind
            data = json.dumps(body).encode()
        with closing(self.open(method, target, headers, data)) as response:
            text = response.read()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text.decode("utf-8", "replace")

    def websocket(self, target: str, protocols: Iterable[str], authorization: str, silence: float) -> WebSocketClient:
        """Open a WebSocket; reading waits at most ``silence`` seconds for the next bytes."""
        given = {} if authorization == "admin" else {"Authorization": authorization}
        connection = self._connection(authorization)
        connection.connect()
        sock = connection.sock
        assert isinstance(sock, socket.socket)
        sock.settimeout(silence)
        headers = [("Host", f"{self._config.host}:{self._config.port}"), *self._sent(given)]
        return WebSocketClient(sock, self._config.path + target, protocols, headers)

    def _connection(self, authorization: str) -> http.client.HTTPConnection:
        """Somebody else than the kubeconfig's user must not show that user's client certificate."""
        config = self._config if self._is_own(authorization) else self._anonymous
        if config.scheme == "http":
            return http.client.HTTPConnection(config.host, config.port, timeout=TIMEOUT)
        return http.client.HTTPSConnection(config.host, config.port, timeout=TIMEOUT, context=config.ssl_context())

    def _is_own(self, authorization: str) -> bool:
        return authorization in ("", "admin") or (authorization in LIMITED and not self._limited_token)

    def _sent(self, headers: Mapping[str, str]) -> Iterable[tuple[str, str]]:
        """The headers with real credentials in place of those that the recording names."""
        authorization = headers.get("Authorization", "")
        yield from ((name, value) for name, value in headers.items() if name != "Authorization")
        if authorization == ANONYMOUS:
            return
        if not self._is_own(authorization):
            token = self._limited_token if authorization in LIMITED else authorization.removeprefix("Bearer ")
            yield "Authorization", f"Bearer {token}"
            return
        yield from self._config.credentials.identity().headers
        if authorization in LIMITED:
            yield "Impersonate-User", LIMITED_USER
