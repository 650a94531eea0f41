"""Commands in pod directories: path mapping both ways, environment, exit codes, what an image has, and cleaning up."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakeapiserver.pods.images import repository, variant
from tests.fakeapiserver.pods.pathmap import Outward, PathMap
from tests.fakeapiserver.pods.runtime import Runtime
from tests.fakeapiserver.pods.sandbox import CannotStart, Sandbox
from tests.machine import needs_busybox

ROOT = "/tmp/fakeapiserver-x1y2z3/pods/default_pod-0_uid/root"


class Result:
    """What a command left behind."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code, self.out, self.err = code, out, err


def run(sandbox: Sandbox, *command: str, stdin: Optional[bytes] = None, tty: bool = False) -> Result:
    """Run a command to its end."""
    out: list[bytes] = []
    err: list[bytes] = []
    codes: list[int] = []
    ended = threading.Event()

    def on_exit(code: int) -> None:
        codes.append(code)
        ended.set()

    process = sandbox.start(
        command, stdin=stdin is not None, stdout=out.append, stderr=err.append, tty=tty, on_exit=on_exit
    )
    if stdin is not None:
        process.write(stdin)
    process.close_stdin()
    assert ended.wait(30), f"{command} did not end"
    return Result(codes[0], b"".join(out), b"".join(err))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    box = Sandbox(str(tmp_path / "pod"), hostname="pod-0", mounts=("/workspace", "/home/dev", "/data", "/mnt/models"))
    yield box
    box.remove()


# paths on the way in


@pytest.mark.parametrize(
    ("argument", "mapped"),
    [
        ("/workspace/x", "@/workspace/x"),
        ("/workspace", "@/workspace"),
        ("/", "@"),
        ("ls /home", "ls @/home"),
        ("tar -C/workspace -xf -", "tar -C@/workspace -xf -"),
        ("--file=/tmp/x", "--file=@/tmp/x"),
        ("src:/workspace:ro", "src:@/workspace:ro"),
        ("open('/workspace/x')", "open('@/workspace/x')"),
        ("cd / && ls", "cd @ && ls"),
        ("sed 's|^/workspace/||'", "sed 's|^@/workspace/||'"),
        ("echo x >/data/y", "echo x >@/data/y"),
        ("/no-such-top-level/file", "@/no-such-top-level/file"),
    ],
)
def test_a_path_below_a_mapped_one_leads_into_the_pods_directory(argument: str, mapped: str) -> None:
    assert PathMap(ROOT).inward(argument) == mapped.replace("@", ROOT)


@pytest.mark.parametrize(
    "argument",
    [
        "/usr/bin/env",
        "/data.txt x",
        "/workspace-old x",
        "a/tmp/b",
        "${X}/tmp",
        'cat "$HOME"/data/x',
        "http://host/data/x",
        "awk '/pattern/'",
        "s/\\/tmp\\//x/",
        "$((6 / 2))",
        f"{ROOT}/tmp/x",
    ],
)
def test_other_paths_and_words_stay(argument: str) -> None:
    assert PathMap(ROOT).inward(argument) == argument


# paths on the way out


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ROOT + "\n", ROOT + "/x", ROOT, "/tmp/", "text", "/", ROOT[:20]]), st.integers(0, 90)
        ),
        max_size=8,
    )
)
def test_the_pods_directory_is_removed_from_output_however_it_is_split(parts: list[tuple[str, int]]) -> None:
    filler = b"#" * 4096  # only large writes are ever split
    texts = [filler + part.encode() for part, _ in parts]
    cuts = [len(filler) + min(cut, len(part)) for part, cut in parts]
    pieces = [b"", *(text[cut:] for text, cut in zip(texts, cuts))]
    heads = [text[:cut] for text, cut in zip(texts, cuts)]
    outward = Outward(ROOT)
    out = (
        b"".join(outward.feed(rest + head) for rest, head in zip(pieces, heads))
        + outward.feed(pieces[-1])
        + outward.flush()
    )
    root = ROOT.encode()
    assert out == b"".join(texts).replace(root + b"/", b"/").replace(root, b"/")


