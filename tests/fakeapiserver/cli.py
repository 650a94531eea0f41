"""The fake API server from a shell.

::

    python -m tests.fakeapiserver serve [--port N] [--kubeconfig FILE]
    python -m tests.fakeapiserver run -- COMMAND ...
    python -m tests.fakeapiserver demo

``serve`` runs until it is interrupted (Ctrl-C or SIGTERM). ``run`` passes the command's exit code on, as a shell does:
126 and 127 for a command that cannot be run or found, 128 + n for one that signal n ended. All take ``--tls``, and the
pace of the operator: ``--lag SECONDS`` until a DevServer has a pod, ``--finalize SECONDS`` until a deleted one is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Optional

from .operator.operator import Operator
from .server import FakeAPIServer

PROGRAM = "python -m tests.fakeapiserver"
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run a subcommand; returns the exit code."""
    words, command = split_command(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(words)
    if command and arguments.action != "run":
        parser().error(f"{arguments.action} takes no command")
    if arguments.action == "run":
        return run([*arguments.command, *command], arguments)
    if arguments.action == "demo":
        return demo(arguments)
    return serve(arguments.port, arguments.kubeconfig, arguments)


def split_command(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before ``--``, and the command after it."""
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog=PROGRAM, description="A Kubernetes API server for tests, with DevServers.")
    actions = top.add_subparsers(dest="action", required=True, metavar="serve | run | demo")
    serving = actions.add_parser("serve", help="serve until interrupted; prints the line that points kubectl here")
    serving.add_argument("--port", type=port, default=0, metavar="N", help="TCP port (default: a free one)")
    serving.add_argument("--kubeconfig", type=Path, metavar="FILE", help="write the kubeconfig here (0600)")
    running = actions.add_parser(
        "run",
        help="run a command against a server of its own",
        usage=f"{PROGRAM} run [-h] [--tls] [--lag SECONDS] [--finalize SECONDS] -- COMMAND ...",
        description="Runs COMMAND with KUBECONFIG set, and ends with its exit code.",
    )
    running.add_argument("command", nargs="*", metavar="COMMAND", help="the command and its arguments")
    showing = actions.add_parser("demo", help="play the README's story with the SDK, step by step")
    for action in (serving, running, showing):
        action.add_argument("--tls", action="store_true", help="serve HTTPS, with a certificate made for the occasion")
        action.add_argument(
            "--lag", type=seconds, metavar="SECONDS", help="until a DevServer has a pod (default: at once)"
        )
        action.add_argument(
            "--finalize", type=seconds, metavar="SECONDS", help="until a deleted DevServer is gone (default: at once)"
        )
    return top


def port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: 0 to 65535")
    return number


def seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds: 0 or more")
    return number


def server_for(arguments: argparse.Namespace, port: int = 0) -> FakeAPIServer:
    """A server, not yet started, as the command line wants it."""
    server = FakeAPIServer(port=port, tls=arguments.tls)
    operator = Operator.of(server)
    operator.lag = operator.lag if arguments.lag is None else arguments.lag
    operator.finalize = operator.finalize if arguments.finalize is None else arguments.finalize
    return server


def serve(number: int, kubeconfig: Optional[Path], arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM comes."""
    if kubeconfig is not None and not may_write(kubeconfig):
        print(f"{kubeconfig} is another cluster's kubeconfig: name a file that may be written", file=sys.stderr)
        return 2
    interrupted = threading.Event()
    for ending in ENDING_SIGNALS:
        signal.signal(ending, lambda number, frame: interrupted.set())
    try:
        server = server_for(arguments, number).start()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        print(f"cannot listen on port {number}: {why}", file=sys.stderr)
        return 1
    try:
        path = server.write_kubeconfig(kubeconfig.absolute()) if kubeconfig is not None else server.kubeconfig
        print(f"# a fake Kubernetes API server at {server.url}; Ctrl-C ends it")
        print(f"export KUBECONFIG={shlex.quote(os.fspath(path))}", flush=True)
        interrupted.wait()
    finally:
        server.stop()
    return 0


def may_write(kubeconfig: Path) -> bool:
    """A file that is not there, or one that an earlier run wrote."""
    try:
        return bool(json.loads(kubeconfig.read_text(encoding="utf-8")).get("current-context") == "fake")
    except FileNotFoundError:
        return True
    except (OSError, ValueError, AttributeError):
        return False


def run(command: Sequence[str], arguments: argparse.Namespace) -> int:
    """Run a command against a server of its own."""
    if not command:
        parser().error("run needs a command: run -- COMMAND ...")
    with server_for(arguments) as server:
        environment = {**os.environ, "KUBECONFIG": os.fspath(server.kubeconfig)}
        with SignalsPassedOn() as signals:
            try:
                child = subprocess.Popen(list(command), env=environment)
            except OSError as error:
                print(f"{command[0]}: {error.strerror}", file=sys.stderr)
                return 127 if isinstance(error, FileNotFoundError) else 126
            signals.to(child)
            code = child.wait()
    return code if code >= 0 else 128 - code


class SignalsPassedOn:
    """Signals that would end us end the child instead; its exit code then is ours.

    An interrupt from the keyboard reaches the child by itself.
    """

    def __init__(self) -> None:
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._early: list[int] = []
        self._before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}

    def to(self, child: subprocess.Popen[bytes]) -> None:
        """The child is there; signals that came before it are passed on now."""
        self._child = child
        for number in self._early:
            child.send_signal(number)

    def _handle(self, number: int, frame: Optional[FrameType]) -> None:
        if self._child is None:
            self._early.append(number)
        elif number != signal.SIGINT or not sys.stdin.isatty():
            self._child.send_signal(number)

    def __enter__(self) -> SignalsPassedOn:
        for number in ENDING_SIGNALS:
            signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def demo(arguments: argparse.Namespace) -> int:
    """Play the README's story."""
    from .demo import play  # the SDK is imported only here: the server does not need it

    with server_for(arguments) as server:
        os.environ["KUBECONFIG"] = os.fspath(server.kubeconfig)
        return play()
