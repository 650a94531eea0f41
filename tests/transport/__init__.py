"""Tests of ``devservers.transport``, module by module, over real sockets.

What they are arranged with: ``scripted`` (a server that sends exactly the bytes of a test, and a fake
clock), ``watchstage`` and ``wspeer`` (watches and WebSockets on it), ``proxyserver``, ``tlsserver``,
``certificates`` and ``connecting`` (proxies and TLS), ``kubeconfigs``, ``plugins`` (credential
plugins), ``childpython`` (an interpreter that is denied something).
"""
