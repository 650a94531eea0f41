"""What happens in a pod? Exec, attach, log and port-forward, and commands that really run, in a directory.

Start reading at ``pods``, then ``sandbox``.

pods           the pods of one server: what tests arrange, and the four subresources
exec           an exec session from request to end
attach         a container's own process, which listens to nobody
portforward    channels to TCP connections
logs           what a container "printed"
runtime        the sandboxes of all pods
sandbox        one pod's directory, environment, and what runs in it
process        one running command
poddirectory   the layout of the directory
pathmap        which paths of a container mean something in the directory
tarnames       members of a tar archive renamed while it streams by
images         what an image has on board
ps             ``ps`` where the machine has none; run as a script
"""

from __future__ import annotations

from .pods import Pods

__all__ = ["Pods"]
