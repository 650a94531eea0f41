"""Configuration from the service account of the pod that we run in.

The kubelet mounts a token, the cluster's CA and the namespace, and puts the API server's address into the environment.
The token is replaced long before it expires: it is read again every minute (see ``TokenFile``).
``POD_NAMESPACE`` goes before the mounted namespace, as in kubectl.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Optional

from ..auth.credentials import Credentials, TokenFile
from ..deadline import SYSTEM_CLOCK, Clock, Deadline
from ..tls.context import Material, TLSSettings
from .clientconfig import ClientConfig

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
SOURCE = "in-cluster service account"


def missing_pieces(environ: Mapping[str, str], directory: str) -> list[str]:
    """What in-cluster configuration lacks here, one line each; empty: it can be used."""
    variables = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
    missing = [f"{name} is not set" for name in variables if not environ.get(name)]
    return missing + [
        problem for name in ("token", "ca.crt") if (problem := _unreadable(os.path.join(directory, name)))
    ]


def _unreadable(path: str) -> str:
    try:
        with open(path, "rb"):
            return ""
    except OSError as error:
        return f"{path}: {error.strerror}"


def in_cluster_config(
    environ: Mapping[str, str],
    namespace: Optional[str] = None,
    directory: str = SERVICE_ACCOUNT,
    clock: Clock = SYSTEM_CLOCK,
) -> ClientConfig:
    """The configuration of the pod; call it when nothing is missing. Never proxied by the environment."""
    host, port = environ["KUBERNETES_SERVICE_HOST"].strip("[]"), environ["KUBERNETES_SERVICE_PORT"]
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    token = TokenFile(os.path.join(directory, "token"), f"token of the {SOURCE}", clock)
    token.current(Deadline(None))  # an empty one is an error now, not at the first request
    return ClientConfig(
        server=f"https://{authority}",
        namespace=namespace or pod_namespace(environ, directory),
        credentials=Credentials(token),
        tls=TLSSettings(Material(f"ca.crt of the {SOURCE}", path=os.path.join(directory, "ca.crt"))),
        source=SOURCE,
        proxy_from_environment=False,
    )


def pod_namespace(environ: Mapping[str, str], directory: str) -> Optional[str]:
    """The namespace of the pod: ``POD_NAMESPACE``, else the mounted one, else None."""
    return environ.get("POD_NAMESPACE") or _read_namespace(os.path.join(directory, "namespace"))


def _read_namespace(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
