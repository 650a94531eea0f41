"""Who we are to the API server: tokens, passwords, client certificates and impersonation.

An :class:`Authorizer` knows where the ``Authorization`` header comes from and how to get a newer
one; exec plugins (``plugin.py``) are another kind of it. :class:`Credentials` adds the client
certificate and impersonation. Values are asked for per request and never copied, so that a rotated
token is used at once. All are thread-safe, and none shows a value: reprs are fixed, and a value
that cannot be a header is refused by naming where it came from.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from typing import Callable, NamedTuple, Optional
from urllib.parse import quote

from ...arguments import is_encodable
from ...errors import KubeConfigError
from ..deadline import SYSTEM_CLOCK, Clock, Deadline
from ..locks import ForkSafeLock
from ..text import has_controls, shown_path
from ..tls.pem import ClientCertificate

Header = tuple[str, str]

_TOKEN = re.compile(r"[\x21-\x7e]+\Z")

BLANKS = " \t"
"""May surround the value of a header without being part of it (RFC 9110, section 5.5)."""

TOKEN_FILE_PERIOD = 60.0  # seconds; client-go's values: read again every minute,
TOKEN_FILE_LEEWAY = 10.0  # ten seconds early


def check_token(token: str, source: str) -> str:
    """``token`` itself, if a header can carry it.

    Raises: KubeConfigError, which does not show it.
    """
    if not token:
        raise KubeConfigError(f"{source}: the token is empty; log in again or ask for a new token")
    if not _TOKEN.match(token):
        raise KubeConfigError(
            f"{source}: the token contains a space, a line break or another character that a "
            "header cannot carry (not shown); store the bare token, nothing before or after it"
        )
    return token


def check_header_text(text: str, source: str) -> str:
    """``text`` as the latin-1 string that sends its UTF-8 bytes.

    Raises: KubeConfigError for a control character, or text without an encoding; it shows neither.
    """
    if has_controls(text):
        raise KubeConfigError(
            f"{source}: contains a line break or control character (not shown); remove it"
        )
    if not is_encodable(text):
        raise KubeConfigError(f"{source}: is not valid Unicode text (not shown)")
    return text.encode("utf-8").decode("latin-1")


@dataclass(frozen=True)
class Credential:
    """What one request presents: an ``Authorization`` header, and a plugin's client certificate."""

    authorization: Optional[str] = field(default=None, repr=False)
    certificate: Optional[ClientCertificate] = field(default=None, repr=False)


class Authorizer:
    """Where a :class:`Credential` comes from. This one is anonymous."""

    def current(self, deadline: Deadline) -> Credential:
        """The credential for the next request; renewed when it is due."""
        return Credential()

    def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
        """After a 401 to ``refused``: a newer credential, or the current one if there is none."""
        return self.current(deadline)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class BearerToken(Authorizer):
    """A token in the configuration itself."""

    def __init__(self, token: str, source: str = "token") -> None:
        self._credential = Credential(f"Bearer {check_token(token, source)}")

    def current(self, deadline: Deadline) -> Credential:
        return self._credential


class BasicAuth(Authorizer):
    """User name and password (RFC 7617)."""

    def __init__(self, username: str, password: str, source: str = "username") -> None:
        if ":" in username:
            raise KubeConfigError(
                f"{source}: a user name with a colon cannot be sent by basic authentication"
            )
        check_header_text(username + password, source)
        pair = f"{username}:{password}".encode()
        self._credential = Credential("Basic " + base64.b64encode(pair).decode("ascii"))

    def current(self, deadline: Deadline) -> Credential:
        return self._credential


class TokenFile(Authorizer):
    """A token in a file that others replace, such as the kubelet.

    It is read again every minute; while that fails, the last good value is used. ``instead`` is a
    token to use as long as the file could not be read at all.
    """

    def __init__(
        self,
        path: str,
        source: str,
        clock: Clock = SYSTEM_CLOCK,
        instead: Optional[BearerToken] = None,
    ) -> None:
        self._path = path
        self._source = f"{source} ({shown_path(path)})"
        self._clock = clock
        self._lock = ForkSafeLock()
        self._credential: Optional[Credential] = None
        self._read_again_at = float("-inf")
        if instead is not None:
            self._credential = instead.current(Deadline(None))

    def current(self, deadline: Deadline) -> Credential:
        with self._lock:
            if self._credential is None or self._clock.now() >= self._read_again_at:
                return self._reread()
            return self._credential

    def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
        with self._lock:
            if self._credential is None or self._credential == refused:
                return self._reread()
            return self._credential

    def _reread(self) -> Credential:
        try:
            self._credential = Credential(f"Bearer {self._read()}")
        except KubeConfigError:
            if self._credential is None:
                raise
            return self._credential  # the file is being replaced; the next request tries again
        self._read_again_at = self._clock.now() + TOKEN_FILE_PERIOD - TOKEN_FILE_LEEWAY
        return self._credential

    def _read(self) -> str:
        try:
            with FileIO(self._path) as file:  # when the interpreter ends there is no open()
                data = file.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise KubeConfigError(
                f"{self._source}: cannot be read: {reason}; correct the path or restore the file"
            ) from error
        return check_token(data.decode("latin-1").strip(), self._source)


