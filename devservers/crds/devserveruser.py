"""DevServerUser: a user of the cluster's DevServers. Cluster-scoped."""

from __future__ import annotations

from .base import BaseCustomResource
from .const import GROUP, PLURAL_DEVSERVERUSER, VERSION


class DevServerUser(BaseCustomResource):
    """A user; ``spec["username"]`` is required.

    ``update()`` does not write its status, which is a subresource.
    """

    group = GROUP
    version = VERSION
    plural = PLURAL_DEVSERVERUSER
    namespaced = False
