"""Who we are to the API server: bearer tokens, basic authentication, client certificates and impersonation.

An :class:`Authorizer` knows where the ``Authorization`` header comes from and how to get a newer one; exec plugins are
another Authorizer (``execplugin.py``). :class:`Credentials` adds the client certificate and impersonation. Values are
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

from ..errors import KubeConfigError
from .deadline import SYSTEM_CLOCK, Clock, Deadline
from .tls import ClientCertificate

Header = tuple[str, str]

_TOKEN = re.compile(r"[\x21-\x7e]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

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


class Authorizer:
    """Where the ``Authorization`` header comes from. This one sends none."""

    def header(self, deadline: Deadline) -> Optional[str]:
        """The value of the header for the next request."""
        return None

    def certificate(self, deadline: Deadline) -> Optional[ClientCertificate]:
        """A client certificate that came with the token (exec plugins)."""
        return None

    def reload(self, sent: Optional[str], deadline: Deadline) -> bool:
        """The server refused ``sent``: get another value; False if there is none to be had."""
        return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class BearerToken(Authorizer):
    """A token that stands in the configuration."""

    def __init__(self, token: str, source: str = "token") -> None:
        self._value = f"Bearer {check_token(token, source)}"

    def header(self, deadline: Deadline) -> Optional[str]:
        return self._value


class BasicAuth(Authorizer):
    """User name and password (RFC 7617)."""

    def __init__(self, username: str, password: str, source: str = "username") -> None:
        if ":" in username:
            raise KubeConfigError(f"{source}: a user name with a colon cannot be sent by basic authentication")
        check_header_text(username + password, source)
        self._value = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")

    def header(self, deadline: Deadline) -> Optional[str]:
        return self._value


class TokenFile(Authorizer):
    """A token in a file that others replace: read again every minute, the last good value kept while that fails."""

    def __init__(self, path: str, source: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = path
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._value: Optional[str] = None
        self._read_again_at = 0.0

    def header(self, deadline: Deadline) -> Optional[str]:
        with self._lock:
            if self._value is None or self._clock.now() >= self._read_again_at:
                self._reread()
            return self._value

    def reload(self, sent: Optional[str], deadline: Deadline) -> bool:
        with self._lock:
            refused = self._value if sent is None else sent
            if self._value == refused:
                self._reread()
            return self._value != refused

    def _reread(self) -> None:
        try:
            self._value = f"Bearer {self._read()}"
        except KubeConfigError:
            if self._value is None:
                raise
            return  # in the middle of a rotation; asked again at the next request
        self._read_again_at = self._clock.now() + TOKEN_FILE_PERIOD - TOKEN_FILE_LEEWAY

    def _read(self) -> str:
        try:
            with open(self._path, "rb") as file:
                data = file.read()
        except OSError as error:
            raise KubeConfigError(f"{self._source} ({self._path}): cannot be read: {error.strerror}") from error
        return check_token(data.decode("latin-1").strip(), f"{self._source} ({self._path})")


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
        self._certificate_seen = certificate.version() if certificate else None
        self._impersonation = impersonation.headers() if impersonation else []

    def headers(self, deadline: Optional[Deadline] = None) -> list[Header]:
        """The headers for one request; asking may read a file or run a plugin (bounded by ``deadline``)."""
        value = self._authorizer.header(deadline or Deadline(None))
        return ([] if value is None else [("Authorization", value)]) + self._impersonation

    def refresh(self, sent: Optional[Sequence[Header]] = None, deadline: Optional[Deadline] = None) -> bool:
        """After a 401: get newer credentials, and say whether sending the request again makes sense.

        ``sent`` is what :meth:`headers` gave for the refused request: when another thread has renewed the credentials
        meanwhile, that is enough and nothing is run twice.
        """
        refused = next((value for name, value in sent or () if name == "Authorization"), None)
        renewed = self._authorizer.reload(refused, deadline or Deadline(None))
        return self._certificate_was_replaced() or renewed

    def client_certificate(self, deadline: Optional[Deadline] = None) -> Optional[ClientCertificate]:
        """The certificate for the next connection; one from the configuration goes before one from a plugin."""
        return self._certificate or self._authorizer.certificate(deadline or Deadline(None))

    def _certificate_was_replaced(self) -> bool:
        if self._certificate is None:
            return False
        seen, self._certificate_seen = self._certificate_seen, self._certificate.version()
        return seen != self._certificate_seen

    def __repr__(self) -> str:
        return f"Credentials({self._authorizer!r})"
