"""Plain HTTP against the fake, for tests that do not need the SDK."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple

from tests.fakeapiserver import FakeAPIServer


class Answer(NamedTuple):
    """An answer."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def request(server: FakeAPIServer, method: str, target: str, body: object = None) -> Answer:
    """One request on a connection of its own, as the administrator."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    try:
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("Content-Type", ""), response.read())
    finally:
        connection.close()
