"""DevServer: a remote development server, created, awaited, filled, used, and deleted whatever
happens.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Optional, TypeVar, Union, overload

from .. import arguments
from ..parts import needed_by
from ..transport.deadline import Deadline
from . import const
from .base import BaseCustomResource
from .model.metadata import Metadata
from .model.spec import (
    LifecycleSpec,
    PersistentHomeSpec,
    SSHSpec,
    VolumeSpec,
    get_view,
    get_views,
    set_view,
    set_views,
)
from .model.timetolive import check_time_to_live
from .result import ExecResult

if TYPE_CHECKING:
    from ..transport.rest import RESTClient
    from .commands.execution import Destination
    from .files.transfer import TransferReport
    from .lifecycle.obligation import Obligation
    from .lifecycle.withstate import History

__all__ = [
    "DevServer",
    "ExecResult",
    "LifecycleSpec",
    "PersistentHomeSpec",
    "SSHSpec",
    "VolumeSpec",
]


D = TypeVar("D", bound="DevServer")
PathLike = Union[str, "os.PathLike[str]"]
IF_EXISTS = ("fail", "attach")
DELETE_ON_EXIT = ("always", "on_success", "never")


def _nothing_to_leave(server: DevServer, error: Optional[BaseException]) -> None:
    """No ``with`` has been entered."""


class DevServer(BaseCustomResource):
    """A development server.

    As a context manager it is created, waited for until it is ready, passed to the body, and
    deleted at the end: whether the body ended or raised, the wait failed, or Ctrl-C came at any
    moment::

        with DevServer(metadata=ObjectMeta(name="dev"), spec={"flavor": "cpu-small"}) as server:
            server.exec("pytest", check=True)

    For an object that exists already (``with DevServer.get("dev") as server``) it only waits, and
    does not delete it.

    Args:
        metadata: name, namespace, labels…
        spec: the desired state, as in the API.
        wait_timeout: seconds that ``with`` waits for readiness; None: no limit.
        sync_workspace: local path -> remote path, copied by :meth:`sync`.
        delete_on_exit: ``"always"``, ``"on_success"`` (kept when the body raised, or it did not get
            ready) or ``"never"``.
        if_exists: what ``with`` does if there is one of that name: ``"fail"`` (AlreadyExistsError),
            or ``"attach"``: wait until that one is ready, use it as it is, and do not delete it.
        deletion_timeout: seconds that leaving ``with`` waits until the deleted object is gone (its
            operator's finalizer keeps it for a moment); 0: not at all. If it still exists then, a
            log line names its finalizers.
        fail_fast: end a wait for readiness as soon as it is clear that it is pointless; False: wait
            until ``wait_timeout`` in any case.
        on_event: called with a short line for each step of ``with`` and of the wait. The logger
            ``devservers`` gets these lines, too, at INFO.
        client: the client to use; default: the process-wide one.
    """

    group = const.GROUP
    version = const.VERSION
    plural = const.PLURAL_DEVSERVER

    wait_timeout: Optional[float] = 300
    # Keys of a Mapping are invariant: if they were PathLike, a dict[str, str] would be refused.
    sync_workspace: Mapping[Any, PathLike] = {}
    delete_on_exit: str = "always"
    if_exists: str = "fail"
    deletion_timeout: float = 10
    fail_fast: bool = True
    on_event: Optional[Callable[[str], object]] = None
    _SHARED = frozenset({"on_event", "_leave"})
    _history: Optional[History] = None  # of its with statements
    # From __enter__ on it is :func:`.lifecycle.managed.leave`: a generator with a ``with`` in it
    # may be closed while the interpreter ends, when nothing can be imported any more.
    _leave: Callable[[Any, Optional[BaseException]], None] = staticmethod(_nothing_to_leave)

    def __init__(
        self, metadata: Metadata, spec: Mapping[str, Any], *, wait_timeout: Optional[float] = 300,
        sync_workspace: Optional[Mapping[Any, PathLike]] = None, delete_on_exit: str = "always",
        if_exists: str = "fail", deletion_timeout: float = 10, fail_fast: bool = True,
        on_event: Optional[Callable[[str], object]] = None,
        client: Optional[RESTClient] = None,
    ) -> None:  # fmt: skip
        super().__init__(metadata, arguments.mapping(spec, "spec"), client=client)
        check_time_to_live(spec)
        self.wait_timeout = wait_timeout
        self.deletion_timeout = deletion_timeout
        self.fail_fast = fail_fast
        self.on_event = on_event
        self.sync_workspace = {} if sync_workspace is None else sync_workspace
        self.delete_on_exit = delete_on_exit
        self.if_exists = if_exists

    if not TYPE_CHECKING:  # as in ObjectView

        def __setattr__(self, name, value):
            """A setting is checked when it is assigned: leaving ``with`` would be too late."""
            check = _SETTINGS.get(name)
            super().__setattr__(name, check(value, name) if check else value)

    @classmethod
    def _of(cls: type[D], raw: dict[str, Any], client: RESTClient) -> D:
        server = super()._of(raw, client)
        server.sync_workspace = {}
        return server

    # -- typed views of the spec ------------------------------------------------------------------

    @property
    def persistent_home(self) -> Optional[PersistentHomeSpec]:
        """``spec.persistentHome``, live; None if it is not set. Assign None to remove it."""
        return get_view(self.spec, "persistentHome", PersistentHomeSpec)

    @persistent_home.setter
    def persistent_home(self, value: Union[PersistentHomeSpec, Mapping[str, Any], None]) -> None:
        set_view(self.spec, "persistentHome", value, PersistentHomeSpec)

    @property
    def ssh(self) -> Optional[SSHSpec]:
        """``spec.ssh``, live; None if it is not set."""
        return get_view(self.spec, "ssh", SSHSpec)

    @ssh.setter
    def ssh(self, value: Union[SSHSpec, Mapping[str, Any], None]) -> None:
        set_view(self.spec, "ssh", value, SSHSpec)

    @property
    def lifecycle(self) -> Optional[LifecycleSpec]:
        """``spec.lifecycle``, live; None if it is not set."""
        return get_view(self.spec, "lifecycle", LifecycleSpec)

    @lifecycle.setter
    def lifecycle(self, value: Union[LifecycleSpec, Mapping[str, Any], None]) -> None:
        set_view(self.spec, "lifecycle", value, LifecycleSpec)

    @property
    def volumes(self) -> list[VolumeSpec]:
        """``spec.volumes``: each of them live, the list a copy (assign a list to add or remove)."""
        return get_views(self.spec, "volumes", VolumeSpec)

    @volumes.setter
    def volumes(self, value: Optional[Sequence[Union[VolumeSpec, Mapping[str, Any]]]]) -> None:
        set_views(self.spec, "volumes", value, VolumeSpec)

    # -- readiness and the context manager --------------------------------------------------------

    def wait_for_ready(
        self: D, timeout: Optional[float] = None, *, fail_fast: Optional[bool] = None
    ) -> D:
        """Block until a command can be run: phase ``Running``, and the containers of its pod ready.

        Where pods may not be listed, the phase alone counts.

        Args:
            timeout: seconds; default: ``wait_timeout`` of this object.
            fail_fast: end the wait when it is pointless: an image that cannot be pulled for a
                minute, a container that keeps crashing, a flavor that does not exist, an operator
                that has processed the object and set no status; default: ``fail_fast`` of this
                object. Phase ``Failed`` always ends it.

        Raises (each with a ``report`` of phase, operator, pod, containers and warnings):
            WaitTimeoutError (a TimeoutError), ResourceFailedError, ResourceDeletedError.
        """
        from .lifecycle.progress import Progress
        from .lifecycle.readiness import wait_for_ready

        if fail_fast is None:
            fail_fast = self.fail_fast
        arguments.flag(fail_fast, "fail_fast")
        if timeout is None:
            timeout = self.wait_timeout
        live = self._live
        deadline = Deadline(timeout, live.connected().clock)
        wait_for_ready(live, deadline, fail_fast, Progress(live, self.on_event))
        return self

    @property
    def pod_name(self) -> str:
        """The name of its pod, looked up on the cluster each time.

        Raises:
            ExecError: it has none. APIError: pods may not be listed, or the lookup failed.
        """
        from .lifecycle.whereabouts import own_pod

        name: str = own_pod(self._live)["metadata"]["name"]
        return name

    # What a ``with`` does is in :mod:`.lifecycle.managed`. Here is what signals make necessary: one
    # can be raised between any two steps, also in the first line of __exit__ and in the last line
    # of __enter__ (then there will be no __exit__). So both compare the open obligations of before
    # and after, and leave once more if one of theirs is still open.

    def __enter__(self: D) -> D:
        from .lifecycle.managed import enter, leave
        from .lifecycle.withstate import History

        self._leave = leave
        self._history = self._history or History()
        before = self._history.open_obligations()
        try:
            enter(self._history.managed(self._live, self))
            return self
        except BaseException as error:
            if len(self._history.open_obligations()) > len(before):
                self._leave(self._history.managed(self._live, self), error)
            raise

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:  # fmt: skip
        before: tuple[Obligation, ...] = ()
        history = self._history
        if history is None:  # it was never entered
            return
        try:
            before = history.open_obligations()
            self._leave(history.managed(self._live, self), error)
        except BaseException:
            if history.open_obligations() == (before or history.open_obligations()):
                self._leave(history.managed(self._live, self), error)
            raise

    # -- use --------------------------------------------------------------------------------------

    @overload
    def exec(
        self, args: Union[str, Sequence[str]], shell: bool = False, *,
        input: Union[str, bytes, None] = None, timeout: Optional[float] = None, check: bool = False,
        text: Literal[True] = True, encoding: str = "utf-8", errors: str = "replace",
        cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
        container: Optional[str] = None, stdout: None = None, stderr: None = None,
    ) -> ExecResult[str]: ...  # fmt: skip

    @overload
    def exec(
        self, args: Union[str, Sequence[str]], shell: bool = False, *,
        input: Union[str, bytes, None] = None, timeout: Optional[float] = None, check: bool = False,
        text: Literal[False], encoding: str = "utf-8", errors: str = "replace",
        cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
        container: Optional[str] = None, stdout: None = None, stderr: None = None,
    ) -> ExecResult[bytes]: ...  # fmt: skip

    @overload
    def exec(
        self, args: Union[str, Sequence[str]], shell: bool = False, *,
        input: Union[str, bytes, None] = None, timeout: Optional[float] = None, check: bool = False,
        text: bool = True, encoding: str = "utf-8", errors: str = "replace",
        cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
        container: Optional[str] = None, stdout: Destination = None, stderr: Destination = None,
    ) -> ExecResult[Any]: ...  # fmt: skip

    def exec(
        self, args: Union[str, Sequence[str]], shell: bool = False, *,
        input: Union[str, bytes, None] = None, timeout: Optional[float] = None, check: bool = False,
        text: bool = True, encoding: str = "utf-8", errors: str = "replace",
        cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
        container: Optional[str] = None, stdout: Destination = None, stderr: Destination = None,
    ) -> ExecResult[Any]:  # fmt: skip
        """Run a command in the server's container and wait for its end, in the manner of
        ``subprocess.run``.

        Exit code 0 is proved, not believed: API servers since Kubernetes 1.30 say Success also when
        the kubelet was lost in mid-command (see ``ExecResult.confirmed``). The other codes come
        from the container. Whatever ends the call before the command has ended (``timeout``,
        Ctrl-C, what ``stdout`` raises, a lost connection) kills the command and its children; where
        that is not possible, the exception says so in its message or in a note.

        Args:
            args: a list of words, or a string, which is split into words (``shlex``) unless
                ``shell`` is True.
            shell: run the string by ``/bin/sh -c``.
            input: what the command reads from stdin, which then ends; without it stdin is not
                attached.
            timeout: seconds after which the command is killed (needs ``/bin/sh`` there).
            check: raise CommandFailedError for an exit code other than zero.
            text: decode output by ``encoding`` and ``errors``; False: ``bytes``.
            cwd, env: working directory (needs ``/bin/sh``) and additional variables (need ``env``).
            container: default: the pod's default container, ``devserver``, or the first.
            stdout, stderr: a binary file or a callable that takes the output as it comes, instead
                of capturing it.

        Raises:
            CommandNotFoundError: the container has no such executable (a shell's builtin is none).
            ExecTimeoutError (a TimeoutError): with the partial output; says whether the command was
                killed.
            ExecConnectionLostError: no status came, or a success without its proof: the exit code
                is unknown, and is not guessed. With the partial output; says whether the command
                was killed.
            CommandFailedError: with ``check``; without it, if the command was killed because the
                server was deleted.
            APIError: refused. BadRequestError: no such container; it lists those that are there.
            ExecError: the command may not be executed, ``cwd`` is not there, there is no pod, or it
                is not up: then with what ``wait_for_ready`` would say.
        """
        with needed_by("exec"):
            from .commands.commandline import check_container
            from .commands.execution import Output, completing_failures, encode_input
            from .commands.explain import ended_with_its_server, explaining_failures
            from .commands.run import Call, run
            from .commands.target import locate
            from .commands.wrapper import Command

        check_container(container)
        arguments.flags(shell=shell, check=check, text=text)
        command = Command.of(args, shell, cwd, env)
        output = Output(stdout, stderr, text, encoding, errors)
        stdin = encode_input(input, encoding)
        live = self._live
        client = live.connected()
        deadline = Deadline(timeout, client.clock)
        with explaining_failures(live, container):
            with completing_failures(command, output, deadline):
                target = locate(live, container, deadline)
                call = Call(client, target, stdin, output.stdout, output.stderr, deadline)
                returncode, confirmed = run(call, command)
            result = output.result(args, returncode, confirmed)
            if check or ended_with_its_server(live, returncode):
                result.check_returncode()
            return result

    def sync(self) -> list[TransferReport]:
        """Copy each local path of ``sync_workspace`` to its remote path, in order.

        Raises:
            FileNotFoundError: a local path does not exist. Otherwise as :meth:`upload`.
        """
        with needed_by("sync"):
            from .files.transfer import check_paths

        for local, remote in self.sync_workspace.items():
            check_paths(local, remote)
        # No comprehension: in a class that has a method list(), its type could not be written.
        reports: list[TransferReport] = []
        for local, remote in self.sync_workspace.items():
            reports.append(self.upload(local, remote))
        return reports

    def upload(
        self, local: PathLike, remote: PathLike, *, container: Optional[str] = None
    ) -> TransferReport:
        """Copy a local directory (its contents) or a single file into the container.

        Parents are created; modes and mtimes are kept; other files in the remote directory stay. A
        single file is written to ``remote``, or into it if that ends in ``/`` or is a directory. At
        every moment each remote file is either the old one or the new one; symlinks below
        ``remote`` are replaced, not followed. Needs ``sh``, ``head``, ``tar``, ``mkdir``, ``mv``,
        ``rm`` and ``chmod`` there, and room for a second copy of what is sent (256 MiB, or the
        largest file).

        Raises:
            FileNotFoundError: ``local`` does not exist.
            SyncError: the transfer failed in the container, with the stderr from there; or a local
                file could not be read, or changed while it was read.
            ExecConnectionLostError: the connection was lost before the container had confirmed all
                of it, whatever the API server says. ExecError: as for :meth:`exec`.
        """
        with needed_by("upload"):
            from .commands.commandline import check_container
            from .commands.execution import run_raw
            from .commands.explain import explaining_failures
            from .commands.target import locate
            from .files.transfer import check_paths, upload

        check_container(container)
        check_paths(local, remote)
        client, target = self._live.connected(), locate(self._live, container)
        with explaining_failures(self._live, container):
            return upload(
                lambda args, stdin=None: run_raw(client, target, args, stdin), local, remote
            )


def _checked_workspace(workspace: Any, name: str) -> dict[Any, PathLike]:
    if not isinstance(workspace, Mapping):
        raise TypeError(
            f"{name}: must be a dict of local paths to remote paths, not {type(workspace).__name__}"
        )
    for local, remote in workspace.items():
        arguments.path(local, name)
        arguments.path(remote, f"{name}[{local!r}]")
    return dict(workspace)


def _checked_callback(callback: Any, name: str) -> Optional[Callable[[str], object]]:
    if callback is not None and not callable(callback):
        raise TypeError(f"{name}: must be callable with a string, not {type(callback).__name__}")
    checked: Optional[Callable[[str], object]] = callback
    return checked


_SETTINGS: Mapping[str, Callable[[Any, str], object]] = {
    "wait_timeout": arguments.timeout,
    "deletion_timeout": arguments.seconds,
    "fail_fast": arguments.flag,
    "on_event": _checked_callback,
    "sync_workspace": _checked_workspace,
    "delete_on_exit": lambda value, name: arguments.choice(value, name, DELETE_ON_EXIT),
    "if_exists": lambda value, name: arguments.choice(value, name, IF_EXISTS),
}
"""The checks of the settings that may be assigned at any time."""
