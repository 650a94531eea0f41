"""The pod of a DevServer, and the status of either, as plain objects."""

from __future__ import annotations

from typing import Any, Optional

from .store import Object, now

CONTAINER = "devserver"
DEFAULT_IMAGE = "ubuntu:22.04"
HOME = "/home/dev"
OWN_MOUNTS = {"workspace": "/workspace", "home": HOME, "data": "/data"}


def pod_name(devserver: Object) -> str:
    return f"{devserver['metadata']['name']}-0"


def pod_for(devserver: Object) -> Object:
    """The pod that the operator makes for a DevServer."""
    metadata = devserver["metadata"]
    return {
        "metadata": {
            "name": pod_name(devserver),
            "namespace": metadata["namespace"],
            "labels": {"app": metadata["name"], "app.kubernetes.io/managed-by": "devserver-operator"},
            "annotations": {"kubectl.kubernetes.io/default-container": CONTAINER},
            "ownerReferences": [owner_reference(devserver)],
        },
        "spec": pod_spec(devserver),
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def owner_reference(devserver: Object) -> Object:
    return {
        "apiVersion": devserver["apiVersion"],
        "kind": devserver["kind"],
        "name": devserver["metadata"]["name"],
        "uid": devserver["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_spec(devserver: Object) -> Object:
    spec = devserver.get("spec") or {}
    name = devserver["metadata"]["name"]
    wanted = spec.get("volumes") or []
    container: Object = {
        "name": CONTAINER,
        "image": spec.get("image") or DEFAULT_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "HOME", "value": HOME}],
        "volumeMounts": [
            *({"name": volume, "mountPath": path} for volume, path in OWN_MOUNTS.items()),
            *({"name": f"volume-{i}", **_mount(volume)} for i, volume in enumerate(wanted)),
        ],
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    return {
        "containers": [container],
        "volumes": [
            *({"name": volume, **_source(name, volume, spec)} for volume in OWN_MOUNTS),
            *({"name": f"volume-{i}", **_claim(volume["claimName"])} for i, volume in enumerate(wanted)),
        ],
        "hostname": f"{name}-0",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccountName": "default",
        "enableServiceLinks": True,
    }


def _mount(volume: Object) -> Object:
    mount: Object = {"mountPath": volume["mountPath"]}
    if volume.get("readOnly"):
        mount["readOnly"] = True
    return mount


def _source(name: str, volume: str, spec: Object) -> Object:
    home = spec.get("persistentHome") or {}
    persistent = volume == "home" and home.get("enabled")
    return _claim(f"{name}-home") if persistent else {"emptyDir": {}}


def _claim(name: str) -> Object:
    return {"persistentVolumeClaim": {"claimName": name}}


# statuses of the pod


def condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Object:
    entry = {"type": kind, "status": "True" if holds else "False", "lastProbeTime": None, "lastTransitionTime": now()}
    return {**entry, **({"reason": reason} if reason else {}), **({"message": message} if message else {})}


def unschedulable(why: str) -> Object:
    return {"phase": "Pending", "conditions": [condition("PodScheduled", False, "Unschedulable", why)]}


def not_ready(pod: Object, states: Object, restarts: int = 0, last: Optional[Object] = None) -> Object:
    """Scheduled, with every container in ``states`` (``{"waiting": …}``)."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    why = ("ContainersNotReady", f"containers with unready status: [{' '.join(names)}]")
    statuses = [container_status(c, states, restarts=restarts, last=last) for c in pod["spec"]["containers"]]
    return {
        **_scheduled(pod, condition("Ready", False, *why), condition("ContainersReady", False, *why)),
        "phase": "Running" if restarts else "Pending",
        "containerStatuses": statuses,
    }


def ready(pod: Object) -> Object:
    states: Object = {"running": {"startedAt": now()}}
    return {
        **_scheduled(pod, condition("Ready", True), condition("ContainersReady", True)),
        "phase": "Running",
        "podIP": "10.244.0.10",
        "podIPs": [{"ip": "10.244.0.10"}],
        "containerStatuses": [container_status(c, states, is_ready=True) for c in pod["spec"]["containers"]],
    }


def _scheduled(pod: Object, *more: Object) -> Object:
    return {
        "conditions": [condition("Initialized", True), *more, condition("PodScheduled", True)],
        "hostIP": "192.168.1.2",
        "startTime": (pod.get("status") or {}).get("startTime") or now(),
        "qosClass": "BestEffort",
    }


def container_status(
    container: Object, state: Object, *, is_ready: bool = False, restarts: int = 0, last: Optional[Object] = None
) -> Object:
    status: dict[str, Any] = {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": f"{container.get('image', '')}@sha256:{'0' * 64}" if is_ready else "",
        "ready": is_ready,
        "started": is_ready,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
    }
    if is_ready:
        status["containerID"] = f"containerd://{'0' * 64}"
    return status
