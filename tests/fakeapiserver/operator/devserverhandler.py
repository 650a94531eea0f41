"""How the operator handles DevServers: one after the other, the new, the changed and the deleted ones alike.

* Its memory is in the objects (:mod:`~tests.fakeapiserver.operator.kopfstate`): to be handled is what has another spec
  than was handled last.
* To handle a DevServer is to make its Deployment. The only word about that is ``Running``, as soon as it is made and
  before there is a pod.
* A flavor that does not exist is a failure for good: no status, no Event. Any other failure (and the image ``…/retry``
  always is one) is tried again after a while.
* What is to be deleted loses the finalizer, a moment after the operator has seen it; this keeps nobody waiting.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from ..backbone import Backbone
from ..core.deletes import release
from ..pods.images import variant
from ..vocabulary.fielderrors import invalid
from ..vocabulary.objects import Object
from ..vocabulary.status import APIFailure
from ..vocabulary.status import invalid as invalid_object
from . import kopfstate
from .agenda import Agenda
from .controllers import Key, controller, find, set_spec
from .deployments import DEPLOYMENTS
from .podspec import deployment_for

DEVSERVERS, FLAVORS = "devservers", "devserverflavors"
LABEL_LIMIT = 63
COLLECTION_PAUSE = 0.02  # seconds until the garbage collector will have removed what a namesake has left behind
TWO_OWNERS = "metadata.ownerReferences: Only one reference can have Controller set to true"


class Task(NamedTuple):
    """A DevServer that is to be looked at."""

    key: Key
    uid: str


class DevServerHandler:
    """The operator's one worker."""

    def __init__(self, server: Backbone, agenda: Agenda) -> None:
        self._server = server
        self._store = server.store
        self._agenda = agenda
        self._tasks: dict[Task, None] = {}  # in the order in which they came
        self._busy = False
        self._waiting: dict[str, Any] = {}  # by uid: the spec whose next try is due later
        self.handling = 0.0
        """Seconds that the worker takes for each object."""
        self.finalize = 0.02
        """Seconds until the finalizer of what is to be deleted goes."""
        self.retry_interval = 60.0
        """Seconds from a try that failed to the next."""

    def changed(self, kind: str, devserver: Object) -> None:
        task = Task(Key.of(devserver), devserver["metadata"]["uid"])
        if kind == "DELETED":
            self._waiting.pop(task.uid, None)
        elif self._is_due(devserver):
            self._agenda.after(0, partial(self._enqueue, task))

    def _is_due(self, devserver: Object) -> bool:
        """Is there anything to do about it now?"""
        if "deletionTimestamp" in devserver["metadata"]:
            return kopfstate.is_held(devserver)
        if kopfstate.is_held(devserver) and kopfstate.is_handled(devserver):
            return False
        uid = devserver["metadata"]["uid"]
        return uid not in self._waiting or self._waiting[uid] != devserver.get("spec")

    def _enqueue(self, task: Task) -> None:
        self._tasks.setdefault(task)
        self._next()

    def _next(self) -> None:
        if self._tasks and not self._busy:
            self._busy = True
            task = next(iter(self._tasks))
            del self._tasks[task]
            self._go_on(self._work(task))

    def _go_on(self, work: Iterator[float]) -> None:
        """Run the work on an object up to its next pause; when it has ended, the next object has its turn."""
        try:
            pause = next(work, None)
        except Exception:
            traceback.print_exc()
            pause = None
        if pause is None:
            self._busy = False
            self._agenda.after(0, self._next)
        else:
            self._agenda.after(pause, partial(self._go_on, work))

    def _work(self, task: Task) -> Iterator[float]:
        devserver = self._current(task)
        if devserver is None or not self._is_due(devserver):
            return
        if "deletionTimestamp" in devserver["metadata"]:
            self._agenda.after(self.finalize, partial(self._release, task))
            return
        self._write(task, kopfstate.hold)
        self._write(task, kopfstate.begin)
        yield self.handling
        devserver = self._current(task)
        if devserver is not None and "deletionTimestamp" not in devserver["metadata"]:
            self._handle(task, devserver)

    def _handle(self, task: Task, devserver: Object) -> None:
        try:
            spec = devserver["spec"]
            flavor = find(self._store, FLAVORS, str(spec.get("flavor", "")))
            if flavor is None:
                self._done(task, spec, kopfstate.finish)
            elif self._make_deployment(task, deployment_for(devserver, flavor)):
                self._done(task, spec, succeed)
            else:
                self._agenda.after(COLLECTION_PAUSE, partial(self._enqueue, task))
        except Exception as error:  # as kopf does: whatever it is, it may pass
            self._try_again(task, devserver.get("spec"), kopfstate.message_of(error))

    def _make_deployment(self, task: Task, wanted: Object) -> bool:
        """False while a namesake's is in the way, which the garbage collector is about to remove."""
        key, uid, spec = task.key, task.uid, wanted["spec"]
        check(wanted)
        with self._store.lock:
            if self._current(task) is None:
                return True
            there = find(self._store, DEPLOYMENTS, key.name, key.namespace)
            if there is None:
                self._store.create(DEPLOYMENTS, wanted)
                return True
            owner = controller(there)
            if owner is not None and owner["uid"] != uid:
                if owner["kind"] == "DevServer":
                    return False
                raise two_owners("Deployment", key.name)

            def change(obj: Object) -> None:
                obj["metadata"]["ownerReferences"] = wanted["metadata"]["ownerReferences"]
                set_spec(obj, template=spec["template"])

            self._store.modify(DEPLOYMENTS, key.name, key.namespace, change)
            return True

    def _done(self, task: Task, spec: Object, finish: Callable[[Object], None]) -> None:
        """Write what came of it, unless the spec has changed meanwhile: then it is to be handled again."""
        self._waiting.pop(task.uid, None)
        self._write(task, lambda obj: finish(obj) if obj["spec"] == spec else None)

    def _try_again(self, task: Task, spec: Any, message: str) -> None:
        self._waiting[task.uid] = spec
        self._write(task, lambda obj: kopfstate.fail(obj, message, self.retry_interval))
        self._agenda.after(self.retry_interval, partial(self._wait_is_over, task, spec))

    def _wait_is_over(self, task: Task, spec: Any) -> None:
        if task.uid in self._waiting and self._waiting[task.uid] == spec:
            del self._waiting[task.uid]
            self._enqueue(task)

    def _release(self, task: Task) -> None:
        """Let go of an object that is to be deleted."""
        with self._store.lock:
            devserver = self._current(task)
            if devserver is not None and kopfstate.is_held(devserver):
                kind = self._store.type(DEVSERVERS)
                release(self._server.api, kind, *task.key, kopfstate.FINALIZER)

    def _current(self, task: Task) -> Optional[Object]:
        return find(self._store, DEVSERVERS, task.key.name, task.key.namespace, task.uid)

    def _write(self, task: Task, change: Callable[[Object], object]) -> None:
        """Change an object that is not to be deleted; a change of its status counts a generation."""

        def change_all(obj: Object) -> None:
            status = obj.get("status")
            change(obj)
            if obj.get("status") != status:
                obj["metadata"]["generation"] = obj["metadata"].get("generation", 0) + 1

        with self._store.lock:
            current = self._current(task)
            if current is not None and "deletionTimestamp" not in current["metadata"]:
                self._store.modify(DEVSERVERS, task.key.name, task.key.namespace, change_all)


def succeed(devserver: Object) -> None:
    name = devserver["metadata"]["name"]
    kopfstate.finish(devserver)
    devserver["status"] = {"phase": "Running", "message": f"Deployment '{name}' reconciled successfully."}


def check(deployment: Object) -> None:
    """What the API server has against a Deployment, and the handler runs into."""
    name = deployment["metadata"]["name"]
    if len(name) > LABEL_LIMIT:
        cause = invalid("spec.template.labels", name, f"must be no more than {LABEL_LIMIT} bytes")
        raise invalid_object("apps", "Deployment", name, [cause])
    if variant(deployment["spec"]["template"]["spec"]["containers"][0]["image"]) == "retry":
        raise two_owners("ConfigMap", f"{name}-sshd-config")


def two_owners(kind: str, name: str) -> APIFailure:
    return APIFailure(422, "Invalid", f'{kind} "{name}" is invalid: {TWO_OWNERS}', {"name": name, "kind": kind})
