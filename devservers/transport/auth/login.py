"""What one call does about credentials that the API server refuses (401).

First they are renewed where they come from: a token file is read again, a plugin run again. If that
gives none, or none that are accepted, the kubeconfig is read again, since it may have been changed.
Each is done once in a call, and the request is sent again only with credentials that differ.

What a changed kubeconfig says counts for this call alone until the API server has accepted it: the
file may have been read while it was being written, and must not replace credentials that work.
"""

from __future__ import annotations

from typing import Optional

from ...errors import APIError, KubeConfigError, TransportError, UnauthorizedError
from ..deadline import Deadline
from .credentials import Credentials, Identity

_CHANGED = "the kubeconfig has changed since it was read"


class Login:
    """The credentials of one call, which may need several requests.

    Attributes:
        renewals: how often newer credentials were found.
    """

    def __init__(self, credentials: Credentials, deadline: Deadline) -> None:
        self._credentials = credentials
        self._deadline = deadline
        self._candidate: Optional[Credentials] = None  # of a changed kubeconfig, not accepted yet
        self._identity: Optional[Identity] = None  # of the last request
        self._next: Optional[Identity] = None  # of the next one, if it has been found already
        self._hint = ""
        self.renewals = 0

    def identity(self) -> Identity:
        """Who we are in the next request.

        Raises: KubeConfigError, RequestTimeoutError; nothing was sent then.
        """
        try:
            source = self._candidate or self._credentials
            self._identity = self._next or source.identity(self._deadline)
        except KubeConfigError:
            self._identity = self._from_changed_kubeconfig()
            if self._identity is None:
                raise
        except TransportError as error:
            error.nothing_sent = True
            raise
        self._next = None
        return self._identity

    def renew(self) -> bool:
        """After a 401: find newer credentials for the next request. False if there are none.

        Raises: KubeConfigError of a plugin that fails, RequestTimeoutError.
        """
        assert self._identity is not None
        failure: Optional[KubeConfigError] = None
        if not self.renewals and self._candidate is None:
            try:
                self._next = self._credentials.renewed(self._identity, self._deadline)
            except KubeConfigError as error:
                failure = error
        self._next = self._next or self._from_changed_kubeconfig()
        if self._next is not None:
            self.renewals += 1
            return True
        if failure is not None:
            raise failure
        return False

    def answered(self, failure: Optional[APIError] = None) -> None:
        """Note an answer other than 401: the API server knows who we are, even if it refuses."""
        if self._candidate is not None and (failure is None or failure.status < 500):
            self._credentials.adopt(self._candidate)
            self._candidate = None

    def explained(self, error: UnauthorizedError) -> UnauthorizedError:
        """The 401 to report."""
        if not self._hint:
            return error
        return error.with_hint(self._hint)

    def _from_changed_kubeconfig(self) -> Optional[Identity]:
        """Who the kubeconfig says we are now; None if that has not changed, or cannot be used."""
        if self._candidate is not None:
            self._hint = f"{_CHANGED}, but its new credentials are refused as well"
            return None
        try:
            self._candidate = self._credentials.read_again()
            if self._candidate is None:
                return None
            return self._candidate.identity(self._deadline)
        except KubeConfigError as error:
            self._candidate = None
            self._hint = f"{_CHANGED}, but its new credentials cannot be used: {error}"
            return None
