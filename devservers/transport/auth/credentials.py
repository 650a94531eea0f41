"""Who we are to the API server: bearer tokens, basic authentication, client certificates and impersonation.

An :class:`Authorizer` knows where the ``Authorization`` header comes from and how to get a newer one; exec plugins are
one more of them (``execplugin.py``). :class:`Credentials` adds the client certificate and impersonation. Values are
asked for per request, never copied, so that a rotated token is used at once. All are thread-safe, and none of them
ever shows a value: reprs are fixed, and a value that cannot be a header is refused by naming where it came from.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, Optional
from urllib.parse import quote

from ...errors import KubeConfigError
from ..deadline import SYSTEM_CLOCK, Clock, Deadline
from ..locks import ForkSafeLock
from ..text import shown
from ..tls.context import ClientCertificate

Header = tuple[str, str]

_TOKEN = re.compile(r"[\x21-\x7e]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

BLANKS = " \t"
"""What may stand around the value of a header without being part of it (RFC 9110, section 5.5)."""

TOKEN_FILE_PERIOD = 60.0  # seconds; client-go's values: read again every minute,
TOKEN_FILE_LEEWAY = 10.0  # ten seconds early


def check_token(token: str, source: str) -> str:
    """``token`` if it can stand in a header; otherwise :class:`KubeConfigError`, which does not show it."""
    if not token:
        raise KubeConfigError(f"{source}: the token is empty; log in again or ask for a new token")
    if not _TOKEN.match(token):
        raise KubeConfigError(
            f"{source}: the token holds a space, a line break or another character that a header cannot carry "
            "(not shown); store the bare token, nothing before or after it"
        )
    return token


def check_header_text(text: str, source: str) -> str:
    """``text`` as the latin-1 string that sends its UTF-8 bytes; control characters are refused, unshown."""
    if _CONTROL.search(text):
        raise KubeConfigError(f"{source}: holds a line break or control character (not shown); remove it")
    try:
        return text.encode("utf-8").decode("latin-1")
    except UnicodeEncodeError:
        pass
    raise KubeConfigError(f"{source}: is not valid Unicode text (not shown)")


@dataclass(frozen=True)
class Credential:
    """What one request shows: an ``Authorization`` header, and a certificate that came with it (exec plugins)."""

    authorization: Optional[str] = field(default=None, repr=False)
    certificate: Optional[ClientCertificate] = field(default=None, repr=False)


class Authorizer:
    """Where a :class:`Credential` comes from. This one is anonymous."""

    def current(self, deadline: Deadline) -> Credential:
        """The credential for the next request; renewed when it is due."""
        return Credential()

    def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
        """The API server answered 401 to ``refused``: a newer credential, or the one of now if none is to be had."""
        return self.current(deadline)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class BearerToken(Authorizer):
    """A token that stands in the configuration."""

    def __init__(self, token: str, source: str = "token") -> None:
        self._credential = Credential(f"Bearer {check_token(token, source)}")

    def current(self, deadline: Deadline) -> Credential:
        return self._credential


class BasicAuth(Authorizer):
    """User name and password (RFC 7617)."""

    def __init__(self, username: str, password: str, source: str = "username") -> None:
        if ":" in username:
            raise KubeConfigError(f"{source}: a user name with a colon cannot be sent by basic authentication")
        check_header_text(username + password, source)
        pair = f"{username}:{password}".encode()
        self._credential = Credential("Basic " + base64.b64encode(pair).decode("ascii"))

    def current(self, deadline: Deadline) -> Credential:
        return self._credential


class TokenFile(Authorizer):
    """A token in a file that others replace: read again every minute, the last good value kept while that fails.

    ``instead`` is a token to use until the file has been read for the first time.
    """

    def __init__(
        self, path: str, source: str, clock: Clock = SYSTEM_CLOCK, instead: Optional[BearerToken] = None
    ) -> None:
        self._path = path
        self._source = f"{source} ({shown(path)})"
        self._clock = clock
        self._lock = ForkSafeLock()
        self._credential = instead.current(Deadline(None)) if instead else None
        self._read_again_at = float("-inf")

    def current(self, deadline: Deadline) -> Credential:
        with self._lock:
            if self._credential is None or self._clock.now() >= self._read_again_at:
                return self._reread()
            return self._credential

    def renewed(self, refused: Credential, deadline: Deadline) -> Credential:
        with self._lock:
            return self._reread() if self._credential in (None, refused) else self._credential

    def _reread(self) -> Credential:
        try:
            self._credential = Credential(f"Bearer {self._read()}")
        except KubeConfigError:
            if self._credential is None:
                raise
            return self._credential  # in the middle of a rotation; the next request tries again
        self._read_again_at = self._clock.now() + TOKEN_FILE_PERIOD - TOKEN_FILE_LEEWAY
        return self._credential

    def _read(self) -> str:
        try:
            with open(self._path, "rb") as file:
                data = file.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise KubeConfigError(
                f"{self._source}: cannot be read: {reason}; correct the path or restore the file"
            ) from error
        return check_token(data.decode("latin-1").strip(), self._source)


@dataclass(frozen=True)
class Impersonation:
    """Act as somebody else (Kubernetes "User impersonation"): the four ``as…`` keys of a kubeconfig user."""

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
        return [(name, check_header_text(value, f"{self.source} ({name})")) for name, value in pairs]


def _extra_header(key: str) -> str:
    """Header names know few characters and no case: the API server decodes percent-escapes in this one."""
    return "Impersonate-Extra-" + quote(key.lower(), safe="!#$&'*+-.^_`|~")


@dataclass(frozen=True)
class Identity:
    """Who one request says it is: its headers, and the certificate that its connection must have been opened with.

    ``version`` tells that certificate from the one before it and the one after it, under the same path, too.
    """

    credential: Credential = field(repr=False)
    headers: Sequence[Header] = field(repr=False)
    certificate: Optional[ClientCertificate] = None
    version: object = field(default=None, repr=False)

    @property
    def shown(self) -> tuple[Credential, object]:
        """What the API server sees of it, to tell whether another one is any different."""
        return self.credential, self.version


class _User(NamedTuple):
    authorizer: Authorizer
    certificate: Optional[ClientCertificate]
    impersonation: Sequence[Header]


class Credentials:
    """Everything that tells the API server who is asking.

    ``read_again`` gives the credentials that stand by now where these were read, None if that are the same, and
    raises KubeConfigError if what stands there cannot be used. They are to be tried, and :meth:`adopt` makes them ours.
    """

    def __init__(
        self,
        authorizer: Optional[Authorizer] = None,
        certificate: Optional[ClientCertificate] = None,
        impersonation: Optional[Impersonation] = None,
        read_again: Optional[Callable[[], Optional[Credentials]]] = None,
    ) -> None:
        headers = impersonation.headers() if impersonation else []
        self._user = _User(authorizer or Authorizer(), certificate, headers)  # replaced whole
        self._read_again = read_again

    def read_again(self) -> Optional[Credentials]:
        """See ``read_again`` of the class."""
        return None if self._read_again is None else self._read_again()

    def adopt(self, accepted: Credentials) -> None:
        """Be these from now on: the API server has accepted them."""
        self._user, self._read_again = accepted._user, accepted._read_again

    def identity(self, deadline: Optional[Deadline] = None) -> Identity:
        """Who we are now, for one request. Asking may read a file or run a plugin, in the time of ``deadline``.

        Raises: KubeConfigError if the file or plugin gives no usable value; RequestTimeoutError.
        """
        user = self._user
        return _identity(user, user.authorizer.current(deadline or Deadline(None)))

    def renewed(self, refused: Identity, deadline: Optional[Deadline] = None) -> Optional[Identity]:
        """After a 401 to ``refused``: who we are with newer credentials; None if there are none to be had.

        What another thread has renewed meanwhile counts: a plugin runs once, however many requests were refused.
        """
        user = self._user
        renewed = _identity(user, user.authorizer.renewed(refused.credential, deadline or Deadline(None)))
        return renewed if renewed.shown != refused.shown else None

    def __repr__(self) -> str:
        return f"Credentials({self._user.authorizer!r})"


def _identity(user: _User, credential: Credential) -> Identity:
    """A certificate from the configuration goes before one from a plugin.

    Its version is taken before it is read: what was opened with a newer one is at worst opened once more.
    """
    headers = list(user.impersonation)
    if credential.authorization is not None:
        headers.insert(0, ("Authorization", credential.authorization))
    certificate = user.certificate or credential.certificate
    return Identity(credential, headers, certificate, certificate.version() if certificate else None)