@dataclass(frozen=True)
class Impersonation:
    """Act as another user (Kubernetes' user impersonation): the ``as…`` keys of a user entry."""

    user: str
    uid: str = ""
    groups: Sequence[str] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    source: str = "impersonation"

    def headers(self) -> list[Header]:
        pairs = [("Impersonate-User", self.user)]
        if self.uid:
            pairs.append(("Impersonate-Uid", self.uid))
        pairs += [("Impersonate-Group", group) for group in self.groups]
        for key in sorted(self.extra):
            pairs += [(_extra_header(key), value) for value in self.extra[key]]
        return [
            (name, check_header_text(value, f"{self.source} ({name})")) for name, value in pairs
        ]


def _extra_header(key: str) -> str:
    """The name of a header has no case and few characters; this one may be percent-encoded."""
    return "Impersonate-Extra-" + quote(key.lower(), safe="!#$&'*+-.^_`|~")


@dataclass(frozen=True)
class Identity:
    """Who one request says it is.

    Attributes:
        headers: those to send.
        certificate: the client certificate that the connection must have been opened with.
        version: changes when the certificate does, though its path may stay.
    """

    credential: Credential = field(repr=False)
    headers: Sequence[Header] = field(repr=False)
    certificate: Optional[ClientCertificate] = None
    version: object = field(default=None, repr=False)

    @property
    def shown(self) -> tuple[Credential, object]:
        """What the API server sees of it; another identity is a different one if this differs."""
        return self.credential, self.version


class _User(NamedTuple):
    authorizer: Authorizer
    certificate: Optional[ClientCertificate]
    impersonation: Sequence[Header]


class Credentials:
    """Everything that tells the API server who is asking.

    ``read_again`` reads the credentials from where these came from: None if they are unchanged, and
    KubeConfigError if they cannot be used. New ones are to be tried; :meth:`adopt` replaces ours.
    """

    def __init__(
        self,
        authorizer: Optional[Authorizer] = None,
        certificate: Optional[ClientCertificate] = None,
        impersonation: Optional[Impersonation] = None,
        read_again: Optional[Callable[[], Optional[Credentials]]] = None,
    ) -> None:
        headers = impersonation.headers() if impersonation else []
        # replaced as a whole, so that readers need no lock
        self._user = _User(authorizer or Authorizer(), certificate, headers)
        self._read_again = read_again

    def read_again(self) -> Optional[Credentials]:
        """See ``read_again`` of the class."""
        if self._read_again is None:
            return None
        return self._read_again()

    def adopt(self, accepted: Credentials) -> None:
        """Become ``accepted``: credentials read again, which the API server has accepted."""
        self._user, self._read_again = accepted._user, accepted._read_again

    def identity(self, deadline: Optional[Deadline] = None) -> Identity:
        """Who we are in the next request. This may read a file or run a plugin, until ``deadline``.

        Raises: KubeConfigError if the file or plugin gives no usable value; RequestTimeoutError.
        """
        user = self._user
        return _identity(user, user.authorizer.current(deadline or Deadline(None)))

    def renewed(self, refused: Identity, deadline: Optional[Deadline] = None) -> Optional[Identity]:
        """After a 401 to ``refused``: who we are with newer credentials, None if there are none.

        Credentials that another thread has renewed meanwhile count: a plugin runs once, however
        many requests were refused.
        """
        user = self._user
        credential = user.authorizer.renewed(refused.credential, deadline or Deadline(None))
        identity = _identity(user, credential)
        if identity.shown == refused.shown:
            return None
        return identity

    def __repr__(self) -> str:
        return f"Credentials({self._user.authorizer!r})"


def _identity(user: _User, credential: Credential) -> Identity:
    headers = list(user.impersonation)
    if credential.authorization is not None:
        headers.insert(0, ("Authorization", credential.authorization))
    certificate = user.certificate or credential.certificate  # the configured one takes precedence
    if certificate is None:
        return Identity(credential, headers)
    # The version is taken before the certificate is read. If it is replaced in between, a
    # connection is opened once more than needed; the other way round it would keep the old one.
    return Identity(credential, headers, certificate, certificate.version())
