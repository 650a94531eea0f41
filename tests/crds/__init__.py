"""Tests of ``devservers.crds``, against the fake API server.

What they are arranged with: ``staged`` (a fake in which something happens just before or after a
request), the servers of ``conftest``, and the helpers of ``builders``. Tests of file transfers are in
``files``.
"""
