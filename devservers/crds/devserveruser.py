"""DevServerUser: a user of the cluster's DevServers. Cluster-scoped."""

from __future__ import annotations

from .base import BaseCustomResource
from .const import GROUP, PLURAL_DEVSERVERUSER, VERSION


class DevServerUser(BaseCustomResource):
    """A user; ``spec["username"]`` is required. Its status is a subresource: ``update()`` does not write it."""

    group = GROUP
    version = VERSION
    plural = PLURAL_DEVSERVERUSER
    namespaced = False
