"""Which cluster: :func:`load_config` takes the first source that there is.

The order: an explicit kubeconfig, the files of ``KUBECONFIG``, ``~/.kube/config``, the service account of the pod we
run in. Nothing is guessed: a source that is there but broken is an error, and when there is none the error lists every
place that was looked at. The environment is read at call time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Optional, Union

from ... import arguments
from ...errors import KubeConfigError
from ...parts import needed_by
from ..resources import validate_namespace
from ..text import shown
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
    """The configuration of this process, from the first source that there is.

    Args:
        kubeconfig: path of a kubeconfig file, which must exist, or a dict of what one says; nothing else is looked at.
        context: name of a context instead of the current one; in-cluster configuration has none.
        namespace: default namespace instead of the one of the context or service account. In a pod, a context without
            one means that of the pod.

    Raises:
        KubeConfigError: no source, or a broken one; the message says which, where and what to do.
        MissingDependencyError: the kubeconfig is YAML and PyYAML is not installed (JSON needs nothing).
    """
    if kubeconfig is not None and not isinstance(kubeconfig, (str, os.PathLike, Mapping)):
        raise TypeError(f"kubeconfig: must be the path of a file or a dict, not {type(kubeconfig).__name__}")
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
    service_account: Optional[str] = None,
) -> ClientConfig:
    """The configuration from the first source that there is; ``service_account`` is the directory of the pod's."""
    directory = service_account or incluster.SERVICE_ACCOUNT

    def of_context(kube: KubeConfig, paths: Sequence[str]) -> ClientConfig:
        from .contexts import client_config

        again = partial(_read_again, [os.path.abspath(path) for path in paths]) if paths else None
        config = client_config(kube, context, namespace, again)
        if config.namespace is not None or incluster.missing_pieces(environ, directory):
            return config
        return replace(config, namespace=incluster.pod_namespace(environ, directory))  # as kubectl has it

    if isinstance(kubeconfig, Mapping):
        with needed_by("kubeconfig="):
            from .kubeconfig import from_mapping

        return of_context(from_mapping(kubeconfig), [])
    if kubeconfig is not None:
        path = os.path.expanduser(os.fspath(kubeconfig))
        return of_context(_explicit(path), [path])
    looked_at: list[str] = []
    kube = _from_files(environ, looked_at)
    if kube is not None and (context or kube.current_context):
        return of_context(kube, _paths(environ))
    missing = incluster.missing_pieces(environ, directory)
    if not missing and context is None:
        return incluster.in_cluster_config(environ, namespace, directory)
    if kube is not None and kube.contexts:
        from .contexts import client_config

        return client_config(kube, context, namespace)  # says that there is no current-context
    looked_at.append(
        "in-cluster service account: " + ("; ".join(missing) or f"it has no contexts, and {context!r} was asked for")
    )
    raise KubeConfigError(_nothing_found(looked_at))


def _explicit(path: str) -> KubeConfig:
    with needed_by("kubeconfig="):
        from .kubeconfig import is_content, read

    if is_content(path):
        raise KubeConfigError(
            "kubeconfig: must be a file path but contains the kubeconfig itself (not shown); write it to a file and "
            "give its path, or pass what it says as a dict"
        )
    kube = read(path)
    if kube is None:
        raise KubeConfigError(f"kubeconfig {shown(path)}: there is no such file; correct the path given as kubeconfig")
    return kube


def _read_again(paths: Sequence[str]) -> KubeConfig:
    """What the files say by now; those that are missing count no more than they did at first."""
    from .kubeconfig import merge, read

    found = [kube for path in paths if (kube := read(path)) is not None]
    if not found:
        raise KubeConfigError(f"kubeconfig {shown(os.pathsep.join(paths))}: there is no such file any more")
    return merge(found)


def _from_files(environ: Mapping[str, str], looked_at: list[str]) -> Optional[KubeConfig]:
    """The files of KUBECONFIG merged, or ~/.kube/config; None if there is no file at all."""
    value = environ.get("KUBECONFIG", "")
    if value:
        with needed_by("KUBECONFIG"):
            from .kubeconfig import is_content, merge

    if value and is_content(value):
        raise KubeConfigError(
            "KUBECONFIG: must be a list of file paths but contains the kubeconfig itself (not shown); write it to a "
            "file and set KUBECONFIG to its path"
        )
    paths = _paths(environ)
    if value.strip(os.pathsep):
        found = [kube for path in paths if (kube := _noted(path, f"KUBECONFIG: {path}", looked_at)) is not None]
        looked_at.append("~/.kube/config: not read, because KUBECONFIG is set")  # kubectl's rule
        return merge(found) if found else None
    looked_at.append("KUBECONFIG: not set")
    if not paths:
        looked_at.append("~/.kube/config: HOME is not set")
        return None
    return _noted(paths[0], "~/.kube/config", looked_at)


def _paths(environ: Mapping[str, str]) -> list[str]:
    """Where the environment says that kubeconfig files are."""
    listed = [path for path in environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    if listed:
        return listed
    home = _home(environ)
    return [os.path.join(home, ".kube", "config")] if home else []


def _noted(path: str, label: str, looked_at: list[str]) -> Optional[KubeConfig]:
    kube = None
    if not _is_absent(path):
        with needed_by(f"the kubeconfig {shown(path)}"):
            from .kubeconfig import read

        kube = read(path)
    if kube is None:
        looked_at.append(f"{label}: no such file" if label.endswith(path) else f"{label}: no such file ({path})")
    elif not kube.contexts:
        looked_at.append(f"{label}: holds no contexts")
    return kube


def _is_absent(path: str) -> bool:
    """Whether there is certainly nothing to be read: a part of the package need not be there then."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        pass
    return False


def _home(environ: Mapping[str, str]) -> str:
    if environ.get("HOME"):
        return environ["HOME"]
    home = "~" if "HOME" in environ else os.path.expanduser("~")  # the password database, which may not know this uid
    return "" if home == "~" else home


def _nothing_found(looked_at: list[str]) -> str:
    places = "\n".join(f"  - {shown(place)}" for place in looked_at)
    return (
        f"no Kubernetes configuration found. Looked at:\n{places}\n"
        "Set KUBECONFIG to a kubeconfig file, write one to ~/.kube/config, give kubeconfig=PATH, "
        "or run in a pod with a service account."
    )
