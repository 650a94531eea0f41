"""A plain client: http.client on a kept-alive connection, with the body as JSON, YAML or bytes."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Optional, Union

from tests.fakeapiserver import FakeAPIServer

DEVSERVERS = "/apis/devserver.io/v1/namespaces/default/devservers"
FLAVORS = "/apis/devserver.io/v1/devserverflavors"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"

Body = Union[None, bytes, str, Mapping[str, Any], list[Any]]


class Answer:
    """Status, headers and body of an answer that was read whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.raw = response.read()

    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def reason(self) -> str:
        return str(self.json().get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.json()["message"])


class PlainClient:
    """Speaks to a fake server as one user (the administrator, unless told otherwise)."""

    def __init__(
        self,
        server: FakeAPIServer,
        token: Optional[str] = "",
        timeout: float = 10.0,
        tls: Optional[ssl.SSLContext] = None,
    ) -> None:
        self.token = server.token if token == "" else token
        if tls is None:
            self.connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
        else:
            self.connection = http.client.HTTPSConnection(server.host, server.port, timeout=timeout, context=tls)

    def __enter__(self) -> PlainClient:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self.connection.close()

    def open(
        self, method: str, target: str, body: Body = None, kind: str = "", **headers: str
    ) -> http.client.HTTPResponse:
        """Send a request; the caller reads the answer's body. ``headers``: ``User_Agent="x"``."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            sent["Content-Type"] = kind or "application/json"
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        self.connection.request(method, target, data, sent)
        return self.connection.getresponse()

    def ask(self, method: str, target: str, body: Body = None, kind: str = "", **headers: str) -> Answer:
        return Answer(self.open(method, target, body, kind, **headers))

    def get(self, target: str, **headers: str) -> Answer:
        return self.ask("GET", target, **headers)

    def create(self, name: str, **spec: Any) -> Answer:
        """Create a DevServer in the namespace ``default``."""
        return self.ask("POST", DEVSERVERS, devserver(name, **spec))

    def watch(self, target: str) -> Iterator[Any]:
        """The events of a watch, as they come."""
        response = self.open("GET", target)
        assert response.status == 200, response.read()
        return (json.loads(line) for line in response)


def devserver(name: str, **spec: Any) -> dict[str, Any]:
    """A DevServer as a user writes it."""
    return {
        "apiVersion": "devserver.io/v1",
        "kind": "DevServer",
        "metadata": {"name": name},
        "spec": {"flavor": "cpu-small", **spec},
    }