def test_a_prompt_is_not_held_back() -> None:
    assert Outward(ROOT).feed(b"workspace/") == b"workspace/"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("size", [1, 7, 512, 1000, 100_000])
def test_members_of_a_tar_archive_lose_the_pods_directory(form: int, size: int) -> None:
    names = ["workspace/a", "workspace/" + "d" * 60 + "/" + "n" * 70, "workspace/" + "l" * 90]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=form) as tar:
        for name in names:
            member = tarfile.TarInfo(f"{ROOT[1:]}/{name}")
            member.size = 700
            tar.addfile(member, io.BytesIO(f"{ROOT}/kept ".encode().ljust(700)))
        link = tarfile.TarInfo("workspace/link")
        link.type, link.linkname = tarfile.SYMTYPE, f"{ROOT}/workspace/a"
        tar.addfile(link)
    data, outward = archive.getvalue(), Outward(ROOT)
    first = max(size, 600)  # a pipe brings the first header whole
    chunks = [data[:first], *(data[at : at + size] for at in range(first, len(data), size))]
    out = b"".join(outward.feed(chunk) for chunk in chunks) + outward.flush()
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        assert tar.getnames() == [*names, "workspace/link"]
        assert tar.getmember("workspace/link").linkname == "/workspace/a"
        extracted = tar.extractfile(names[0])
        assert extracted is not None
        assert extracted.read() == f"{ROOT}/kept ".encode().ljust(700)


# commands


def test_a_command_sees_the_containers_paths(sandbox: Sandbox) -> None:
    assert run(sandbox, "sh", "-c", "cd /workspace; pwd; echo hi > f; find /workspace -type f").out == (
        b"/workspace\n/workspace/f\n"
    )
    assert (Path(sandbox.paths.root) / "workspace" / "f").read_text() == "hi\n"


def test_the_root_directory_looks_like_one(sandbox: Sandbox) -> None:
    names = set(run(sandbox, "ls", "/").out.decode().split())
    assert {"bin", "etc", "home", "root", "tmp", "usr", "var", "workspace", "data", "mnt"} <= names
    assert run(sandbox, "pwd").out == b"/\n"
    assert run(sandbox, "ls", "/home", "/mnt").out == b"/home:\ndev\n\n/mnt:\nmodels\n"


def test_an_archive_extracted_into_the_root_lands_in_the_pod(sandbox: Sandbox) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("workspace/deep/file")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"hi"))
    assert run(sandbox, "tar", "-xf", "-", "-C", "/", stdin=archive.getvalue()).code == 0
    assert run(sandbox, "cat", "/workspace/deep/file").out == b"hi"


def test_the_environment_is_that_of_a_container(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    lines = run(sandbox, "env").out.decode().splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    assert environment["HOME"] == "/root"
    assert environment["HOSTNAME"] == "pod-0"
    assert "SECRET_OF_THE_HOST" not in environment


def test_variables_and_working_directory_come_from_the_pods_spec(tmp_path: Path) -> None:
    container = {
        "name": "c",
        "env": [{"name": "HOME", "value": "/home/dev"}, {"name": "A", "value": "b c"}],
        "workingDir": "/srv/app",
        "volumeMounts": [{"name": "v", "mountPath": "/models"}],
    }
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [container]}}
    runtime = Runtime(lambda: str(tmp_path))
    try:
        box = runtime.sandbox(pod)
        assert (
            run(box, "sh", "-c", 'pwd; echo "$HOME" "$A"; ls -d /models').out == b"/srv/app\n/home/dev b c\n/models\n"
        )
    finally:
        runtime.stop()


@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("nosuchcommand", 127)]
)
def test_exit_codes_are_what_a_shell_says(sandbox: Sandbox, script: str, code: int) -> None:
    assert run(sandbox, "sh", "-c", script).code == code


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
        ("/no/such", 'exec: "/no/such": stat /no/such: no such file or directory'),
        ("./nosuch", 'exec: "./nosuch": stat ./nosuch: no such file or directory'),
        ("/workspace", 'exec: "/workspace": is a directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
    ],
)
def test_a_program_that_cannot_run_is_refused_in_the_runtimes_words(sandbox: Sandbox, command: str, why: str) -> None:
    with pytest.raises(CannotStart) as caught:
        run(sandbox, command)
    prefix = "OCI runtime exec failed: exec failed: unable to start container process: "
    assert str(caught.value) == f"{prefix}{why}: unknown"


