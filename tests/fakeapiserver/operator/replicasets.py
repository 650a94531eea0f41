"""The ReplicaSet controller: as many pods as each ReplicaSet asks for, made of its template.

A missing pod is made ``lag`` seconds after it was missed, as a busy controller does. The last word of an image's
repository decides otherwise: of ``stuck`` no pod is ever made, and nobody says why; of ``quota`` neither, and the
ReplicaSet tells (condition ReplicaFailure, Event FailedCreate).
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from ..backbone import Backbone
from ..core.deletes import remove
from ..core.options import DeleteOptions
from ..pods.images import variant
from ..vocabulary.objects import Object, Objects
from ..vocabulary.status import APIFailure, forbidden
from .agenda import Agenda, Queue
from .controllers import Key, controlled_by, controller, find, modify, owned, tell_event, with_times
from .podspec import DEFAULTS
from .podstatus import is_live, is_ready, qos_class

REPLICASETS, PODS = "replicasets", "pods"
HASH_LABEL = "pod-template-hash"
SOURCE = "replicaset-controller"
QUOTA = "exceeded quota: compute-resources, requested: pods=1, used: pods=10, limited: pods=10"


class ReplicaSets:
    """Keeps the pods of ReplicaSets, and tells in their status how it goes."""

    def __init__(self, server: Backbone, agenda: Agenda) -> None:
        self._server = server
        self._store = server.store
        self._agenda = agenda
        self._queue: Queue[Key] = Queue(agenda, self._reconcile)
        self._coming: Counter[str] = Counter()  # by ReplicaSet: pods that will be made when the lag is over
        self.lag = 0.02
        """Seconds until a missing pod is made."""

    def changed(self, kind: str, replicaset: Object) -> None:
        if kind == "DELETED":
            self._coming.pop(replicaset["metadata"]["uid"], None)
        else:
            self._queue.put(Key.of(replicaset))

    def pod_changed(self, kind: str, pod: Object) -> None:
        owner = controller(pod)
        if owner is not None and owner["kind"] == "ReplicaSet":
            self._queue.put(Key(pod["metadata"]["namespace"], owner["name"]))

    def _reconcile(self, key: Key) -> None:
        replicaset = find(self._store, REPLICASETS, key.name, key.namespace)
        if replicaset is None:
            return
        pods = owned(self._store, PODS, replicaset)
        if "deletionTimestamp" not in replicaset["metadata"]:
            self._bring_to_size(replicaset, [pod for pod in pods if is_live(pod)])
        self._write_status(replicaset, [pod for pod in pods if is_live(pod)])

    def _bring_to_size(self, replicaset: Object, pods: Objects) -> None:
        wanted, uid = size(replicaset), replicaset["metadata"]["uid"]
        if image_word(replicaset) != "stuck":
            for _ in range(wanted - len(pods) - self._coming[uid]):
                self._coming[uid] += 1
                self._agenda.after(self.lag, partial(self._create_pod, Key.of(replicaset), uid))
        for pod in sorted(pods, key=is_ready)[: max(0, len(pods) - wanted)]:
            self._delete_pod(replicaset, pod)

    def _create_pod(self, key: Key, uid: str) -> None:
        """Make a missing pod, if it still is missed."""
        with self._store.lock:
            replicaset = find(self._store, REPLICASETS, key.name, key.namespace, uid)
            if replicaset is None:
                return
            self._coming[uid] -= 1
            if "deletionTimestamp" in replicaset["metadata"]:
                return
            if sum(map(is_live, owned(self._store, PODS, replicaset))) >= size(replicaset):
                return
            if image_word(replicaset) == "quota":
                self._coming[uid] += 1  # the next try is a long way off
                self._refuse(replicaset)
                return
            pod = self._store.create(PODS, pod_of(replicaset))
        message = f"Created pod: {pod['metadata']['name']}"
        tell_event(self._store, replicaset, "Normal", "SuccessfulCreate", message, SOURCE)

    def _refuse(self, replicaset: Object) -> None:
        name = self._store.sources.name(f"{replicaset['metadata']['name']}-")
        why = forbidden("", PODS, name, QUOTA).message
        condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why}

        def change(obj: Object) -> None:
            status = obj.setdefault("status", {"replicas": 0})
            status["conditions"] = with_times([condition], status)

        modify(self._store, REPLICASETS, Key.of(replicaset), change)
        tell_event(self._store, replicaset, "Warning", "FailedCreate", f"Error creating: {why}", SOURCE)

    def _delete_pod(self, replicaset: Object, pod: Object) -> None:
        key = Key.of(pod)
        try:
            remove(self._server.api, self._store.type(PODS), key.namespace, key.name, DeleteOptions())
        except APIFailure:  # somebody else was faster
            return
        tell_event(self._store, replicaset, "Normal", "SuccessfulDelete", f"Deleted pod: {key.name}", SOURCE)

    def _write_status(self, replicaset: Object, pods: Objects) -> None:
        ready = sum(map(is_ready, pods))
        status = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "observedGeneration": replicaset["metadata"].get("generation", 1),
        }

        def change(obj: Object) -> None:
            conditions = (obj.get("status") or {}).get("conditions")
            obj["status"] = {**status, **({"conditions": conditions} if conditions else {})}

        modify(self._store, REPLICASETS, Key.of(replicaset), change)


def size(obj: Object) -> int:
    """How many pods a ReplicaSet or Deployment asks for."""
    wanted = obj["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def image_word(obj: Object) -> str:
    """The word that decides what becomes of the pods of a ReplicaSet."""
    containers = obj["spec"]["template"]["spec"].get("containers") or [{}]
    return variant(str(containers[0].get("image", "")))


def pod_of(replicaset: Object) -> Object:
    template = replicaset["spec"]["template"]
    metadata = template.get("metadata") or {}
    pod: Object = {
        "metadata": {
            **{name: metadata[name] for name in ("labels", "annotations") if metadata.get(name)},
            "generateName": f"{replicaset['metadata']['name']}-",
            "namespace": replicaset["metadata"]["namespace"],
            "ownerReferences": [controlled_by(replicaset)],
        },
        "spec": {**DEFAULTS, **template["spec"]},
    }
    return {**pod, "status": {"phase": "Pending", "qosClass": qos_class(pod)}}
