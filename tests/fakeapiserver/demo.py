"""The README's story, played with the SDK's public API alone against whatever KUBECONFIG leads to.

Each step is a real call over HTTP and WebSocket; it is printed with its time, what happened meanwhile (the steps of the
operator, the pod and its containers), and what came of it. Steps check what they got, and the first that fails ends the
story.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

import devservers
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer, PersistentHomeSpec
from devservers.errors import NotFoundError

SPEC = {
    "flavor": "cpu-small",
    "image": "ubuntu:22.04",
    "ssh": {"publicKey": "ssh-ed25519 AAAA demo"},
    "lifecycle": {"timeToLive": "1h"},
    "persistentHome": {"enabled": True, "size": "20Gi"},
}
WAIT = 60  # seconds for a server to become ready

Step = Callable[["Story"], str]


class Story:
    """What the steps hand on to each other."""

    def __init__(self, workspace: Path, stack: ExitStack) -> None:
        self.workspace = workspace
        self.stack = stack
        self.server: DevServer
        self.dev: DevServer


def create(story: Story) -> str:
    story.server = DevServer.create(metadata=ObjectMeta(name="my-test-server", namespace="default"), spec=SPEC)
    return f"{story.server.metadata.name}, uid {story.server.metadata.uid}"


def wait_and_watch(story: Story) -> str:
    phases = []
    for event in story.server.wait_for_status(status={"phase": "Running"}, timeout=WAIT):
        phase = event["object"].get("status", {}).get("phase", "Unknown")
        phases.append(phase)
        say(f"{event['type']}, current phase: {phase}")
    story.server.refresh()
    expect(story.server.status["phase"], "Running")
    return f"{len(phases)} events" if phases else "it was Running already"


def get_and_list(story: Story) -> str:
    found = DevServer.get(name="my-test-server", namespace="default")
    expect(found.metadata.uid, story.server.metadata.uid)
    names = [server.metadata.name for server in DevServer.list(namespace="default")]
    expect("my-test-server" in names, True)
    return f"in the list: {', '.join(str(name) for name in names)}"


def update(story: Story) -> str:
    before = story.server.spec["image"]
    story.server.spec["image"] = "fedora:latest"
    story.server.update()
    expect(DevServer.get(name="my-test-server", namespace="default").spec["image"], "fedora:latest")
    return f"image {before} -> fedora:latest"


def patch(story: Story) -> str:
    story.server.patch({"spec": {"lifecycle": {"timeToLive": "8h"}}})
    expect(story.server.spec["lifecycle"]["timeToLive"], "8h")
    return "timeToLive 1h -> 8h"


def typed_access(story: Story) -> str:
    home = story.server.persistent_home
    expect(isinstance(home, PersistentHomeSpec) and home.enabled, True)
    story.server.persistent_home = None
    story.server.update()
    left = DevServer.get(name="my-test-server", namespace="default").spec
    expect("persistentHome" in left, False)
    return "persistentHome removed"


def enter(story: Story) -> str:
    dev = DevServer(
        metadata=ObjectMeta(name="cm-test-server", namespace="default"),
        spec={"flavor": "cpu-small", "image": "ubuntu:22.04"},
        wait_timeout=WAIT,
        sync_workspace={str(story.workspace): "/workspace/project"},
        **telling(),
    )
    story.dev = story.stack.enter_context(dev)
    expect(story.dev.status["phase"], "Running")
    return f"{story.dev.metadata.name} is {story.dev.status['phase']}"


def sync(story: Story) -> str:
    (story.workspace / "hello.txt").write_text("hello from local workspace", encoding="utf-8")
    (story.workspace / "src").mkdir()
    (story.workspace / "src" / "main.sh").write_text("echo 6 times 7 is $((6 * 7))\n", encoding="utf-8")
    story.dev.sync()
    content = story.dev.exec("cat /workspace/project/hello.txt").stdout
    expect(content, "hello from local workspace")
    return f"cat says: {content}"


def run_commands(story: Story) -> str:
    hello = story.dev.exec("echo 'hello from inside'")
    expect((hello.stdout, hello.returncode), ("hello from inside\n", 0))
    listing = story.dev.exec(["ls", "-l", "/home"])
    expect(listing.returncode, 0)
    script = story.dev.exec(["sh", "/workspace/project/src/main.sh"])
    expect(script.stdout, "6 times 7 is 42\n")
    return f"the script says: {script.stdout.strip()}"


def use_a_shell(story: Story) -> str:
    result = story.dev.exec("echo one two three | wc -w; echo oops >&2; exit 3", shell=True)
    expect((result.stdout.strip(), result.stderr, result.returncode), ("3", "oops\n", 3))
    return f"stdout {result.stdout.strip()!r}, stderr {result.stderr.strip()!r}, exit code {result.returncode}"


def leave(story: Story) -> str:
    story.stack.close()
    until_gone("cm-test-server")
    return "cm-test-server is gone"


def delete(story: Story) -> str:
    story.server.delete()
    until_gone("my-test-server")
    return "my-test-server is gone"


STEPS: dict[str, Step] = {
    "create a DevServer": create,
    "wait until it is Running, and see the events": wait_and_watch,
    "get it, list all": get_and_list,
    "update the whole object": update,
    "patch one field": patch,
    "read and change the spec by types": typed_access,
    "enter a DevServer as a context manager": enter,
    "sync a local workspace": sync,
    "run commands": run_commands,
    "use a shell": use_a_shell,
    "leave the context: it is deleted": leave,
    "delete the first": delete,
}


def say(line: str) -> None:
    """Print what happens meanwhile, below the step that is under way."""
    print(f"            -> {line}", flush=True)


def telling() -> dict[str, Any]:
    """The option that lets a DevServer tell each step of its wait (operator, pod, containers), where there is one."""
    return {"on_event": say} if "on_event" in inspect.signature(DevServer).parameters else {}


def expect(seen: object, wanted: object) -> None:
    if seen != wanted:
        raise AssertionError(f"expected {wanted!r}, got {seen!r}")


def until_gone(name: str) -> None:
    """A deletion is complete when the operator has let go of the object."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            DevServer.get(name=name, namespace="default")
        except NotFoundError:
            return
        time.sleep(0.05)
    raise AssertionError(f"{name} is still there")


def play() -> int:
    """Run all steps; 0 if each came out as it should, else 1."""
    begin = time.monotonic()
    print(
        f"the API server: {devservers.load_config().server} (real HTTP and WebSocket; commands really run)", flush=True
    )
    with ExitStack() as last, ExitStack() as stack, tempfile.TemporaryDirectory() as directory:
        last.callback(devservers.reset)
        story = Story(Path(directory), stack)
        for number, (title, step) in enumerate(STEPS.items(), 1):
            if not succeeded(f"{number:2}/{len(STEPS)} {title}", step, story):
                return 1
    print(f"{len(STEPS)} steps in {time.monotonic() - begin:.2f} s", flush=True)
    return 0


def succeeded(title: str, step: Step, story: Story) -> bool:
    """Run one step and print how it went."""
    print(f"{title} ...", flush=True)
    begin = time.monotonic()
    try:
        outcome = step(story)
    except Exception as error:
        traceback.print_exc(file=sys.stdout)
        print(f"    {time.monotonic() - begin:5.3f}s FAILED: {title.strip()}: {error}", flush=True)
        return False
    print(f"    {time.monotonic() - begin:5.3f}s ok: {outcome}", flush=True)
    return True
