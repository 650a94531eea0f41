"""The recorder: ``python -m tests.recordings.record --kubeconfig FILE`` asks any cluster what was asked of another.

The requests are those of the recordings that stand here; the answers are written into files of the same names, in a
directory of their own. So a newer server is added:

    python -m tests.recordings.record --kubeconfig ~/.kube/config --output /tmp/new
    python -m pytest tests/fakeapiserver_tests/test_replay_rest.py --recording /tmp/new/rest.json
    python -m pytest tests/fakeapiserver_tests/test_exec_recordings.py --recording /tmp/new/exec-v5.json

The tests show what the fake answers differently. It speaks as one version does: correct it, and replace the old file by
the new one.

What is needed: the rights of an administrator; for exec a node that runs ``--image`` (or a pod that is there
already, ``--pod``). What is done: the definitions of crds.yaml are created unless there, a namespace (``--namespace``,
which must not be there yet), objects in it, the flavors ``cpu`` and ``cpu2``, a pod; all that is deleted again,
whatever happens. The user without rights is impersonated (``limited``), unless ``--limited-token`` has one.

An operator that handles DevServers spoils the recording: use a cluster without one, or a namespace that it leaves
alone. It should be a quiet one, too: lists over all namespaces show what others have there, and others' writes bring
bookmarks into watches. Secrets are not written down: recordings hold placeholders of credentials.

A new kind of exchange: write its request by hand into the file that is read (name, request; an empty response of status
200), record, and check what comes. What cannot be recorded so is to kill a kubelet (trust-exec-*.json).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Optional

from devservers.transport import load_config

from . import cluster
from .execrecorder import ExecRecorder, containers_of, moved, pods_of, runs
from .peer import Peer
from .recording import Recording
from .restrecorder import RestRecorder, written_outside
from .translation import renamed

HERE = Path(__file__).parent
DEFAULT = ("rest.json", "exec-v5.json")


def parser() -> argparse.ArgumentParser:
    parsed = argparse.ArgumentParser("python -m tests.recordings.record", description=(__doc__ or "").split("\n")[0])
    parsed.add_argument("recordings", nargs="*", help=f"files whose requests to send (default: {', '.join(DEFAULT)})")
    parsed.add_argument("--kubeconfig", required=True, help="leads to the cluster, as its administrator")
    parsed.add_argument("--context", help="a context of it")
    parsed.add_argument("--namespace", default="recorded", help="to be created (default: %(default)s)")
    parsed.add_argument("--output", type=Path, default=Path("recorded"), help="directory (default: %(default)s)")
    parsed.add_argument("--pod", metavar="NAMESPACE/NAME", help="a running pod for exec, instead of one of its own")
    parsed.add_argument("--image", default="python:3-slim", help="of the pod: sh, stty, python3 (default: %(default)s)")
    parsed.add_argument("--limited-token", default="", help="of a user without rights, instead of impersonation")
    return parsed


def main(arguments: Optional[Sequence[str]] = None) -> int:
    given = parser().parse_args(arguments)
    peer = Peer(load_config(given.kubeconfig, context=given.context), given.limited_token)
    status, body = peer.ask("GET", "/version")
    cluster.demand((status, body), "ask for the server's version")
    version = body["gitVersion"]
    given.output.mkdir(parents=True, exist_ok=True)
    for path in [Path(name) for name in given.recordings] or [HERE / name for name in DEFAULT]:
        old = json.loads(path.read_text())
        is_rest = "method" in old["exchanges"][0]["request"]
        print(f"{path.name}: {len(old['exchanges'])} exchanges, with Kubernetes {version}", file=sys.stderr)
        exchanges = record_rest(peer, path, given) if is_rest else record_exec(peer, old["exchanges"], given)
        new = {**old, "about": f"As {path.name}, recorded with Kubernetes {version}.", "exchanges": exchanges}
        (given.output / path.name).write_text(json.dumps(new, indent=1, ensure_ascii=False) + "\n")
    return 0


def record_rest(peer: Peer, path: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    recording = Recording.read(path)
    named = Counter(each.place.namespace for each in recording.exchanges if each.place and each.place.namespace)
    home = named.most_common(1)[0][0]
    for exchange in recording.exchanges:
        exchange.request = renamed(exchange.request, home, given.namespace)
        exchange.response = renamed(exchange.response, home, given.namespace)
    outside = set(written_outside(recording))
    with ExitStack() as stack:
        cluster.require_absent(peer, outside)
        stack.enter_context(cluster.definitions(peer))
        stack.enter_context(cluster.namespace(peer, given.namespace))
        recorder = RestRecorder(peer, recording, given.namespace)
        try:
            return recorder.run()
        finally:
            for key in outside | {each for each in recorder.created if not each.namespace}:
                cluster.remove(peer, key)


def record_exec(peer: Peer, exchanges: list[dict[str, Any]], given: argparse.Namespace) -> list[dict[str, Any]]:
    [(home, name)] = pods_of(exchanges)
    with ExitStack() as stack:
        if given.pod:
            place = tuple(given.pod.split("/"))
        else:
            place = (given.namespace, name)
            stack.enter_context(cluster.namespace(peer, given.namespace))
            stack.enter_context(cluster.pod(peer, *place, containers_of(exchanges), given.image))
        cluster.wait(f"commands to run in pod {place[1]}", cluster.PATIENCE, lambda: runs(peer, *place))
        return ExecRecorder(peer, moved(exchanges, home, name, place)).run()


if __name__ == "__main__":
    sys.exit(main())