def test_a_script_of_the_pod_is_run_by_its_path(sandbox: Sandbox) -> None:
    run(sandbox, "sh", "-c", "printf '#!/bin/sh\\necho ran $0\\n' > /workspace/s; chmod +x /workspace/s")
    assert run(sandbox, "/workspace/s").out == b"ran /workspace/s\n"


def test_each_command_has_its_own_terminal(sandbox: Sandbox) -> None:
    result = run(sandbox, "sh", "-c", "test -t 0 && test -t 1 && echo tty > /dev/tty; echo err >&2", tty=True)
    assert (result.out, result.err) == (b"tty\r\nerr\r\n", b"")


# images


@pytest.mark.parametrize(
    ("image", "name", "last"),
    [
        ("ubuntu:22.04", "ubuntu", "ubuntu"),
        ("host:5000/team/failed:1", "host:5000/team/failed", "failed"),
        ("host:5000/never@sha256:0", "host:5000/never", "never"),
        ("", "", ""),
    ],
)
def test_the_repositorys_last_word_is_the_images_variant(image: str, name: str, last: str) -> None:
    assert (repository(image), variant(image)) == (name, last)


@needs_busybox
def test_the_busybox_image_has_busybox_tools(tmp_path: Path) -> None:
    box = Sandbox(str(tmp_path / "pod"), image="busybox:1.36")
    try:
        assert b"busybox" in run(box, "tar", "--version").out
        assert b"busybox" in run(box, "sh", "-c", "tar --version").out
    finally:
        box.remove()


@pytest.mark.parametrize(
    ("image", "missing"), [("x/notar", "tar"), ("x/distroless", "sh"), ("x/distroless", "/bin/sh")]
)
def test_an_image_can_lack_programs(tmp_path: Path, image: str, missing: str) -> None:
    box = Sandbox(str(tmp_path / "pod"), image=image)
    try:
        assert run(box, "echo", "x").out == b"x\n"
        with pytest.raises(CannotStart, match=r"not found|no such file"):
            run(box, missing)
    finally:
        box.remove()


# the end


def test_removing_a_sandbox_kills_processes_outside_its_group(tmp_path: Path) -> None:
    """Repeatedly: a process that is just starting a program has no environment to be found by."""
    for number in range(30):
        box = Sandbox(str(tmp_path / f"pod{number}"))
        pid = int(run(box, "sh", "-c", "setsid sleep 60 > /dev/null 2>&1 & echo $!").out)
        box.remove()
        assert state_of(pid) in ("gone", "Z")
        assert not (tmp_path / f"pod{number}").exists()


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def test_nothing_starts_in_a_removed_sandbox(tmp_path: Path) -> None:
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {}}
    runtime = Runtime(lambda: str(tmp_path))
    box = runtime.sandbox(pod)
    runtime.remove(pod)
    with pytest.raises(CannotStart):
        run(box, "true")
    with pytest.raises(CannotStart):
        runtime.sandbox(pod)


def test_a_runtime_that_was_stopped_before_its_first_pod_starts_nothing(tmp_path: Path) -> None:
    runtime = Runtime(lambda: str(tmp_path / "pods"))
    runtime.stop()
    with pytest.raises(CannotStart):
        runtime.sandbox({"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {}})
    assert not (tmp_path / "pods").exists()


def test_no_descriptor_leaks(sandbox: Sandbox) -> None:
    run(sandbox, "cat", stdin=b"x")
    before = set(os.listdir("/proc/self/fd"))
    for tty in (False, True):
        run(sandbox, "cat", "/dev/null", stdin=b"x", tty=tty)
    assert set(os.listdir("/proc/self/fd")) == before
