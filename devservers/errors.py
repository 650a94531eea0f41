"""Every exception of the package, in one tree.

::

    DevServersError
    ├── KubeConfigError (ValueError)           no usable configuration, or a broken one
    ├── MissingDependencyError (ImportError)   yaml or websocket-client is not installed
    ├── TransportError                         no answer from the API server, or half of one
    │   ├── ConnectionFailedError              refused, reset, DNS, cut off in the middle
    │   ├── TLSError                           certificate or handshake
    │   ├── ProtocolError                      an answer that breaks the protocol
    │   └── RequestTimeoutError (TimeoutError)
    ├── APIError                               the API server answered with a failure Status
    │   ├── BadRequestError 400   UnauthorizedError 401   ForbiddenError 403   NotFoundError 404
    │   ├── ConflictError 409  └── AlreadyExistsError 409   ExpiredError 410   InvalidError 422
    │   ├── TooManyRequestsError 429
    │   └── ServerError 5xx  └── NotServedError 404 without a Status
    ├── WaitError                              .report says what was last seen
    │   └── WaitTimeoutError (TimeoutError)   ResourceDeletedError   ResourceFailedError
    ├── ExecError
    │   ├── ExecTimeoutError (TimeoutError)    with the partial output
    │   ├── ExecConnectionLostError            no status, or no proof of success
    │   └── CommandNotFoundError   CommandFailedError (check=True)
    └── SyncError

A failure Status is turned into an exception by its ``reason`` (see :data:`REASONS`), and where that
is absent or new, by its ``code``. No message contains a token, a key or a request body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional, TypeVar

if TYPE_CHECKING:
    from typing import Protocol

    class Kind(Protocol):
        """A kind of object, such as a :class:`~.transport.resources.Resource`."""

        @property
        def group(self) -> str: ...

        @property
        def plural(self) -> str: ...


__all__ = [
    "APIError",
    "APIWarning",
    "AlreadyExistsError",
    "BadRequestError",
    "CommandFailedError",
    "CommandNotFoundError",
    "ConflictError",
    "ConnectionFailedError",
    "DevServersError",
    "ExecConnectionLostError",
    "ExecError",
    "ExecTimeoutError",
    "ExpiredError",
    "ForbiddenError",
    "InvalidError",
    "KubeConfigError",
    "MissingDependencyError",
    "NotFoundError",
    "NotServedError",
    "ProtocolError",
    "RequestTimeoutError",
    "ResourceDeletedError",
    "ResourceFailedError",
    "ServerError",
    "SyncError",
    "TLSError",
    "TooManyRequestsError",
    "TransportError",
    "UnauthorizedError",
    "WaitError",
    "WaitTimeoutError",
]

E = TypeVar("E", bound="APIError")


class DevServersError(Exception):
    """Base of all exceptions of this package. Copying and pickling keep their attributes."""

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(
    cls: type[DevServersError], args: tuple[Any, ...], state: dict[str, Any]
) -> DevServersError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class APIWarning(UserWarning):
    """The API server did as asked, with a warning: a deprecated API, a dropped field."""


class KubeConfigError(DevServersError, ValueError):
    """No usable Kubernetes configuration.

    The message names the file and entry at fault and says what to do.
    """


class MissingDependencyError(DevServersError, ImportError):
    """What only some uses need is not there: a package (``pyyaml``, ``websocket-client``), or a
    part of this one that a vendored copy was made without.
    """


class TransportError(DevServersError):
    """The API server gave no complete answer.

    Attributes:
        nothing_sent: True if no byte of the request went out: it cannot have been executed.
    """

    nothing_sent: bool = False


class ConnectionFailedError(TransportError):
    """The connection was refused, reset or cut off in an answer, or the host did not resolve.

    Attributes:
        may_pass: False where trying again would not help (a proxy that refuses).
        on_kept_alive: True if the connection had been used before: it says little about the server.
    """

    may_pass: bool = True
    on_kept_alive: bool = False


class TLSError(TransportError):
    """The TLS handshake failed: unknown authority, wrong name, expired certificate, wrong key."""


class ProtocolError(TransportError):
    """The peer's answer breaks the protocol (a redirect, HTML, no subprotocol…).

    Attributes:
        not_upgraded: True if the answer to an upgrade was a plain HTTP answer: nothing was started.
    """

    not_upgraded: bool = False


class RequestTimeoutError(TransportError, TimeoutError):
    """No complete answer came within the time given."""


class APIError(DevServersError):
    """The API server refused with a failure ``Status`` (Kubernetes API conventions).

    Attributes:
        status: the HTTP status code.
        reason: the machine-readable reason (``"NotFound"``), ``""`` if the server gave none.
        message: the server's sentence.
        details: the ``details`` of the Status (``name``, ``group``, ``kind``…), ``{}`` if none.
        causes: ``details.causes``: a ``{"reason", "message", "field"}`` per invalid field.
        retry_after: seconds after which the server asks to be tried again, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        details: Optional[Mapping[str, Any]] = None,
        retry_after: Optional[float] = None,
        context: str = "",
        hint: str = "",
    ) -> None:
        self.status = status
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.retry_after = retry_after
        self._context = context
        self._hint = hint
        super().__init__(message)

    def with_hint(self: E, hint: str) -> E:
        """A copy whose text ends in advice."""
        return self.recast(type(self), hint)

    def recast(self, kind: type[E], hint: str) -> E:
        """A copy of another class, whose text ends in advice."""
        twin = kind.__new__(kind)
        twin.args = self.args
        twin.__dict__.update(self.__dict__, _hint=hint)
        return twin

    @property
    def causes(self) -> list[dict[str, Any]]:
        causes = self.details.get("causes")
        return (
            [dict(cause) for cause in causes if isinstance(cause, Mapping)]
            if isinstance(causes, list)
            else []
        )

    def __str__(self) -> str:
        where = f"{self._context}: " if self._context else ""
        label = " ".join(part for part in (str(self.status or ""), self.reason) if part)
        hint = f"; {self._hint}" if self._hint else ""
        return f"{where}{self.message or 'the API server gave no message'} ({label}){hint}"


