"""How long the way of a call through the package is: ``python -m tests.benchmarks.frames``.

For each operation it prints the number of the package's own frames on the stack when a request's
first bytes go out (one figure a request, in order), how many of its functions took part, and how
many calls of them there were. Frames count what a reader of a traceback has to read; calls count
what the interpreter has to do. Measured with ``sys.setprofile`` on a connection that is already
open, against the bundled fake API server, whose threads do not count. Generators count once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from inspect import CO_GENERATOR
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any, Optional

import devservers
from devservers import DevServer, RESTClient, load_config
from tests.fakeapiserver import FakeAPIServer

PACKAGE = os.path.dirname(devservers.__file__) + os.sep
SENDING = ("send", "sendall")
RECEIVING = ("recv", "recv_into", "settimeout")


class Profile:
    """Follows the calls of one thread while it is entered."""

    def __init__(self) -> None:
        self.calls = 0
        self.functions: set[CodeType] = set()
        self.depths: list[int] = []
        self._sent = False  # something, and nothing was received since
        self._known: dict[str, bool] = {}
        self._generators: set[FrameType] = set()

    def __enter__(self) -> Profile:
        sys.setprofile(self._event)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.setprofile(None)

    def _is_ours(self, code: CodeType) -> bool:
        name = code.co_filename
        if name not in self._known:
            self._known[name] = name.startswith(PACKAGE)
        return self._known[name]

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and self._is_ours(frame.f_code) and frame not in self._generators:
            if frame.f_code.co_flags & CO_GENERATOR:
                self._generators.add(frame)
            self.calls += 1
            self.functions.add(frame.f_code)
        elif event == "c_call" and "socket" in _owner(argument):
            self._socket_operation(frame, argument.__name__)

    def _socket_operation(self, frame: FrameType, name: str) -> None:
        """A send begins a request unless nothing was received since the last one.

        ``settimeout`` comes before each operation of a REST connection; the operation itself,
        called by a ``partial``, is not told to a profiler.
        """
        own = [code.co_name for code in self._own_codes(frame)]
        if name in SENDING or (name == "settimeout" and "sendall" in own):
            if not self._sent:
                self.depths.append(len(own))
            self._sent = True
        elif name in RECEIVING:
            self._sent = False

    def _own_codes(self, frame: Optional[FrameType]) -> Iterator[CodeType]:
        while frame is not None:
            if self._is_ours(frame.f_code):
                yield frame.f_code
            frame = frame.f_back


def _owner(function: Any) -> str:
    return type(getattr(function, "__self__", None)).__name__.lower()


def report(name: str, operation: Callable[[], object]) -> None:
    operation()  # what is imported, looked up and opened once is not what is measured
    with Profile() as profile:
        operation()
    depths = " + ".join(map(str, profile.depths))
    print(f"{name:<32} frames {depths:<14} functions {len(profile.functions):4}   calls {profile.calls:6}", flush=True)


def wait_for_running(server: DevServer) -> None:
    for _ in server.wait_for_status({"phase": "Running"}, timeout=20):
        pass


def main() -> None:
    with FakeAPIServer(operator=True) as fake, TemporaryDirectory() as local:
        (Path(local) / "file").write_text("content")
        client = RESTClient(load_config(fake.kubeconfig))
        server = DevServer(
            {"name": "frames"}, {"flavor": "cpu-small"}, sync_workspace={local: "/workspace"},
            client=client,
        )  # fmt: skip
        with client, server:
            report("list", lambda: DevServer.list(client=client))
            report("get", lambda: DevServer.get("frames", client=client))
            report("wait_for_status (it holds)", lambda: wait_for_running(server))
            report('exec("echo hi")', lambda: server.exec("echo hi"))
            report("sync (one file)", server.sync)


if __name__ == "__main__":
    main()
