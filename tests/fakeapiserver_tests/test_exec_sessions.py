"""Exec sessions beyond the recordings: frames, terminals, and attach."""

from __future__ import annotations

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.pods import Pods

from .wsclient import ALL, BOTH, SUCCESS, TTY, Frame, WSClient, exec_target, output, read_until

# streams


def test_a_session_with_stdin_alone_begins_on_the_error_channel(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("cat", stdin="true")) as client:
        frames = client.frames()
        assert next(frames).data == b"\x03"
        client.send(255, b"\0")
        assert next(frames).data == SUCCESS


def test_each_fragment_is_a_message_of_its_own(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("head", "-c", "4", **ALL)) as client:
        client.send_fragment(b"\0ab", last=False)
        client.send_fragment(b"\0cd", last=True)
        assert output(client) == b"abcd"


def test_messages_for_channels_that_do_not_exist_are_ignored(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("head", "-c", "1", **ALL)) as client:
        for channel in (1, 3, 7, 200):
            client.send(channel, b"?")
        client.send(0, b"x")
        assert output(client) == b"x"


@pytest.mark.parametrize("payload", [b"", b"\0\0", b"\x05", b"\xff"])
def test_a_close_signal_that_names_no_channel_ends_a_v5_connection(plain: FakeAPIServer, payload: bytes) -> None:
    with WSClient(plain, exec_target("sleep", "60", **ALL)) as client:
        client.send(255, payload)
        assert [frame.data for frame in client.frames()] == [b"\x01", b""]


def test_a_frame_without_a_mask_breaks_the_protocol(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("cat", **ALL)) as client:
        client.socket.sendall(b"\x82\x03\0ab")
        assert list(client.frames())[-1].code == 1002


def test_bytes_that_are_not_utf8_reach_the_command(plain: FakeAPIServer) -> None:
    target = exec_target("printf", "%s").replace("command=%25s", "command=%25s&command=%FF%FE")
    with WSClient(plain, target) as client:
        assert output(client) == b"\xff\xfe"


def test_a_disconnected_client_ends_stdin_but_not_the_command(plain: FakeAPIServer) -> None:
    script = "cat; echo done > /workspace/done; exec sleep 60"
    with WSClient(plain, exec_target("sh", "-c", script, **ALL)) as client:
        client.send(0, b"x")
        read_until(client.frames(), b"x")
    with WSClient(
        plain, exec_target("sh", "-c", "until test -s /workspace/done; do sleep 0.01; done; echo yes")
    ) as client:
        assert output(client) == b"yes\n"


def test_unread_output_does_not_stop_the_command(plain: FakeAPIServer) -> None:
    script = "head -c 1000000 /dev/zero; echo done > /workspace/done"
    with WSClient(plain, exec_target("sh", "-c", script)) as client:
        next(client.frames())
    with WSClient(
        plain, exec_target("sh", "-c", "until test -s /workspace/done; do sleep 0.01; done; echo yes")
    ) as client:
        assert output(client) == b"yes\n"


def test_the_session_lasts_while_a_background_child_holds_the_output(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("sh", "-c", "(sleep 0.2; echo late) & echo early")) as client:
        assert output(client) == b"early\nlate\n"


def test_a_ping_is_answered_while_the_command_runs(either: FakeAPIServer) -> None:
    with WSClient(either, exec_target("sleep", "60")) as client:
        client.ping()
        assert any(not isinstance(event, Frame) for event in client.events())
        # the loop above ends at the pong; anything else would have run into the timeout


def test_attach_shows_what_the_container_prints_from_now_on(plain: FakeAPIServer) -> None:
    pods = Pods.of(plain)
    pods.log("default", "pod-0", "before")
    target = exec_target(**BOTH).replace("/exec?", "/attach?")
    with WSClient(plain, target) as client:
        frames = client.frames()
        assert next(frames).data == b"\x01"
        pods.log("default", "pod-0", "hello")
        assert next(frames).data == b"\x01hello\n"
        plain.store.delete("pods", "pod-0")
        assert next(frames).data == SUCCESS


# terminals


def test_a_terminal_echoes_and_ends_at_control_d(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("cat", **TTY)) as client:
        frames = client.frames()
        client.send(4, b'{"Width":80,"Height":24}')
        client.send(0, b"abc\n")
        assert read_until(frames, b"abc\r\nabc\r\n") == b"abc\r\nabc\r\n"
        client.send(0, b"\x04")
        assert next(frames).data == SUCCESS


def test_control_c_interrupts_the_command_in_a_terminal(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("cat", **TTY)) as client:
        frames = client.frames()
        client.send(0, b"up\n")
        read_until(frames, b"up\r\nup\r\n")
        client.send(0, b"\x03")
        assert b'"message":"130"' in list(frames)[-2].data


def test_a_terminal_is_resized_while_it_is_used(plain: FakeAPIServer) -> None:
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"
    with WSClient(plain, exec_target("sh", "-c", script, **TTY)) as client:
        frames = client.frames()
        client.send(4, b'{"Width":80,"Height":24}')
        read_until(frames, b"ready")
        client.send(4, b'{"Width":132,"Height":50}')
        assert b"50 132" in read_until(frames, b"50 132")


def test_a_command_without_a_terminal_ignores_sizes(plain: FakeAPIServer) -> None:
    with WSClient(plain, exec_target("head", "-c", "1", **ALL)) as client:
        for _ in range(3):
            client.send(4, b'{"Width":80,"Height":24}')
        client.send(4, b"no JSON")
        client.send(0, b"x")
        assert output(client) == b"x"
