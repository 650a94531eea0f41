"""Which cluster: :func:`load_config` takes the first source there is.

The order: an explicit kubeconfig, the files of ``KUBECONFIG``, ``~/.kube/config``, the service
account of the pod. Nothing is guessed: a source that exists but is broken is an error, and when
there is none the error lists every place that was checked. The environment is read at call time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Optional, Union

from ... import arguments
from ...errors import KubeConfigError
from ..names import validate_namespace
from ..text import shown_path
from . import incluster
from .clientconfig import ClientConfig
from .contexts import client_config
from .kubeconfig import KubeConfig, from_mapping, is_content, merge, read


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
        config = _from_argument(kubeconfig, context, namespace)
        return _with_pod_namespace(config, environ, service_account)

    checked: list[str] = []
    kube = _from_environment(environ, checked)
    if kube is not None and (context or kube.current_context):
        config = client_config(kube, context, namespace, _reader(_kubeconfig_paths(environ)))
        return _with_pod_namespace(config, environ, service_account)
    missing = incluster.missing_pieces(environ, service_account)
    if not missing and context is None:
        return incluster.in_cluster_config(environ, namespace, service_account)
    if kube is not None and kube.contexts:
        return client_config(kube, context, namespace)  # raises: there is no current-context
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


def _from_argument(
    kubeconfig: Union[str, os.PathLike[str], Mapping[str, Any]],
    context: Optional[str],
    namespace: Optional[str],
) -> ClientConfig:
    if isinstance(kubeconfig, Mapping):
        return client_config(from_mapping(kubeconfig), context, namespace)
    path = os.path.expanduser(os.fspath(kubeconfig))
    if is_content(path):
        raise KubeConfigError(
            "kubeconfig: must be a file path but contains the kubeconfig itself (not shown); "
            "write it to a file and pass its path, or pass its content as a dict"
        )
    kube = read(path)
    if kube is None:
        raise KubeConfigError(
            f"kubeconfig {shown_path(path)}: there is no such file; "
            "correct the path given as kubeconfig"
        )
    return client_config(kube, context, namespace, _reader([path]))


def _reader(paths: list[str]) -> partial[KubeConfig]:
    """A function that reads the files again, whatever the working directory is then."""
    return partial(_read_again, [os.path.abspath(path) for path in paths])


def _read_again(paths: list[str]) -> KubeConfig:
    """What the files say now. Missing ones are ignored, as they were at first."""
    found = [kube for path in paths if (kube := read(path)) is not None]
    if not found:
        files = shown_path(os.pathsep.join(paths))
        raise KubeConfigError(f"kubeconfig {files}: there is no such file any more")
    return merge(found)


def _from_environment(environ: Mapping[str, str], checked: list[str]) -> Optional[KubeConfig]:
    """The files of KUBECONFIG merged, or ~/.kube/config; None if there is no file at all.

    ``checked`` receives a line for each place without a usable configuration.
    """
    value = environ.get("KUBECONFIG", "")
    if is_content(value):
        raise KubeConfigError(
            "KUBECONFIG: must be a list of file paths but contains the kubeconfig itself "
            "(not shown); write it to a file and set KUBECONFIG to its path"
        )
    paths = _kubeconfig_paths(environ)
    if value.strip(os.pathsep):
        found = []
        for path in paths:
            kube = _read_noting(path, f"KUBECONFIG: {path}", checked)
            if kube is not None:
                found.append(kube)
        checked.append("~/.kube/config: not read, because KUBECONFIG is set")  # kubectl's rule
        return merge(found) if found else None
    checked.append("KUBECONFIG: not set")
    if not paths:
        checked.append("~/.kube/config: HOME is not set")
        return None
    return _read_noting(paths[0], f"~/.kube/config ({paths[0]})", checked)


def _read_noting(path: str, place: str, checked: list[str]) -> Optional[KubeConfig]:
    """The kubeconfig at ``path``; a line in ``checked`` says why it is of no use."""
    kube = read(path)
    if kube is None:
        checked.append(f"{place}: no such file")
    elif not kube.contexts:
        checked.append(f"{place}: contains no contexts")
    return kube


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
