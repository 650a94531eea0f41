"""Whether the flavor of a DevServer exists: if not, its operator only waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from ...errors import NotFoundError
from ...transport.resources import Resource
from .. import const

if TYPE_CHECKING:
    from ...transport.deadline import Deadline
    from ...transport.rest import RESTClient

FLAVORS = Resource(
    const.GROUP, const.VERSION, const.PLURAL_DEVSERVERFLAVOR, "DevServerFlavor", namespaced=False
)


def missing_flavor(client: RESTClient, raw: Mapping[str, Any], deadline: Deadline) -> Optional[str]:
    """The name of the DevServer's flavor if it does not exist; None if it does, or has no name.

    Raises:
        DevServersError: it may not be read (403), or not now.
    """
    flavor = (raw.get("spec") or {}).get("flavor")
    if not isinstance(flavor, str) or not flavor:
        return None
    try:
        client.get(FLAVORS, None, flavor, deadline=deadline)
    except ValueError:
        return flavor  # not a name that an object can have
    except NotFoundError as error:
        if error.is_about(FLAVORS, flavor):  # else it is the kind that does not exist
            return flavor
        raise
    return None


def no_such_flavor(name: str) -> str:
    return f'Flavor "{name}" does not exist'
