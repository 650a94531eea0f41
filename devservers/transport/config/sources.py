"""Which cluster: :func:`load_config` takes the first source there is.

The order: an explicit kubeconfig, the files of ``KUBECONFIG``, ``~/.kube/config``, the service
account of the pod. Nothing is guessed: a source that exists but is broken is an error, and when
there is none the error lists every place that was checked. The environment is read at call time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional, Union

from ... import arguments
from ...errors import KubeConfigError
from ...parts import needed_by
from ..names import validate_namespace
from ..text import shown_path
from . import incluster
from .clientconfig import ClientConfig

if TYPE_CHECKING:
    from .kubeconfig import KubeConfig


def load_config(
    kubeconfig: Union[str, os.PathLike[str], Mapping[str, Any], None] = None,
    context: Optional[str] = None,
    *,
    namespace: Optional[str] = None,
) -> ClientConfig:
    """The configuration of this process, from the first source there is.

    Args:
        kubeconfig: path of a kubeconfig file, which must exist, or a dict with its content;
            no other source is considered then.
        context: name of a context instead of the current one; in-cluster configuration has none.
        namespace: default namespace instead of the one of the context or service account. In a pod,
            a context without one means that of the pod.

    Raises:
        KubeConfigError: no source, or a broken one; the message says which, where and what to do.
        MissingDependencyError: the kubeconfig is YAML, and PyYAML is not installed.
    """
    if kubeconfig is not None and not isinstance(kubeconfig, (str, os.PathLike, Mapping)):
        raise TypeError(
            f"kubeconfig: must be the path of a file or a dict, not {type(kubeconfig).__name__}"
        )
    if context is not None:
        arguments.text(context, "context")
    if namespace is not None:
        validate_namespace(namespace, "namespace")
    return load(os.environ, kubeconfig, context, namespace)


def load(
    environ: Mapping[str, str],
    kubeconfig: Union[str, os.PathLike[str], Mapping[str, Any], None],
    context: Optional[str],
    namespace: Optional[str],
    service_account: str = incluster.SERVICE_ACCOUNT,
) -> ClientConfig:
    """As :func:`load_config`, with the environment and the service account's directory given."""
    if kubeconfig is not None:
        with needed_by("kubeconfig="):
            from .lookup import config_of_argument

        config = config_of_argument(kubeconfig, context, namespace)
        return _with_pod_namespace(config, environ, service_account)

    checked: list[str] = []
    paths = _kubeconfig_paths(environ)
    kube: Optional[KubeConfig] = None
    if environ.get("KUBECONFIG") or not all(map(_is_absent, paths)):
        what = "KUBECONFIG" if environ.get("KUBECONFIG") else f"the kubeconfig {paths[0]}"
        with needed_by(what):
            from .lookup import config_of_files, read_environment

        kube = read_environment(environ, paths, checked)
    else:
        checked.append("KUBECONFIG: not set")
        checked += [f"~/.kube/config ({path}): no such file" for path in paths]
        if not paths:
            checked.append("~/.kube/config: HOME is not set")
    if kube is not None and (context or kube.current_context):
        config = config_of_files(kube, paths, context, namespace)
        return _with_pod_namespace(config, environ, service_account)
    missing = incluster.missing_pieces(environ, service_account)
    if not missing and context is None:
        return incluster.in_cluster_config(environ, namespace, service_account)
    if kube is not None and kube.contexts:  # raises: there is no current-context
        return config_of_files(kube, paths, context, namespace)
    why = "; ".join(missing) or f"it has no contexts, and {context!r} was asked for"
    checked.append(f"in-cluster service account: {why}")
    places = "\n".join(f"  - {shown_path(place)}" for place in checked)
    raise KubeConfigError(
        f"no Kubernetes configuration found. Looked at:\n{places}\n"
        "Set KUBECONFIG to a kubeconfig file, write one to ~/.kube/config, pass kubeconfig=PATH, "
        "or run in a pod with a service account."
    )


def _with_pod_namespace(
    config: ClientConfig, environ: Mapping[str, str], service_account: str
) -> ClientConfig:
    """``config``, in a pod with the pod's namespace if it names none, as in kubectl."""
    if config.namespace is not None or incluster.missing_pieces(environ, service_account):
        return config
    return replace(config, namespace=incluster.pod_namespace(environ, service_account))


def _kubeconfig_paths(environ: Mapping[str, str]) -> list[str]:
    """Where kubeconfig files are, according to the environment."""
    listed = [path for path in environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    if listed:
        return listed
    home = environ.get("HOME", "")
    if "HOME" not in environ:
        home = os.path.expanduser("~")  # asks the password database, which may not know this uid
        if home == "~":
            return []
    return [os.path.join(home, ".kube", "config")] if home else []


def _is_absent(path: str) -> bool:
    """Whether there is nothing at ``path``; what cannot be read is an error for its reader."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
