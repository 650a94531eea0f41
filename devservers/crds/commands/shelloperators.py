"""Shell operators in a command that no shell will read: found, so that the caller can be warned.

A string without ``shell=True`` is split into words, and ``ls | wc -l`` gives ``ls`` two words to
look for. Only what stands unquoted counts, and only where a shell would take it for an operator and
hardly anybody means it otherwise: a word of its own (``|``, ``&&``, ``2>&1``), a redirection with
its target (``>out.txt``, ``2>/dev/null``), a ``;`` at the end of a word. So ``a|b``, ``pkg>=1.0``
and ``http://host/?a=1&b=2`` pass, as does the ``;`` that ends find's ``-exec``. Pure.
"""

from __future__ import annotations

import re
from typing import Optional

_QUOTED = "\0"
"""Stands for a character that was quoted or escaped; no command can hold it itself."""

_OPERATOR = re.compile(
    r"""
      (?P<alone> \|\|? | \|& | &&? | ;;? | \d*>>? | \d*>\| | \d*<{1,3}-? | &>>? | \d*<> ) \Z
    | (?P<duplicated> \d*[<>]&(\d+|-) ) \Z
    | (?P<redirected> \d*>>? | &>>? | \d*< ) (?= [\w./~$\0] [^<>]* \Z )
    | [^;]+ (?P<ended> ; ) \Z
    """,
    re.VERBOSE,
)
_FIND_ACTIONS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})


def find_operator(args: str) -> Optional[str]:
    """The first shell operator among the words of ``args``, or None."""
    if not any(letter in args for letter in "|&;<>"):
        return None
    in_action = False
    for word in masked_words(args):
        if word in _FIND_ACTIONS:
            in_action = True
        if word == ";" and in_action:
            in_action = False
            continue
        match = _OPERATOR.match(word)
        if match is not None:
            return next(found for found in match.groupdict().values() if found is not None)
    return None


def masked_words(args: str) -> list[str]:
    """The words as ``shlex.split`` finds them; what was quoted or escaped is :data:`_QUOTED`."""
    words: list[str] = []
    word, quote, escaped = "", "", False
    for letter in args:
        if escaped:
            word, escaped = word + _QUOTED, False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            if letter == quote:
                quote = ""
            else:
                word += _QUOTED
        elif letter in "'\"":
            quote, word = letter, word + _QUOTED  # an empty pair of quotes is something, too
        elif letter in " \t\r\n":
            words.append(word)
            word = ""
        else:
            word += letter
    return [each for each in [*words, word] if each]
