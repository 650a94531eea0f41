"""The channel protocol's messages, byte by byte, and what a status means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devservers.transport.exec import channels

RECORDINGS = Path(__file__).parent.parent / "recordings"


def test_a_message_is_a_channel_byte_and_a_payload() -> None:
    assert channels.decode(b"\x01out") == (channels.STDOUT, b"out")
    assert channels.decode(b"\x01") == (channels.STDOUT, b"")
    assert channels.decode(b"") == (-1, b"")


@given(st.binary(max_size=200_000))
def test_stdin_is_cut_into_frames_that_give_it_back(data: bytes) -> None:
    messages = list(channels.encode_stdin(data))
    assert all(message[0] == channels.STDIN for message in messages)
    assert all(1 < len(message) <= channels.FRAME_PAYLOAD + 1 for message in messages)
    assert b"".join(message[1:] for message in messages) == data


def test_no_stdin_message_is_ever_empty() -> None:
    assert list(channels.encode_stdin(b"")) == []


def test_the_close_signal_is_two_bytes() -> None:
    assert channels.encode_close(channels.STDIN) == b"\xff\x00"


def test_a_resize_is_json_on_channel_4() -> None:
    assert channels.encode_resize(100, 40) == b'\x04{"Width":100,"Height":40}'


def test_success_is_exit_code_0() -> None:
    status = channels.parse_status(b'{"metadata":{},"status":"Success"}')
    assert status is not None
    assert status.returncode == 0


@pytest.mark.parametrize("payload", [b"", b"exit status 3", b"{}", b"[]", b'{"status":"Maybe"}', b"\xff", b"null"])
def test_what_is_no_status_is_no_outcome(payload: bytes) -> None:
    assert channels.parse_status(payload) is None


def test_causes_of_another_failure_are_no_exit_codes() -> None:
    raw = {
        "status": "Failure",
        "reason": "InternalError",
        "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
    }
    status = channels.parse_status(json.dumps(raw).encode())
    assert status is not None
    assert status.returncode is None


@pytest.mark.parametrize(
    "details", [None, {}, {"causes": None}, {"causes": ["x"]}, {"causes": [{"reason": "ExitCode"}]}]
)
def test_a_non_zero_exit_without_its_code_is_unknown(details: Any) -> None:
    raw = {"status": "Failure", "reason": "NonZeroExitCode", "details": details}
    status = channels.parse_status(json.dumps(raw).encode())
    assert status is not None
    assert status.returncode is None


def _recorded_statuses() -> list[tuple[str, str]]:
    found = []
    for name in ("exec-v4.json", "exec-v5.json"):
        for exchange in json.loads((RECORDINGS / name).read_text())["exchanges"]:
            for frame in exchange["response"].get("frames", []):
                whole = frame.get("length") == len(frame.get("data", ""))
                if frame.get("channel") == channels.STATUS and frame["length"] and whole:
                    found.append((exchange["name"], frame["data"]))
    return [(name, data) for name, data in found if name not in ("offer nothing", "portforward: refused by the pod")]


@pytest.mark.parametrize(("name", "data"), _recorded_statuses())
def test_every_recorded_status_is_understood(name: str, data: str) -> None:
    status = channels.parse_status(data.encode("latin-1"))
    assert status is not None
    if status.reason == "NonZeroExitCode":
        assert isinstance(status.returncode, int)
        assert status.returncode > 0
    elif status.status["status"] == "Success":
        assert status.returncode == 0
    else:
        assert status.returncode is None
