"""What a session says at its end, on the error channel: the words of kubelet and API server.

Who speaks differs. v4 is the kubelet itself; v5 is the API server, which talks to the kubelet in its own way and tells
the outcome again, so its sentences are other ones and wrap the kubelet's. Before v4 there was no JSON: failures were
plain text, success was silence.
"""

from __future__ import annotations

import json
from typing import Any, Optional

SUCCESS: dict[str, Any] = {"metadata": {}, "status": "Success"}


def encode(status: dict[str, Any]) -> bytes:
    """JSON as Go writes it: fields in order, no spaces, HTML characters escaped."""
    text = json.dumps(status, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace")


def failure(message: str, reason: str, causes: list[dict[str, str]], **code: int) -> dict[str, Any]:
    details = {"causes": causes}
    return {"metadata": {}, "status": "Failure", "message": message, "reason": reason, "details": details, **code}


def internal_error(cause: str) -> dict[str, Any]:
    return failure(f"Internal error occurred: {cause}", "InternalError", [{"message": cause}], code=500)


def non_zero_exit(code: int, words: str) -> dict[str, Any]:
    message = f"command terminated with non-zero exit code: {words}"
    return failure(message, "NonZeroExitCode", [{"reason": "ExitCode", "message": str(code)}])


class KubeletStatus:
    """v4: the kubelet's own statuses. ``None`` is: nothing is said."""

    exit_words = "exit status {}"

    def exited(self, code: int) -> Optional[bytes]:
        return encode(non_zero_exit(code, self.exit_words.format(code)) if code else SUCCESS)

    def failed(self, why: str) -> Optional[bytes]:
        """The command could not be run."""
        return encode(internal_error(f"error executing command in container: {why}"))

    def broken(self) -> Optional[bytes]:
        """The kubelet gave up without a word."""
        return None


class TranslatedStatus(KubeletStatus):
    """v5: the API server's words about the kubelet's."""

    exit_words = "command terminated with exit code {}"

    def failed(self, why: str) -> Optional[bytes]:
        return encode(internal_error(f"Internal error occurred: error executing command in container: {why}"))

    def broken(self) -> Optional[bytes]:
        """An error stream that ends empty is taken for success: that is what the real API server says here."""
        return encode(SUCCESS)

    @staticmethod
    def refused(why: str) -> bytes:
        """The kubelet did not even open the streams."""
        return encode(internal_error(f"unable to upgrade connection: {why}"))


class PlainStatus(KubeletStatus):
    """Before v4: text for failures, nothing for success."""

    def exited(self, code: int) -> Optional[bytes]:
        words = self.exit_words.format(code)
        return f"command terminated with non-zero exit code: {words}".encode() if code else None

    def failed(self, why: str) -> Optional[bytes]:
        return f"Internal error occurred: error executing command in container: {why}".encode()
