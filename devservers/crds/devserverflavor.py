"""DevServerFlavor: what kinds of DevServers the cluster offers (resources, node placement). Cluster-scoped."""

from __future__ import annotations

from .base import BaseCustomResource
from .const import GROUP, PLURAL_DEVSERVERFLAVOR, VERSION


class DevServerFlavor(BaseCustomResource):
    """A flavor, named in ``spec.flavor`` of a DevServer. ``update()`` does not write its status, a subresource."""

    group = GROUP
    version = VERSION
    plural = PLURAL_DEVSERVERFLAVOR
    namespaced = False
