"""Who we are to the API server: bearer tokens, basic authentication, client certificates and impersonation.

An :class:`Authorizer` knows where the ``Authorization`` header comes from and how to get a newer one; exec plugins are
one more of them (``execplugin.py``). :class:`Credentials` adds the client certificate and impersonation. Values are
asked for per request, never copied, so that a rotated token is used at once. All are thread-safe, and none of them
ever shows a value: reprs are fixed, and a value that cannot be a header is refused by naming where it came from.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional
from urllib.parse import quote

from ...errors import KubeConfigError
from ..deadline import SYSTEM_CLOCK, Clock, Deadline
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
        """The API server answered 401 to ``refused``: a newer credential, or the same if there is none to be had."""
        return refused

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
        self._lock = threading.Lock()
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


class Credentials:
    """Everything that tells the API server who is asking."""

    def __init__(
        self,
        authorizer: Optional[Authorizer] = None,
        certificate: Optional[ClientCertificate] = None,
        impersonation: Optional[Impersonation] = None,
    ) -> None:
        self._authorizer = authorizer or Authorizer()
        self._certificate = certificate
        self._impersonation = impersonation.headers() if impersonation else []
        self._shown = threading.local()  # what this thread's request carried, so that its 401 is laid to that

    def headers(self, deadline: Optional[Deadline] = None) -> list[Header]:
        """The headers for one request. Asking may read a file or run a plugin, in the time of ``deadline``.

        Raises: KubeConfigError if the file or plugin gives no usable value; RequestTimeoutError.
        """
        credential = self._authorizer.current(deadline or Deadline(None))
        self._shown.credential, self._shown.certificate = credential, self._certificate_version()
        if credential.authorization is None:
            return list(self._impersonation)
        return [("Authorization", credential.authorization), *self._impersonation]

    def refresh(self, deadline: Optional[Deadline] = None) -> bool:
        """After a 401 to this thread's last :meth:`headers`: get newer credentials; True if sending again makes sense.

        What another thread has renewed meanwhile counts: a plugin runs once, however many requests were refused.
        A new client certificate takes effect with the next connection (kept ones still carry the old).
        """
        refused = getattr(self._shown, "credential", None) or self._authorizer.current(deadline or Deadline(None))
        certificate = getattr(self._shown, "certificate", None)
        renewed = self._authorizer.renewed(refused, deadline or Deadline(None))
        return renewed != refused or self._certificate_version() != certificate

    def client_certificate(self, deadline: Optional[Deadline] = None) -> Optional[ClientCertificate]:
        """The certificate for the next connection; one from the configuration goes before one from a plugin."""
        return self._certificate or self._authorizer.current(deadline or Deadline(None)).certificate

    def _certificate_version(self) -> object:
        return self._certificate.version() if self._certificate else None

    def __repr__(self) -> str:
        return f"Credentials({self._authorizer!r})"
