"""exec(input=…): the command reads it all and then the end of it, on v5 and on v4, which cannot end a stdin."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from devservers import errors
from devservers.crds.devserver import DevServer

from .builders import LONG, pod_name
from .staged import StagedServer

MEGABYTE = 1 << 20
SIZES = (0, 1, 32767, 32768, 32769, 4 * MEGABYTE + 7)


@pytest.mark.parametrize("given", ["Grüße\n", "Grüße\n".encode(), bytearray(b"Gr\xc3\xbc\xc3\x9fe\n")])
def test_input_is_text_or_bytes(devserver: DevServer, given: Any) -> None:
    assert devserver.exec("cat", input=given).stdout == "Grüße\n"


def test_text_is_encoded_as_asked(devserver: DevServer) -> None:
    assert devserver.exec("cat", input="ü", encoding="latin-1").stdout_bytes == b"\xfc"


def test_the_command_sees_the_end_of_its_input(devserver: DevServer) -> None:
    result = devserver.exec(["sh", "-c", "wc -c; echo ended"], input=b"12345")
    assert result.stdout.split() == ["5", "ended"]


@pytest.mark.parametrize("size", SIZES)
def test_any_size_arrives_whole_byte_for_byte(devserver: DevServer, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    result = devserver.exec("sha256sum", input=data)
    assert result.stdout.split()[0] == hashlib.sha256(data).hexdigest()


def test_much_goes_in_and_comes_out_at_the_same_time(devserver: DevServer) -> None:
    data = bytes(range(256)) * (4 * MEGABYTE // 256)
    assert devserver.exec("cat", input=data, text=False).stdout == data


def test_a_command_that_does_not_read_its_input_ends_when_it_ends(devserver: DevServer) -> None:
    result = devserver.exec("echo done; exit 4", shell=True, input=b"x" * MEGABYTE)
    assert (result.stdout, result.returncode) == ("done\n", 4)


def test_without_input_there_is_nothing_to_read(devserver: DevServer) -> None:
    assert devserver.exec(["sh", "-c", "cat; echo ended"], timeout=LONG).stdout == "ended\n"


def test_input_goes_together_with_all_the_rest(devserver: DevServer) -> None:
    devserver.exec("mkdir -p /workspace/x", check=True)
    result = devserver.exec(
        'cat; printf "|%s|" "$A"; pwd; exit 5', shell=True, input="in", cwd="/workspace/x", env={"A": "b"}, timeout=LONG
    )
    assert (result.stdout, result.returncode) == ("in|b|/workspace/x\n", 5)


def test_a_command_killed_while_it_reads_has_its_code(devserver: DevServer) -> None:
    assert devserver.exec("kill -9 $$", shell=True, input=b"x" * 100).returncode == 137


def test_on_busybox_it_is_no_different(busybox: DevServer) -> None:
    data = bytes(range(256)) * 5000
    assert busybox.exec("cat", input=data, text=False, cwd="/workspace", timeout=LONG).stdout == data


def test_a_command_that_is_not_there_is_told_with_input_as_well(devserver: DevServer) -> None:
    with pytest.raises(errors.CommandNotFoundError, match="'nosuchcommand' was not found in pod"):
        devserver.exec("nosuchcommand", input="x")


def test_without_a_shell_v4_cannot_end_the_input_and_says_so(old: StagedServer) -> None:
    from devservers.crds.base import ObjectMeta

    server = DevServer.create(ObjectMeta(name="dev"), {"flavor": "cpu-small", "image": "distroless"})
    with pytest.raises(errors.CommandNotFoundError) as caught:
        server.wait_for_ready(timeout=LONG).exec("cat", input="x")
    assert str(caught.value) == (
        f'there is no /bin/sh in pod "{pod_name(old)}" in namespace "default", container devserver, '
        "which input requires"
    )
