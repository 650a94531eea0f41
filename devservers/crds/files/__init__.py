"""The sync room: local files to and from a container, over nothing but an exec channel.

The idea: a transfer is planned completely before the first byte leaves (what is there, which tar
members that makes, how many bytes those are), so that the container's side can bound its input by a
number instead of waiting for an end of file that exec in protocol v4 cannot send. ``scan`` looks,
``tarstream`` turns what it saw into bytes (pure), ``batches`` cuts a big tree into several
transfers, ``script`` is the shell script that receives one, ``remote`` makes the command of it and
understands its outcome (all pure), ``transfer`` joins them.
"""

from __future__ import annotations

from ..result import RemoteResult
from .transfer import RemoteRunner, TransferReport, check_paths, upload

__all__ = ["check_paths", "upload", "TransferReport", "RemoteRunner", "RemoteResult"]
