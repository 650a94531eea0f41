"""Configuration from the service account of the pod that this process runs in.

The kubelet mounts a token, the cluster's CA and the namespace, and sets the API server's address in
the environment. The token is replaced long before it expires: it is read again every minute (see
``TokenFile``). ``POD_NAMESPACE`` takes precedence over the mounted namespace, as in kubectl.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Optional

from ...errors import KubeConfigError
from ..auth.credentials import Credentials, TokenFile
from ..deadline import SYSTEM_CLOCK, Clock, Deadline
from ..names import validate_namespace
from ..tls.context import TLSSettings
from ..tls.pem import PEMSource
from .clientconfig import ClientConfig
from .serverurl import host_and_port

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
SOURCE = "in-cluster service account"


def missing_pieces(environ: Mapping[str, str], directory: str) -> list[str]:
    """What is missing for in-cluster configuration, one line each; empty if nothing is."""
    variables = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
    missing = [f"{name} is not set" for name in variables if not environ.get(name)]
    for name in ("token", "ca.crt"):
        path = os.path.join(directory, name)
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            missing.append(f"{path}: {error.strerror}")
    return missing


def in_cluster_config(
    environ: Mapping[str, str],
    namespace: Optional[str] = None,
    directory: str = SERVICE_ACCOUNT,
    clock: Clock = SYSTEM_CLOCK,
) -> ClientConfig:
    """The configuration of the pod, if nothing is missing. The environment's proxies do not apply.

    Raises: KubeConfigError for an empty or unusable token, or an invalid namespace.
    """
    host = environ["KUBERNETES_SERVICE_HOST"].strip("[]")
    address = host_and_port(host, environ["KUBERNETES_SERVICE_PORT"])
    token = TokenFile(os.path.join(directory, "token"), f"token of the {SOURCE}", clock)
    token.current(Deadline(None))  # so that a bad one is an error now, not at the first request
    ca = PEMSource(f"ca.crt of the {SOURCE}", path=os.path.join(directory, "ca.crt"))
    return ClientConfig(
        server=f"https://{address}",
        namespace=namespace or pod_namespace(environ, directory),
        credentials=Credentials(token),
        tls=TLSSettings(ca),
        source=SOURCE,
        proxy_from_environment=False,
    )


def pod_namespace(environ: Mapping[str, str], directory: str) -> Optional[str]:
    """The namespace of the pod: ``POD_NAMESPACE``, else the mounted one, else None.

    Raises: KubeConfigError if what is found cannot be the name of a namespace.
    """
    source, named = "POD_NAMESPACE", environ.get("POD_NAMESPACE")
    if not named:
        source = os.path.join(directory, "namespace")
        try:
            with open(source, encoding="utf-8") as file:
                named = file.read().strip()
        except (OSError, UnicodeDecodeError):
            return None
    if not named:
        return None
    try:
        return validate_namespace(named, source)
    except ValueError as error:
        raise KubeConfigError(f"{error}; correct it, or pass namespace=") from None
