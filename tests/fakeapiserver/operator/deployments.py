"""The Deployment controller: a ReplicaSet for each template a Deployment has had, the newest of them at its size.

A new template is a rollout (maxSurge 1, maxUnavailable 0): one pod of the new ReplicaSet at a time, and one of the old
less only for each new one that is ready. So a template whose pods never get ready leaves the old pods in place.
Old ReplicaSets stay, with no pods; a template that comes back finds its own again.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, Optional

from ..backbone import Backbone
from ..core.store import GENERATED
from ..vocabulary.objects import Object, Objects
from ..vocabulary.status import APIFailure
from .agenda import Agenda, Queue
from .controllers import Key, controlled_by, controller, find, modify, owned, set_spec, tell_event, with_times
from .replicasets import HASH_LABEL, REPLICASETS, size

DEPLOYMENTS = "deployments"
REVISION = "deployment.kubernetes.io/revision"
SOURCE = "deployment-controller"
SURGE = 1


class Deployments:
    """Keeps the ReplicaSets of Deployments, and tells in their status how it goes."""

    def __init__(self, server: Backbone, agenda: Agenda) -> None:
        self._store = server.store
        self._queue: Queue[Key] = Queue(agenda, self._reconcile)

    def changed(self, kind: str, deployment: Object) -> None:
        self._queue.put(Key.of(deployment))

    def replicaset_changed(self, kind: str, replicaset: Object) -> None:
        owner = controller(replicaset)
        if owner is not None and owner["kind"] == "Deployment":
            self._queue.put(Key(replicaset["metadata"]["namespace"], owner["name"]))

    def _reconcile(self, key: Key) -> None:
        with self._store.lock:
            deployment = find(self._store, DEPLOYMENTS, key.name, key.namespace)
            if deployment is None or "deletionTimestamp" in deployment["metadata"]:
                return
            sets = owned(self._store, REPLICASETS, deployment)
            new = self._newest(deployment, sets)
        if new is not None:
            old = [replicaset for replicaset in sets if replicaset["metadata"]["uid"] != new["metadata"]["uid"]]
            self._roll_out(deployment, new, old)
            self._write_status(deployment, new, old)

    def _newest(self, deployment: Object, sets: Objects) -> Optional[Object]:
        """The ReplicaSet of the present template, made if there is none; None if its name is taken for a moment."""
        digest = template_hash(deployment["spec"]["template"], collisions(deployment))
        number = max((revision(each) for each in sets), default=0)
        for replicaset in sets:
            if replicaset["metadata"]["labels"][HASH_LABEL] == digest:
                if revision(replicaset) < number:
                    replicaset["metadata"]["annotations"][REVISION] = str(number + 1)
                    return self._store.update(REPLICASETS, replicaset)
                return replicaset
        try:
            return self._store.create(REPLICASETS, replicaset_of(deployment, digest, number + 1))
        except APIFailure:  # the name belongs to another Deployment's, probably to one that is going
            modify(self._store, DEPLOYMENTS, Key.of(deployment), count_collision)
            return None

    def _roll_out(self, deployment: Object, new: Object, old: Objects) -> None:
        """One step: the new one grows as far as there is room, the old ones shrink as far as it is ready."""
        wanted, total = size(deployment), sum(map(size, (new, *old)))
        grown = min(wanted, size(new) + max(0, wanted + SURGE - total))
        if grown != size(new):
            self._scale(deployment, new, grown)
            return
        spare = total - wanted - (size(new) - available(new))
        for replicaset in sorted(old, key=available):  # those of which nothing is lost go first
            fewer = min(size(replicaset), max(0, spare))
            if fewer:
                self._scale(deployment, replicaset, size(replicaset) - fewer)
                spare -= fewer

    def _scale(self, deployment: Object, replicaset: Object, wanted: int) -> None:
        before = size(replicaset)
        modify(self._store, REPLICASETS, Key.of(replicaset), lambda obj: set_spec(obj, replicas=wanted))
        way = "up" if wanted > before else "down"
        message = f"Scaled {way} replica set {replicaset['metadata']['name']} from {before} to {wanted}"
        tell_event(self._store, deployment, "Normal", "ScalingReplicaSet", message, SOURCE)

    def _write_status(self, deployment: Object, new: Object, old: Objects) -> None:
        wanted = size(deployment)
        total, ready = sum(map(replicas, (new, *old))), sum(map(available, (new, *old)))
        counts = {
            "replicas": total,
            "updatedReplicas": replicas(new),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, max(total, wanted) - ready),
            "collisionCount": collisions(deployment),
        }
        conditions = [_available(wanted, ready), _progressing(wanted, new), *_failures(new)]

        def change(obj: Object) -> None:
            obj["metadata"].setdefault("annotations", {})[REVISION] = str(revision(new))
            obj["status"] = {
                "observedGeneration": deployment["metadata"].get("generation", 1),
                **{name: count for name, count in counts.items() if count},
                "conditions": with_times(conditions, obj.get("status") or {}),
            }

        modify(self._store, DEPLOYMENTS, Key.of(deployment), change)


def _available(wanted: int, ready: int) -> Object:
    if ready >= wanted:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return _condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _progressing(wanted: int, new: Object) -> Object:
    name = new["metadata"]["name"]
    if size(new) == wanted and available(new) >= wanted:
        done = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition("Progressing", "True", "NewReplicaSetAvailable", done)
    return _condition("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')


def _failures(new: Object) -> Objects:
    """What keeps the new ReplicaSet from making pods."""
    conditions = (new.get("status") or {}).get("conditions") or []
    return [_condition("ReplicaFailure", "True", each["reason"], each["message"]) for each in conditions]


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def available(replicaset: Object) -> int:
    return int((replicaset.get("status") or {}).get("availableReplicas", 0))


def replicas(replicaset: Object) -> int:
    return int((replicaset.get("status") or {}).get("replicas", 0))


def revision(obj: Object) -> int:
    return int((obj["metadata"].get("annotations") or {}).get(REVISION, 0))


def collisions(deployment: Object) -> int:
    """How often the name of a ReplicaSet was found to be taken; each time another hash is chosen."""
    return int((deployment.get("status") or {}).get("collisionCount", 0))


def count_collision(deployment: Object) -> None:
    deployment.setdefault("status", {})["collisionCount"] = collisions(deployment) + 1


def template_hash(template: Object, collisions: int = 0) -> str:
    """Short, and the same for the same template, however much of nothing it says."""
    text = json.dumps(without_empty(template), sort_keys=True) + "." * collisions
    return "".join(GENERATED[ord(digit) % len(GENERATED)] for digit in str(zlib.crc32(text.encode())))


def without_empty(value: Any) -> Any:
    """A value without fields that hold nothing."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {name: without_empty(field) for name, field in value.items()}
    return {name: field for name, field in fields.items() if field not in (None, "", [], {})}


def replicaset_of(deployment: Object, digest: str, number: int) -> Object:
    """The ReplicaSet of a Deployment's present template; it has no pods yet."""
    spec, metadata = deployment["spec"], deployment["metadata"]
    template = spec["template"]
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: digest}
    selected = {**(spec["selector"].get("matchLabels") or {}), HASH_LABEL: digest}
    return {
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: str(number)},
            "ownerReferences": [controlled_by(deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": {**spec["selector"], "matchLabels": selected},
            "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
        },
    }
