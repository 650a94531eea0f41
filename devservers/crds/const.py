"""The names of the ``devserver.io`` API."""

from __future__ import annotations

GROUP = "devserver.io"
VERSION = "v1"

KIND_DEVSERVER = "DevServer"
PLURAL_DEVSERVER = "devservers"
PLURAL_DEVSERVERFLAVOR = "devserverflavors"
PLURAL_DEVSERVERUSER = "devserverusers"

PHASE_RUNNING = "Running"
PHASES_FAILED = frozenset({"Failed", "Error"})
"""Phases that a DevServer does not leave by itself."""

APP_LABEL = "app"
"""The label by which a DevServer's pods are found; its value is the DevServer's name."""
TEMPLATE_HASH_LABEL = "pod-template-hash"
"""The label by which a Deployment tells the pods of its ReplicaSets apart."""
DEFAULT_CONTAINER = "devserver"
DEFAULT_CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"
