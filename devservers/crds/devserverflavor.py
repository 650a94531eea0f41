"""DevServerFlavor: the sizes of DevServers that a cluster offers. Cluster-scoped."""

from __future__ import annotations

from .base import BaseCustomResource
from .const import GROUP, PLURAL_DEVSERVERFLAVOR, VERSION


class DevServerFlavor(BaseCustomResource):
    """A flavor, named in ``spec.flavor`` of a DevServer: resources and node placement.

    ``update()`` does not write its status, which is a subresource.
    """

    group = GROUP
    version = VERSION
    plural = PLURAL_DEVSERVERFLAVOR
    namespaced = False
