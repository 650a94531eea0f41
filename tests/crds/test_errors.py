"""The documented import path of the errors leads to the same classes as the package's own."""

from __future__ import annotations

from devservers import errors
from devservers.crds import errors as documented


def test_every_exception_of_the_package_is_there() -> None:
    own = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    exceptions = {name: value for name, value in own.items() if issubclass(value, (errors.DevServersError, Warning))}
    assert {name: value for name, value in vars(documented).items() if name[0] != "_"} == exceptions
