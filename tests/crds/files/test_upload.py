"""What lands in a container, on every kind of box: modes, times, links, names, places."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devservers.crds.files.transfer import upload

from .boxes import NOBODY, Box, snapshot


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o7777)


def test_a_tree_arrives_with_its_modes_mtimes_links_and_contents(box: Box, tree: Path) -> None:
    upload(box, tree, str(box.path("workspace/project")))
    assert snapshot(box.path("workspace/project")) == snapshot(tree)


def test_a_second_upload_over_the_first_gives_the_same(box: Box, tree: Path) -> None:
    for _ in range(2):
        upload(box, tree, str(box.path("project")))
    assert snapshot(box.path("project")) == snapshot(tree)


def test_the_report_counts_what_was_copied(v4_box: Box, tree: Path) -> None:
    os.mkfifo(tree / "src" / "fifo")
    report = upload(v4_box, tree, str(v4_box.path("p")))
    assert (report.local, report.remote) == (str(tree), str(v4_box.path("p")))
    assert (report.files, report.directories, report.symlinks, report.skipped) == (4, 3, 2, ("src/fifo",))
    assert report.bytes == 70_000 + len(b"read me\n") + len(b"#!/bin/sh\n")
    assert report.wire_bytes == v4_box.fed


def test_reports_are_compared_and_shown_by_their_fields_and_cannot_be_changed(v4_box: Box, local: Path) -> None:
    (local / "f").write_bytes(b"1234")
    one, other = (upload(v4_box, local, "p") for _ in range(2))
    assert one == other
    assert len({one, other}) == 1
    assert str(one) == (
        f"TransferReport(local={str(local)!r}, remote='p', files=1, directories=0, symlinks=0, bytes=4, "
        f"wire_bytes={one.wire_bytes}, skipped=())"
    )
    with pytest.raises(AttributeError):
        one.files = 2  # type: ignore[misc]


def test_an_empty_directory_makes_an_empty_directory(box: Box, local: Path) -> None:
    upload(box, local, str(box.path("a/b/c")))
    assert snapshot(box.path("a/b")) == {"c": snapshot(box.path("a/b"))["c"]}


def test_other_files_stay_and_same_named_ones_are_replaced(box: Box, local: Path) -> None:
    (local / "same").write_bytes(b"new")
    box.path("p").mkdir()
    box.path("p/same").write_bytes(b"older and longer")
    box.path("p/other").write_bytes(b"mine")
    upload(box, local, str(box.path("p")))
    assert (box.path("p/same").read_bytes(), box.path("p/other").read_bytes()) == (b"new", b"mine")


def test_a_file_replaces_a_symlink_and_does_not_write_through_it(v4_box: Box, local: Path) -> None:
    (local / "f").write_bytes(b"new")
    v4_box.path("p").mkdir()
    v4_box.path("outside").write_bytes(b"untouched")
    v4_box.path("p/f").symlink_to("../outside")
    upload(v4_box, local, str(v4_box.path("p")))
    assert (v4_box.path("p/f").is_symlink(), v4_box.path("outside").read_bytes()) == (False, b"untouched")


def test_contents_go_where_the_directory_goes_when_a_symlink_stands_in_its_place(v4_box: Box, tree: Path) -> None:
    v4_box.path("p").mkdir()
    v4_box.path("elsewhere").mkdir()
    v4_box.path("p/src").symlink_to("../elsewhere")
    upload(v4_box, tree, str(v4_box.path("p")))
    assert snapshot(v4_box.path("p/src/")) == snapshot(tree / "src")


def test_a_remote_that_is_a_symlink_to_a_directory_is_followed(v4_box: Box, tree: Path) -> None:
    v4_box.path("data").mkdir()
    v4_box.path("workspace").symlink_to("data")
    upload(v4_box, tree, str(v4_box.path("workspace")))
    assert v4_box.path("workspace").is_symlink()
    assert snapshot(v4_box.path("data")) == snapshot(tree)


def test_a_new_remote_directory_has_the_local_ones_mode(v4_box: Box, local: Path) -> None:
    local.chmod(0o2750)
    upload(v4_box, local, str(v4_box.path("new/dir")))
    assert (mode(v4_box.path("new/dir")), mode(v4_box.path("new"))) == ("0o750", "0o755")


def test_an_existing_remote_directory_keeps_its_mode(v4_box: Box, local: Path) -> None:
    v4_box.path("old").mkdir()
    v4_box.path("old").chmod(0o1777)
    local.chmod(0o700)
    upload(v4_box, local, str(v4_box.path("old")))
    assert mode(v4_box.path("old")) == "0o1777"


@pytest.mark.parametrize("user", [None, NOBODY], ids=["as the same user", "as another user"])
def test_the_containers_umask_takes_nothing_from_the_modes(v4_box: Box, local: Path, user: Optional[int]) -> None:
    if os.geteuid() == 0:  # else there is only one user, and it is not root
        v4_box.user = user
    v4_box.umask = 0o077
    (local / "d").mkdir()
    modes = {"d/run": 0o777, "d/shared": 0o666, "secret": 0o400}
    if os.geteuid() == 0:
        modes["none"] = 0  # nobody else could read it
    for name, bits in modes.items():
        (local / name).touch()
        (local / name).chmod(bits)
    (local / "d").chmod(0o775)
    upload(v4_box, local, str(v4_box.path("p")))
    landed = {name: facts[1] for name, facts in snapshot(v4_box.path("p")).items()}
    assert landed == {"d": "0o775", **{name: oct(bits) for name, bits in modes.items()}}


def test_set_user_id_and_the_like_are_dropped(v4_box: Box, local: Path) -> None:
    (local / "tool").touch()
    (local / "tool").chmod(0o6755)
    upload(v4_box, local, str(v4_box.path("p")))
    assert mode(v4_box.path("p/tool")) == "0o755"


def test_owners_are_not_carried(v4_box: Box, local: Path) -> None:
    (local / "f").touch()
    if os.geteuid() == 0:
        os.chown(local / "f", 12345, 12345)
        v4_box.user = NOBODY
    upload(v4_box, local, str(v4_box.path("p")))
    assert v4_box.path("p/f").stat().st_uid == (v4_box.user or os.geteuid())


def test_the_group_of_a_set_group_id_volume_is_inherited(v4_box: Box, local: Path) -> None:
    group = 12345 if os.geteuid() == 0 else os.getegid()
    (local / "f").touch()
    v4_box.path("volume").mkdir()
    os.chown(v4_box.path("volume"), -1, group)
    v4_box.path("volume").chmod(0o2775)
    upload(v4_box, local, "volume")
    assert v4_box.path("volume/f").stat().st_gid == group


def test_a_new_read_only_directory_holds_what_was_uploaded_and_nothing_else(v4_box: Box, local: Path) -> None:
    if os.geteuid() == 0:
        v4_box.user = NOBODY
    for name in ("kept", "deleted"):
        (local / name).touch()
    local.chmod(0o555)

    def delete_one() -> None:
        local.chmod(0o755)
        (local / "deleted").unlink()

    v4_box.before_feeding = delete_one
    try:
        upload(v4_box, local, "new")
    finally:
        local.chmod(0o755)
    assert (list(snapshot(v4_box.path("new"))), mode(v4_box.path("new"))) == (["kept"], "0o555")


def test_read_only_directories_can_be_uploaded_again_by_who_is_not_root(v4_box: Box, local: Path) -> None:
    if os.geteuid() == 0:
        v4_box.user = NOBODY
    (local / "mod cache" / "inner").mkdir(parents=True)
    for number in range(2):
        (local / "mod cache" / "inner" / "f").write_bytes(b"%d" % number)
        for name in ("mod cache/inner", "mod cache"):
            (local / name).chmod(0o555)
        upload(v4_box, local, str(v4_box.path("p")))
        for name in ("mod cache", "mod cache/inner"):
            assert mode(v4_box.path("p") / name) == "0o555"
            (local / name).chmod(0o755)
    assert v4_box.path("p/mod cache/inner/f").read_bytes() == b"1"


@pytest.mark.parametrize("when", [-1_000_000, 0, 2**33], ids=["before 1970", "1970", "in 2242"])
def test_odd_times_are_no_obstacle(v4_box: Box, local: Path, when: int) -> None:
    (local / "f").touch()
    os.utime(local / "f", (when, when))
    upload(v4_box, local, str(v4_box.path("p")))
    assert v4_box.path("p/f").stat().st_mtime == max(0, when)


def test_hard_links_arrive_as_separate_files(v4_box: Box, local: Path) -> None:
    (local / "a").write_bytes(b"shared")
    os.link(local / "a", local / "b")
    upload(v4_box, local, str(v4_box.path("p")))
    assert {name: facts[3] for name, facts in snapshot(v4_box.path("p")).items()} == {"a": b"shared", "b": b"shared"}
    assert v4_box.path("p/a").stat().st_nlink == 1


def test_long_names_and_long_link_texts_arrive(v4_box: Box, local: Path) -> None:
    deep = local / ("d" * 101) / ("e" * 255) / ("f" * 200)
    deep.mkdir(parents=True)
    (deep / ("g" * 255)).write_bytes(b"deep")
    (local / "link").symlink_to("x" * 300)
    upload(v4_box, local, str(v4_box.path("p")))
    assert snapshot(v4_box.path("p")) == snapshot(local)


NAMES = st.sampled_from(
    [b"-rf", b"--", b"~", b" ", b"\n", b"$(x)", b"'", b'"', b"\\0101", b"*", b"a\nb\n", b"\xe9\x81\x88"]
)
ANY_NAME = (
    st.one_of(NAMES, st.binary(min_size=1, max_size=60))
    .map(lambda raw: raw.replace(b"\0", b"_").replace(b"/", b"-"))
    .filter(lambda raw: raw not in (b".", b".."))
    .map(os.fsdecode)
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(ANY_NAME, min_size=1, max_size=6, unique=True), ANY_NAME)
def test_hostile_names_arrive_as_they_are(
    v4_box: Box, tmp_path_factory: pytest.TempPathFactory, hostile: list[str], place: str
) -> None:
    local = tmp_path_factory.mktemp("hostile")
    for number, name in enumerate(hostile):
        (local / name).mkdir()
        (local / name / hostile[number - 1]).write_bytes(name.encode("utf-8", "surrogateescape"))
        (local / name / f"{hostile[number - 1]}@").symlink_to(name)
    remote = f"{tmp_path_factory.mktemp('box')}/{place}"
    upload(v4_box, local, remote)
    assert snapshot(remote) == snapshot(local)
    single = local / hostile[0] / hostile[-1]
    upload(v4_box, single, f"{remote}/new/")
    assert snapshot(f"{remote}/new") == {hostile[-1]: snapshot(local)[os.path.join(*single.parts[-2:])]}


def test_a_relative_remote_is_in_the_working_directory_and_a_leading_dash_is_part_of_the_name(
    v4_box: Box, tree: Path
) -> None:
    upload(v4_box, tree, "-p/q")
    assert snapshot(v4_box.path("-p/q")) == snapshot(tree)


@pytest.mark.parametrize("remote", ["~/sub", "~/sub/"])
def test_a_tilde_is_the_home_of_the_containers_user(v4_box: Box, tree: Path, remote: str) -> None:
    upload(v4_box, tree, remote)
    assert snapshot(v4_box.path("home/sub")) == snapshot(tree)


def test_a_tilde_alone_is_the_home_itself(v4_box: Box, tree: Path) -> None:
    upload(v4_box, tree, "~")
    assert snapshot(v4_box.path("home")) == snapshot(tree)


def test_a_tilde_on_the_local_side_is_the_local_home(gnu_box: Box, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tree.parent))
    assert upload(gnu_box, "~/local/README", "r").local == str(tree / "README")


def test_a_big_file_passes_with_flat_memory(v4_box: Box, local: Path) -> None:
    with (local / "big").open("wb") as big:
        big.truncate(20 * 1024 * 1024)
    upload(v4_box, local, "warm-up")
    tracemalloc.start()
    try:
        upload(v4_box, local, "p")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert v4_box.path("p/big").stat().st_size == 20 * 1024 * 1024
    assert peak < 1024 * 1024
