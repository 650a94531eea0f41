"""DevServer: a remote development server, created, awaited, filled, used, and deleted whatever happens."""

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
from .model.views import (
    LifecycleSpec,
    PersistentHomeSpec,
    SSHSpec,
    VolumeSpec,
    check_time_to_live,
    get_view,
    get_views,
    set_view,
    set_views,
)
from .result import ExecResult

if TYPE_CHECKING:
    from ..transport.rest import RESTClient
    from .commands.execution import Destination
    from .files import TransferReport
    from .lifecycle.obligation import Obligation
    from .lifecycle.settings import History

__all__ = ["DevServer", "ExecResult", "LifecycleSpec", "PersistentHomeSpec", "SSHSpec", "VolumeSpec"]


D = TypeVar("D", bound="DevServer")
PathLike = Union[str, "os.PathLike[str]"]
IF_EXISTS = ("fail", "attach")
DELETE_ON_EXIT = ("always", "on_success", "never")


def _nothing_to_leave(server: DevServer, error: Optional[BaseException]) -> None:
    """No ``with`` has been entered."""


class DevServer(BaseCustomResource):
    """A development server.

    As a context manager it is created, awaited until ready, handed to the body, and deleted on the way out, whether
    the body ended, raised, the wait failed, or Ctrl-C came at any moment::

        with DevServer(metadata=ObjectMeta(name="dev"), spec={"flavor": "cpu-small"}) as server:
            server.exec("pytest", check=True)

    An object that was read or made before (``with DevServer.get("dev") as server``) is only awaited, and not deleted.

    Args:
        metadata: name, namespace, labels…
        spec: the desired state, as in the API.
        wait_timeout: seconds that ``with`` waits for readiness; None: no limit.
        sync_workspace: local path -> remote path, copied by :meth:`sync`.
        delete_on_exit: ``"always"``, ``"on_success"`` (kept when the body raised, or it did not get ready) or
            ``"never"``.
        if_exists: what ``with`` does if there is one of that name: ``"fail"`` (AlreadyExistsError), or ``"attach"``:
            wait until that one is ready, use it as it is, and do not delete it.
        deletion_timeout: seconds that leaving ``with`` waits until the deleted object is gone (its operator's
            finalizer holds it for a moment); 0: not at all. If it is still there then, a log line names what holds it.
        fail_fast: end a wait for readiness as soon as it is clear that there is no hope in it; False: wait on.
        on_event: called with a short line for each step of ``with`` and of the wait. The logger ``devservers`` says
            the same at INFO.
        client: the client to use; default: the process-wide one.
    """

    group = const.GROUP
    version = const.VERSION
    plural = const.PLURAL_DEVSERVER

    wait_timeout: Optional[float] = 300
    # A Mapping's keys are invariant: with PathLike for them, a dict[str, str] would not do.
    sync_workspace: Mapping[Any, PathLike] = {}
    delete_on_exit: str = "always"
    if_exists: str = "fail"
    deletion_timeout: float = 10
    fail_fast: bool = True
    on_event: Optional[Callable[[str], object]] = None
    _SHARED = frozenset({"on_event", "_leave"})
    _history: Optional[History] = None  # of its with statements
    # From __enter__ on :func:`.lifecycle.managed.leave`. It is kept, for a generator with a ``with`` in it may be
    # closed when the interpreter ends, and nothing can be imported any more.
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
        if on_event is not None and not callable(on_event):
            raise TypeError(f"on_event: must be callable with a string, not {type(on_event).__name__}")
        self.wait_timeout = arguments.timeout(wait_timeout, "wait_timeout")
        self.deletion_timeout = arguments.seconds(deletion_timeout, "deletion_timeout")
        self.fail_fast = arguments.flag(fail_fast, "fail_fast")
        self.on_event = on_event
        self.sync_workspace = _checked_workspace(sync_workspace)
        self.delete_on_exit = arguments.choice(delete_on_exit, "delete_on_exit", DELETE_ON_EXIT)
        self.if_exists = arguments.choice(if_exists, "if_exists", IF_EXISTS)

    @classmethod
    def _of(cls: type[D], raw: dict[str, Any], client: RESTClient) -> D:
        server = super()._of(raw, client)
        server.sync_workspace = {}
        return server

    # -- typed views of the spec ----------------------------------------------------------------------------------

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

    # -- readiness and the context manager ------------------------------------------------------------------------

    def wait_for_ready(self: D, timeout: Optional[float] = None, *, fail_fast: Optional[bool] = None) -> D:
        """Block until a command can be run: phase ``Running``, and its own pod is there with its containers ready.

        Where pods may not be listed, the phase is taken at its word.

        Args:
            timeout: seconds; default: ``wait_timeout`` of this object.
            fail_fast: end the wait when there is no hope in it: an image that cannot be pulled for a minute, a
                container that crashes again and again, a flavor that does not exist, an operator that has handled
                the object and stays silent; default: ``fail_fast`` of this object. Phase ``Failed`` ends it always.

        Raises (each with a ``report`` of phase, operator, pod, containers and warnings):
            WaitTimeoutError (a TimeoutError), ResourceFailedError, ResourceDeletedError.
        """
        from .lifecycle.progress import Teller
        from .lifecycle.readiness import wait_for_ready

        fail_fast = self.fail_fast if fail_fast is None else arguments.flag(fail_fast, "fail_fast")
        live = self._live
        deadline = Deadline(self.wait_timeout if timeout is None else timeout, live.connected().clock)
        wait_for_ready(live, deadline, fail_fast, Teller(live, self.on_event))
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

    def __enter__(self: D) -> D:
        from .lifecycle.managed import enter, leave
        from .lifecycle.settings import History

        self._leave = leave
        self._history = self._history or History()
        before = self._history.owed()
        try:
            enter(self._history.managed(self._live, self))
            return self
        except BaseException as error:
            if len(self._history.owed()) > len(before):  # Ctrl-C on the very last step: there will be no __exit__
                self._leave(self._history.managed(self._live, self), error)
            raise

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        before: tuple[Obligation, ...] = ()
        history = self._history
        if history is None:  # it was never entered
            return
        try:
            before = history.owed()
            self._leave(history.managed(self._live, self), error)
        except BaseException:  # perhaps Ctrl-C, before the deletion was insisted upon
            if history.owed() == (before or history.owed()):
                self._leave(history.managed(self._live, self), error)
            raise

    # -- use ------------------------------------------------------------------------------------------------------

    @overload
    def exec(
        self, args: Union[str, Sequence[str]], shell: bool = False, *, input: Union[str, bytes, None] = None,
        timeout: Optional[float] = None, check: bool = False, text: Literal[True] = True, encoding: str = "utf-8",
        errors: str = "replace", cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
        container: Optional[str] = None, stdout: None = None, stderr: None = None,
    ) -> ExecResult[str]: ...  # fmt: skip

    @overload
    def exec(
        self, args: Union[str, Sequence[str]], shell: bool = False, *, input: Union[str, bytes, None] = None,
        timeout: Optional[float] = None, check: bool = False, text: Literal[False], encoding: str = "utf-8",
        errors: str = "replace", cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
        container: Optional[str] = None, stdout: None = None, stderr: None = None,
    ) -> ExecResult[bytes]: ...  # fmt: skip

    @overload
    def exec(
        self, args: Union[str, Sequence[str]], shell: bool = False, *, input: Union[str, bytes, None] = None,
        timeout: Optional[float] = None, check: bool = False, text: bool = True, encoding: str = "utf-8",
        errors: str = "replace", cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
        container: Optional[str] = None, stdout: Destination = None, stderr: Destination = None,
    ) -> ExecResult[Any]: ...  # fmt: skip

    def exec(
        self, args: Union[str, Sequence[str]], shell: bool = False, *, input: Union[str, bytes, None] = None,
        timeout: Optional[float] = None, check: bool = False, text: bool = True, encoding: str = "utf-8",
        errors: str = "replace", cwd: Optional[str] = None, env: Optional[Mapping[str, str]] = None,
        container: Optional[str] = None, stdout: Destination = None, stderr: Destination = None,
    ) -> ExecResult[Any]:  # fmt: skip
        """Run a command in the server's container and wait for its end, in the manner of ``subprocess.run``.

        Exit code 0 is proved, not believed: API servers since Kubernetes 1.30 say Success also when
        the kubelet was lost in mid-command (see ``ExecResult.confirmed``). The other codes come from
        the container. Whatever ends the call before the command has ended (``timeout``, Ctrl-C, what
        ``stdout`` raises, a lost connection) kills the command and its children; where that is not
        possible, the exception says so in its message or in a note.

        Args:
            args: a list of words, or a string, which is split into words (``shlex``) unless ``shell`` is True.
            shell: run the string by ``/bin/sh -c``.
            input: what the command reads from stdin, which then ends; without it stdin is not attached.
            timeout: seconds after which the command is killed (needs ``/bin/sh`` there).
            check: raise CommandFailedError for an exit code other than zero.
            text: decode output by ``encoding`` and ``errors``; False: ``bytes``.
            cwd, env: working directory (needs ``/bin/sh``) and additional variables (need ``env``).
            container: default: the pod's default container, ``devserver``, or the first.
            stdout, stderr: a binary file or a callable that takes the output as it comes, instead of capturing it.

        Raises:
            CommandNotFoundError: the container has no such executable (a shell's builtin is none).
            ExecTimeoutError (a TimeoutError): with the partial output; says whether the command was killed.
            ExecConnectionLostError: no status came, or a success without its proof: the exit code is
                unknown, and is not guessed. With the partial output; says whether the command was killed.
            CommandFailedError: with ``check``. APIError: refused. BadRequestError: no such
                container; it lists those that are there.
            ExecError: the command may not be executed, ``cwd`` is not there, there is no pod, or it is not
                up: then with what ``wait_for_ready`` would say.
        """
        with needed_by("exec"):
            from .commands.commandline import check_container
            from .commands.execution import Output, completing_failures, encode_input
            from .commands.explain import explaining_failures
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
            if check:
                result.check_returncode()
            return result

    def sync(self) -> list[TransferReport]:
        """Copy every local path of ``sync_workspace`` to its remote path, in order; see :meth:`upload`.

        Raises:
            FileNotFoundError: a local path does not exist. SyncError: the container's side failed.
            ExecConnectionLostError: the connection was lost.
        """
        with needed_by("sync"):
            from .files import check_paths

        for local, remote in self.sync_workspace.items():
            check_paths(local, remote)
        reports: list[TransferReport] = []  # a method called list stands in the way of a comprehension's type
        for local, remote in self.sync_workspace.items():
            reports.append(self.upload(local, remote))
        return reports

    def upload(self, local: PathLike, remote: PathLike, *, container: Optional[str] = None) -> TransferReport:
        """Copy a local directory (its contents) or a single file into the container.

        Parents are created; modes and mtimes are kept; what else is in the remote directory stays. A single file lands
        at ``remote``, or in it if that ends in ``/`` or is a directory. Each file there is at every moment either the
        old one or the new one; symlinks below ``remote`` are replaced, not followed. Needs ``sh``, ``head``, ``tar``,
        ``mkdir``, ``mv``, ``rm`` and ``chmod`` there, and room for a second copy of what is sent (256 MiB, or the
        largest file).

        Raises:
            FileNotFoundError: ``local`` does not exist. SyncError: the container's side failed; with its stderr.
            ExecConnectionLostError: the connection was lost before the container's side had confirmed
                all of it, whatever the API server says. ExecError: as for :meth:`exec`.
        """
        with needed_by("upload"):
            from .commands.commandline import check_container
            from .commands.execution import run_raw
            from .commands.explain import explaining_failures
            from .commands.target import locate
            from .files import check_paths, upload

        check_container(container)
        check_paths(local, remote)
        client, target = self._live.connected(), locate(self._live, container)
        with explaining_failures(self._live, container):
            return upload(lambda args, stdin=None: run_raw(client, target, args, stdin), local, remote)


def _checked_workspace(workspace: Optional[Mapping[Any, PathLike]]) -> dict[Any, PathLike]:
    if workspace is None:
        return {}
    if not isinstance(workspace, Mapping):
        raise TypeError(
            f"sync_workspace: must be a dict of local paths to remote paths, not {type(workspace).__name__}"
        )
    for local, remote in workspace.items():
        arguments.path(local, "sync_workspace")
        arguments.path(remote, f"sync_workspace[{local!r}]")
    return dict(workspace)
