"""The opening handshake of a WebSocket, byte by byte; RFC 6455's own example among it."""

from __future__ import annotations

import re

import pytest

from devservers.errors import ProtocolError
from devservers.transport.exec.channels import V4, V5
from devservers.transport.exec.handshake import Handshake, proof_of

AGREED = "HTTP/1.1 101 Switching Protocols"


def requested(handshake: Handshake) -> str:
    return handshake.request("/exec?command=ls", "host:1", [("Authorization", "Bearer é")]).decode("latin-1")


def key_of(request: str) -> str:
    found = re.search(r"\r\nSec-WebSocket-Key: (\S+)\r\n", request)
    assert found is not None
    return found[1]


def answer_to(handshake: Handshake, **changed: str) -> bytes:
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": proof_of(key_of(requested(handshake))),
        "Sec-WebSocket-Protocol": V4,
    }
    fields.update({name.replace("_", "-"): value for name, value in changed.items()})
    lines = [AGREED, *(f"{name}: {value}" for name, value in fields.items() if value), "", ""]
    return "\r\n".join(lines).encode()


def test_the_proof_is_that_of_the_specification() -> None:
    assert proof_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_request_is_one_for_an_upgrade() -> None:
    request = requested(Handshake([V4, V5], "exec"))
    assert request.startswith("GET /exec?command=ls HTTP/1.1\r\nHost: host:1\r\nAuthorization: Bearer é\r\n")
    assert "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" in request
    assert request.endswith(f"\r\nSec-WebSocket-Protocol: {V4}, {V5}\r\n\r\n")


def test_each_request_has_a_key_of_its_own() -> None:
    assert key_of(requested(Handshake([V4], "exec"))) != key_of(requested(Handshake([V4], "exec")))


@pytest.mark.parametrize(
    "changed",
    [{}, {"Upgrade": "WebSocket"}, {"Connection": "keep-alive, Upgrade"}, {"Upgrade": "", "upgrade": "websocket"}],
)
def test_the_subprotocol_is_what_the_server_chose(changed: dict[str, str]) -> None:
    handshake = Handshake([V5, V4], "exec")
    assert handshake.subprotocol(answer_to(handshake, **changed)) == V4


@pytest.mark.parametrize(
    "changed",
    [
        {"Upgrade": ""},
        {"Upgrade": "h2c"},
        {"Connection": "close"},
        {"Sec_WebSocket_Accept": ""},
        {"Sec_WebSocket_Accept": proof_of("of another request")},
    ],
)
def test_an_answer_that_completes_no_handshake_is_refused(changed: dict[str, str]) -> None:
    handshake = Handshake([V4], "exec pods/exec")
    with pytest.raises(ProtocolError, match=r"^exec pods/exec: .* without completing the WebSocket handshake"):
        handshake.subprotocol(answer_to(handshake, **changed))


@pytest.mark.parametrize(("chosen", "told"), [("", "nothing"), (V5, V5), (f"{V4}, {V4}", f"{V4}, {V4}")])
def test_a_subprotocol_that_was_not_offered_is_refused(chosen: str, told: str) -> None:
    handshake = Handshake([V4], "exec")
    with pytest.raises(ProtocolError, match=rf"without agreeing .* \(it said {re.escape(told)}\)"):
        handshake.subprotocol(answer_to(handshake, Sec_WebSocket_Protocol=chosen))


@pytest.mark.parametrize(
    ("head", "agreed"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", True),
        (b"HTTP/1.0 101\r\n\r\n", True),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: web", False),
        (b"HTTP/1.1 1010 What\r\n\r\n", False),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", False),
        (b"", False),
    ],
)
def test_only_a_whole_101_switches(head: bytes, agreed: bool) -> None:
    assert Handshake.is_agreed(head) is agreed
