"""The exceptions at their documented import path; the tree is in :mod:`devservers.errors`."""

from ..errors import *  # noqa: F403
from ..errors import __all__ as __all__
