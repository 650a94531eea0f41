"""The DevServer operator of the fake, which works like the one that users run, and the controllers around it.

How far each looks: the operator makes a Deployment of a DevServer, says ``Running`` and looks no further; the
Deployment and ReplicaSet controllers make a pod; the node brings it to run. They all work on one agenda. What each of
them does, and which image leads it to do something else, their modules tell:
:mod:`~tests.fakeapiserver.operator.devserverhandler`, :mod:`~tests.fakeapiserver.operator.deployments`,
:mod:`~tests.fakeapiserver.operator.replicasets`, :mod:`~tests.fakeapiserver.operator.node`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Callable

from ..backbone import Backbone
from ..vocabulary.objects import Object
from ..vocabulary.resources import APPS
from .agenda import Agenda
from .controllers import find, follow, owned
from .deployments import DEPLOYMENTS, Deployments
from .devserverhandler import DEVSERVERS, FLAVORS, DevServerHandler
from .node import Node
from .podstatus import is_live, is_ready
from .replicasets import PODS, REPLICASETS, ReplicaSets
from .timetolive import TimeToLive

ATTRIBUTE = "operator"
SHIPPED_FLAVORS: dict[str, Object] = {
    "cpu-small": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}},
    "gpu-small": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "nvidia.com/gpu": "1"}},
}
"""The resources of the flavors that the documented examples name."""


class Operator:
    """Everything that acts by itself in a cluster; its pace is set here."""

    def __init__(self, server: Backbone) -> None:
        self._server = server
        self._store = server.store
        self._agenda = Agenda(server.stopping)
        self.handler = DevServerHandler(server, self._agenda)
        self.time_to_live = TimeToLive(server, self._agenda)
        self.deployments = Deployments(server, self._agenda)
        self.replicasets = ReplicaSets(server, self._agenda)
        self.node = Node(server, self._agenda)

    @classmethod
    def of(cls, server: Backbone) -> Operator:
        """A server's operator; the same as ``server.operator``."""
        operator = getattr(server, ATTRIBUTE)
        assert isinstance(operator, cls)
        return operator

    @property
    def handling(self) -> float:
        """Seconds that the operator's one worker takes for each DevServer."""
        return self.handler.handling

    @handling.setter
    def handling(self, seconds: float) -> None:
        self.handler.handling = seconds

    @property
    def retry_interval(self) -> float:
        """Seconds from a try of the operator that failed to the next."""
        return self.handler.retry_interval

    @retry_interval.setter
    def retry_interval(self, seconds: float) -> None:
        self.handler.retry_interval = seconds

    @property
    def finalize(self) -> float:
        """Seconds from a DevServer's deletion to the end of its finalizer."""
        return self.handler.finalize

    @finalize.setter
    def finalize(self, seconds: float) -> None:
        self.handler.finalize = seconds

    @property
    def lag(self) -> float:
        """Seconds from a Deployment to its pod, and from a pod's end to the next pod."""
        return self.replicasets.lag

    @lag.setter
    def lag(self, seconds: float) -> None:
        self.replicasets.lag = seconds

    @property
    def delay(self) -> float:
        """Seconds between the steps of a pod's life."""
        return self.node.delay

    @delay.setter
    def delay(self, seconds: float) -> None:
        self.node.delay = seconds

    def pause(self) -> None:
        """Let nothing progress (DevServers and pods stay as they are) until :meth:`resume`."""
        self._agenda.pause()

    def resume(self) -> None:
        self._agenda.resume()

    def pod_of(self, name: str, namespace: str = "default") -> Object:
        """The pod of a DevServer: a ready one before others, then the newest. LookupError if there is none."""
        pods = list(self._pods(self._store.get(DEVSERVERS, name, namespace)))
        if not pods:
            raise LookupError(f"DevServer {namespace}/{name} has no pod")
        return max(pods, key=lambda pod: (is_live(pod), is_ready(pod), pod["metadata"]["creationTimestamp"]))

    def _pods(self, devserver: Object) -> Iterator[Object]:
        for deployment in owned(self._store, DEPLOYMENTS, devserver):
            for replicaset in owned(self._store, REPLICASETS, deployment):
                yield from owned(self._store, PODS, replicaset)

    def start(self) -> None:
        self._ship_flavors()
        told: dict[str, Callable[[str, Object], object]] = {
            DEVSERVERS: self._devserver_changed,
            DEPLOYMENTS: self.deployments.changed,
            REPLICASETS: self._replicaset_changed,
            PODS: self._pod_changed,
        }
        self._server.spawn(self._agenda.run, "agenda")
        for resource, tell in told.items():
            self._server.spawn(partial(follow, self._server, resource, tell), f"operator-{resource}")

    def stop(self) -> None:
        self._agenda.wake()

    def _ship_flavors(self) -> None:
        if any(kind.plural == FLAVORS for kind in self._server.api.types()):
            for name, resources in SHIPPED_FLAVORS.items():
                if find(self._store, FLAVORS, name) is None:
                    self._store.create(FLAVORS, {"metadata": {"name": name}, "spec": {"resources": resources}})

    def _devserver_changed(self, kind: str, devserver: Object) -> None:
        self.handler.changed(kind, devserver)
        self.time_to_live.changed(kind, devserver)

    def _replicaset_changed(self, kind: str, replicaset: Object) -> None:
        self.replicasets.changed(kind, replicaset)
        self.deployments.replicaset_changed(kind, replicaset)

    def _pod_changed(self, kind: str, pod: Object) -> None:
        self.node.pod_changed(kind, pod)
        self.replicasets.pod_changed(kind, pod)


def install(server: Backbone) -> None:
    """Give a server its operator, which starts and stops with it, and what it needs of a cluster."""
    for resource in APPS:
        server.api.serve(resource)
    server.api.graceful_pods = True  # the node ends them
    operator = Operator(server)
    setattr(server, ATTRIBUTE, operator)
    server.on_start.append(operator.start)
    server.on_stop.append(operator.stop)
