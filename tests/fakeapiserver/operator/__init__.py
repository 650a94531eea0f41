"""What happens without being asked? The DevServer operator, and the controllers around it.

Start reading at ``operator``, then ``devserverhandler``.

operator           the operator, with its delays
devserverhandler   DevServers, handled one after the other
kopfstate          the memory that the operator's framework keeps in annotations
podspec            the Deployment of a DevServer
timetolive         DevServers deleted when their time is up
deployments        Deployment -> ReplicaSet
replicasets        ReplicaSet -> pods
node               scheduler and kubelet: pods begin to run, and end
podstatus          a pod's status at each step
collector          the garbage collector: dependents of what was deleted
controllers        what controllers have in common
agenda             things to be done later, on one thread
"""

from __future__ import annotations

from .operator import Operator

__all__ = ["Operator"]
