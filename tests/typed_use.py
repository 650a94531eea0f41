"""What a type checker tells a user of the public API. Never run: ``mypy`` reads it with the rest of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import devservers
from devservers import BaseCustomResource, DevServer, ExecResult, ObjectMeta, PersistentHomeSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import assert_type

    from devservers.crds.files.transfer import TransferReport
    from devservers.transport import Watch


class Widget(BaseCustomResource):
    group, version, plural = "example.io", "v1", "widgets"


def class_methods_give_the_class_they_are_called_on() -> None:
    assert_type(DevServer.create(ObjectMeta(name="a"), {"flavor": "x"}), DevServer)
    assert_type(Widget.get("a"), Widget)
    assert_type(Widget.list(), list[Widget])
    assert_type(Widget.iterate(), Iterator[Widget])
    assert_type(Widget.watch_all(), Watch)


def methods_that_change_an_object_give_it_back(widget: Widget) -> None:
    assert_type(widget.update(), Widget)
    assert_type(widget.patch({"spec": {}}), Widget)
    assert_type(widget.patch([{"op": "remove", "path": "/spec/a"}]), Widget)
    assert_type(widget.apply(field_manager="me"), Widget)
    assert_type(widget.refresh(), Widget)


def a_context_manager_gives_a_server(workspace: Path, remote: dict[str, str]) -> None:
    with DevServer(ObjectMeta(name="a"), {"flavor": "x"}, sync_workspace={workspace: "/workspace"}) as server:
        assert_type(server, DevServer)
        assert_type(server.sync(), list[TransferReport])
        assert_type(server.spec, dict[str, Any])
        assert_type(server.persistent_home, Optional[PersistentHomeSpec])
        server.persistent_home = PersistentHomeSpec(size="20Gi")
        server.persistent_home = {"enabled": True}
    DevServer(ObjectMeta(name="a"), {"flavor": "x"}, sync_workspace=remote)


def exec_gives_text_or_bytes(server: DevServer, text: bool) -> ExecResult:
    assert_type(server.exec("ls").stdout, str)
    assert_type(server.exec("ls", text=False).stdout, bytes)
    assert_type(server.exec("ls", text=text), ExecResult[Any])
    assert_type(server.exec(["ls"], stdout=print), ExecResult[Any])
    return server.exec("ls", check=True)


def exceptions_are_typed(error: devservers.errors.NotFoundError) -> None:
    assert_type(error.causes, list[dict[str, Any]])
    assert_type(error.retry_after, Optional[float])
