"""The caller's words for a command, checked before any request by the rules of ``subprocess``.

What is checked is what cannot be passed on, or would be misunderstood in silence on the way. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Optional, Union

from ... import arguments
from ...transport.apiwarning import warn_user
from ...transport.names import validate_namespace
from .shelloperators import find_operator

SHELL = "/bin/sh"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def parse_command(args: Union[str, Sequence[str]], shell: bool) -> list[str]:
    """The words to run: a list as it is; a string split into words, or given whole to a shell.

    Warns (UserWarning) of a shell operator in a string that no shell will read.

    Raises:
        TypeError: a list with ``shell=True``, or words that are no strings.
        ValueError: nothing to run, or text that cannot be passed on.
    """
    if isinstance(args, str) and shell:
        words = [SHELL, "-c", args]
    elif isinstance(args, str):
        words = _split(args)
    elif not isinstance(args, (list, tuple)):
        raise TypeError(f"args: must be a string or a list of strings, not {type(args).__name__}")
    elif shell:
        raise TypeError(
            "shell=True takes the command as one string, not as a list (drop shell=True to run a "
            "list)"
        )
    else:
        words = list(args)
    for word in words:
        if not isinstance(word, str):
            raise TypeError(
                f"args: every word must be a string, not {type(word).__name__} ({word!r})"
            )
        _check_text(word, "args")
    if not words or not words[0] or (shell and not words[2].strip()):
        raise ValueError("args: there is no command to run")
    return words


def _split(args: str) -> list[str]:
    import shlex

    try:
        words = shlex.split(args)
    except ValueError as error:
        raise ValueError(
            f"args: {args!r} cannot be split into words ({error}); pass a list instead"
        ) from None
    operator = find_operator(args)
    if operator is not None:
        warn_user(
            f"{words[0]!r} is given {operator!r} as a plain word, because no shell reads the "
            "command: pass shell=True to use shell syntax, or a list of words if it is meant so",
            UserWarning,
        )
    return words


def check_environment(env: Optional[Mapping[str, str]]) -> Optional[dict[str, str]]:
    """``env`` as a dict, its names and values checked."""
    if env is None:
        return None
    arguments.mapping(env, "env")
    for name, value in env.items():
        if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
            raise ValueError(
                f"env: {name!r} is not the name of a variable (letters, digits, '_', '.' and '-', "
                "beginning with a letter or '_')"
            )
        if not isinstance(value, str):
            raise ValueError(
                f"env: the value of {name} must be a string, not {type(value).__name__}"
            )
        _check_text(value, f"env: {name}")
    return dict(env)


def check_container(container: Optional[str]) -> None:
    """The name of a container: an RFC 1123 label. None leaves the choice to us."""
    if container is not None:
        validate_namespace(container, "container")


def check_directory(cwd: Optional[str]) -> Optional[str]:
    """``cwd`` as ``cd`` takes it, whatever it begins with."""
    if cwd is None:
        return None
    if not isinstance(cwd, str) or not cwd:
        raise ValueError(f"cwd: must be a directory of the container, not {cwd!r}")
    _check_text(cwd, "cwd")
    if cwd.startswith("-"):
        return f"./{cwd}"
    return cwd


def _check_text(text: str, field: str) -> None:
    """The exec API carries words as UTF-8, and no process can be given a NUL."""
    if "\0" in text:
        raise ValueError(f"{field}: a NUL character cannot be passed to a command")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{field}: {text!r} is not text that can be encoded as UTF-8 (bytes decoded by "
            "os.fsdecode?)"
        ) from None
