"""What the operator makes of a DevServer, as plain objects: its Deployment, with the template of its pod.

An init container prepares what the pod's own container, ``devserver``, needs.
"""

from __future__ import annotations

from typing import Any

from ..vocabulary.objects import Object
from .controllers import controlled_by

CONTAINER = "devserver"
INIT_CONTAINER = "setup"
INIT_IMAGE = "devserver-setup:latest"
DEFAULT_IMAGE = "ubuntu:22.04"
HOME = "/home/dev"
OWN_MOUNTS = {"workspace": "/workspace", "home": HOME, "data": "/data"}
APP_LABEL = "app"
DEFAULTS: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "serviceAccountName": "default",
    "enableServiceLinks": True,
}
"""What the API server fills in where a pod's spec says nothing."""


def deployment_for(devserver: Object, flavor: Object) -> Object:
    metadata = devserver["metadata"]
    labels = {APP_LABEL: metadata["name"]}
    return {
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [controlled_by(devserver)],
        },
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels, "annotations": {"kubectl.kubernetes.io/default-container": CONTAINER}},
                "spec": pod_spec(devserver, flavor),
            },
        },
    }


def pod_spec(devserver: Object, flavor: Object) -> Object:
    spec = devserver.get("spec") or {}
    wanted = spec.get("volumes") or []
    mounts = [
        *({"name": volume, "mountPath": path} for volume, path in OWN_MOUNTS.items()),
        *({"name": f"volume-{i}", **_mount(volume)} for i, volume in enumerate(wanted)),
    ]
    resources = (flavor.get("spec") or {}).get("resources") or {}
    return {
        "initContainers": [_container(INIT_CONTAINER, INIT_IMAGE, volumeMounts=mounts[:2], resources={})],
        "containers": [
            _container(
                CONTAINER,
                spec.get("image") or DEFAULT_IMAGE,
                env=[{"name": "HOME", "value": HOME}],
                volumeMounts=mounts,
                resources=resources,
            )
        ],
        "volumes": [
            *({"name": volume, **_source(devserver, volume)} for volume in OWN_MOUNTS),
            *({"name": f"volume-{i}", **_claim(volume["claimName"])} for i, volume in enumerate(wanted)),
        ],
        **DEFAULTS,
    }


def _container(name: str, image: str, **more: Any) -> Object:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        **more,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def _mount(volume: Object) -> Object:
    mount: Object = {"mountPath": volume["mountPath"]}
    if volume.get("readOnly"):
        mount["readOnly"] = True
    return mount


def _source(devserver: Object, volume: str) -> Object:
    home = (devserver.get("spec") or {}).get("persistentHome") or {}
    persistent = volume == "home" and home.get("enabled")
    return _claim(f"{devserver['metadata']['name']}-home") if persistent else {"emptyDir": {}}


def _claim(name: str) -> Object:
    return {"persistentVolumeClaim": {"claimName": name}}
