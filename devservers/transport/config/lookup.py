"""The kubeconfig files that are to be used: read, merged, and read again when they have changed.

On its own because a process that runs in a pod needs none of it (see :mod:`.sources`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Optional, Union

from ...errors import KubeConfigError
from ..text import shown_path
from .clientconfig import ClientConfig
from .contexts import client_config
from .entry import is_content
from .kubeconfig import KubeConfig, from_mapping, merge, read


def config_of_argument(
    kubeconfig: Union[str, os.PathLike[str], Mapping[str, Any]],
    context: Optional[str],
    namespace: Optional[str],
) -> ClientConfig:
    """The configuration of a kubeconfig that was given, as a path or as a dict."""
    if isinstance(kubeconfig, Mapping):
        return client_config(from_mapping(kubeconfig), context, namespace)
    path = os.path.expanduser(os.fspath(kubeconfig))
    if not path:
        raise KubeConfigError(
            "kubeconfig: must be the path of a file or a dict, not an empty path; "
            "leave it out (None) for KUBECONFIG or ~/.kube/config"
        )
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
    return config_of_files(kube, [path], context, namespace)


def config_of_files(
    kube: KubeConfig, paths: list[str], context: Optional[str], namespace: Optional[str]
) -> ClientConfig:
    """The configuration of what the files at ``paths`` say together."""
    return client_config(kube, context, namespace, _reader(paths))


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


def read_environment(
    environ: Mapping[str, str], paths: list[str], checked: list[str]
) -> Optional[KubeConfig]:
    """The files of KUBECONFIG merged, or ~/.kube/config; None if there is no file at all.

    ``checked`` receives a line for each place without a usable configuration.
    """
    value = environ.get("KUBECONFIG", "")
    if is_content(value) or any(map(is_content, paths)):
        raise KubeConfigError(
            "KUBECONFIG: must be a list of file paths but contains the kubeconfig itself "
            "(not shown); write it to a file and set KUBECONFIG to its path"
        )
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