class BadRequestError(APIError):
    """400: the request cannot be understood."""


class UnauthorizedError(APIError):
    """401: no credentials, or some that the API server does not accept (they may have expired)."""


class ForbiddenError(APIError):
    """403: not allowed; where a Role would change that, the message names its rule."""


class NotFoundError(APIError):
    """404: no such object, or no such kind (a CustomResourceDefinition that is not installed)."""

    def is_about(self, resource: Kind, name: str) -> bool:
        """Whether this proves that the object ``name`` of ``resource`` is not there.

        Only a Status of reason ``NotFound`` whose details name that very object does. A missing
        namespace or kind, a proxy's page and a webhook's refusal do not.
        """
        details = self.details
        named = (details.get("group") or "", details.get("kind"), details.get("name"))
        return self.reason == "NotFound" and named == (resource.group, resource.plural, name)


class ConflictError(APIError):
    """409: the object has changed since it was read, or a precondition failed."""

    @property
    def is_about_uid(self) -> bool:
        """Whether the object was deleted, or recreated, since it was read.

        No field of the Status says so, only the sentences that Kubernetes has used since 1.20, and
        our own.
        """
        return self.reason == "Conflict" and any(sign in self.message for sign in _UID_SIGNS)


_UID_SIGNS = (
    "the UID in the precondition",
    "UID in precondition",
    "uid mismatch:",
    "deleted since it was",
    "recreated since it was",
)


class AlreadyExistsError(ConflictError):
    """409 on create: an object of this name exists."""


class ExpiredError(APIError):
    """410: the resourceVersion or continue token is older than the server's history."""


class InvalidError(APIError):
    """422: the object violates its schema or a rule of the API; ``causes`` lists the fields."""


class TooManyRequestsError(APIError):
    """429: the API server is overloaded; ``retry_after`` says when to try again."""


class ServerError(APIError):
    """5xx: the API server failed, or a proxy in front of it."""


class NotServedError(ServerError):
    """404 without a ``Status``, for a kind that was served before: no object is proved missing.

    An API server that is starting answers so, and a proxy that has lost it. Reads are sent again
    until their time is up.
    """


class WaitError(DevServersError):
    """What was waited for did not happen; ``report`` says what was last seen."""

    def __init__(self, message: str, *, report: str = "") -> None:
        self.report = report
        super().__init__(f"{message}\n{report}" if report else message)


class WaitTimeoutError(WaitError, TimeoutError):
    """The time given for a wait ran out."""


class ResourceDeletedError(WaitError):
    """The resource was deleted while it was waited for."""


class ResourceFailedError(WaitError):
    """The resource reached a phase from which it does not recover (``Failed``, ``Error``)."""


class ExecError(DevServersError):
    """A command could not be run, or its outcome is not known.

    Attributes:
        command: the command as sent, a list of strings.
        stdout_bytes, stderr_bytes: the output that had arrived, undecoded.
    """

    def __init__(
        self,
        message: str,
        *,
        command: Optional[list[str]] = None,
        stdout_bytes: bytes = b"",
        stderr_bytes: bytes = b"",
    ) -> None:
        self.command: list[str] = list(command or [])
        self.stdout_bytes = stdout_bytes
        self.stderr_bytes = stderr_bytes
        super().__init__(message)

    @property
    def stdout(self) -> str:
        """The output so far, decoded as UTF-8 (bad bytes replaced)."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """The error output so far, decoded as UTF-8 (bad bytes replaced)."""
        return self.stderr_bytes.decode("utf-8", "replace")


class ExecTimeoutError(ExecError, TimeoutError):
    """The command did not end within its timeout; the message says whether it was killed."""


class ExecConnectionLostError(ExecError):
    """The stream ended without a status or a proof of success: the exit code is unknown.

    The message says whether the command was killed, or may still run.
    """


class CommandNotFoundError(ExecError):
    """The container has no such executable."""


class CommandFailedError(ExecError):
    """With ``check=True``: the command ended with a non-zero exit code, found in ``returncode``."""

    def __init__(self, message: str, *, returncode: int, command: Optional[list[str]] = None,
                 stdout_bytes: bytes = b"", stderr_bytes: bytes = b"") -> None:  # fmt: skip
        self.returncode = returncode
        super().__init__(
            message, command=command, stdout_bytes=stdout_bytes, stderr_bytes=stderr_bytes
        )


class SyncError(DevServersError):
    """A file transfer failed; the message includes what the remote shell or tar wrote to stderr."""


REASONS: dict[str, type[APIError]] = {
    "BadRequest": BadRequestError,
    "Unauthorized": UnauthorizedError,
    "Forbidden": ForbiddenError,
    "NotFound": NotFoundError,
    "AlreadyExists": AlreadyExistsError,
    "Conflict": ConflictError,
    "Gone": ExpiredError,
    "Expired": ExpiredError,
    "Invalid": InvalidError,
    "TooManyRequests": TooManyRequestsError,
    "ServerTimeout": ServerError,
    "Timeout": ServerError,
    "InternalError": ServerError,
    "ServiceUnavailable": ServerError,
}

CODES: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
    429: TooManyRequestsError,
}


def error_class(status: int, reason: str) -> type[APIError]:
    """The exception class for a Status: by reason, else by HTTP code, else :class:`APIError`."""
    fallback = ServerError if 500 <= status < 600 else APIError
    return REASONS.get(reason) or CODES.get(status) or fallback
