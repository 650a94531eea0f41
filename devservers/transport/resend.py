"""The attempts at one request: which failures pass (:mod:`.retry`), and as whom it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Optional

from ..errors import APIError, NotServedError, UnauthorizedError
from . import retry
from .deadline import Backoff
from .told import tell_resend

if TYPE_CHECKING:
    from .auth.credentials import Identity
    from .auth.login import Login
    from .deadline import Deadline


class RequestAttempts(retry.Attempts):
    """A loop around the sending of one request.

    Credentials that are refused (401) are renewed as :mod:`.auth.login` says, and the request is
    sent with the new ones at once; that is not counted as a failure. Neither is an answer that says
    that the kind is not served for the moment: reads go on until their time is up.

    Attributes:
        identity: who sends the present attempt.

    Args:
        drop_idle: closes the idle connections, over which the refused credentials were sent.
        repeatable: see :func:`.retry.wait_after`.
    """

    identity: Identity

    def __init__(
        self,
        method: str,
        target: str,
        deadline: Deadline,
        login: Login,
        drop_idle: Callable[[], None],
        *,
        repeatable: bool,
    ) -> None:
        super().__init__(deadline, Backoff(first=0.1, limit=2.0), limit=retry.ATTEMPTS)
        self._method = method
        self._target = target
        self._login = login
        self._drop_idle = drop_idle
        self._repeatable = repeatable
        self._not_served_deadline = deadline
        if deadline.seconds is None:
            self._not_served_deadline = deadline.sooner(retry.NOT_SERVED_PATIENCE)

    def __next__(self) -> RequestAttempts:
        super().__next__()
        self.identity = self._login.identity()
        return self

    def on_success(self) -> None:
        self._login.answered()

    def pause_after(self, error: BaseException) -> Optional[float]:
        if isinstance(error, UnauthorizedError):
            return self._renew(error)
        if isinstance(error, APIError):
            self._login.answered(error)
        pause = retry.wait_after(error, self._method, self.backoff, repeatable=self._repeatable)
        if pause is not None and isinstance(error, NotServedError):
            pause = retry.fitting(pause, self._not_served_deadline)  # not counted
        elif pause is not None:
            pause = self.counted(pause)
        if pause is not None:
            tell_resend(self._method, self._target, error, self.number, pause)
        return pause

    def _renew(self, error: UnauthorizedError) -> float:
        self._drop_idle()  # whatever the server did not like about these connections
        if not self._login.renew():
            raise self._login.explained(error) from None
        how = "sending it with renewed credentials"
        tell_resend(self._method, self._target, error, self.number, 0.0, how)
        return 0.0
