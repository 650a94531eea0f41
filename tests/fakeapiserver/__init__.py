"""A Kubernetes API server for tests: real HTTP(S) and WebSocket on a loopback port, verified against recordings.

Start reading at :mod:`~tests.fakeapiserver.server` (what a test holds), then
:mod:`~tests.fakeapiserver.router` (the way of a request). Each folder answers one question, and its own
docstring is its map. Layers, highest first; a module imports only what is in its own folder or below:

    __main__ cli         the server from a shell
    demo                 the README's story, on the SDK
    server               FakeAPIServer: started, stopped, arranged
    router               which handler serves a request?
    operator/            what happens without being asked?
    pods/                what happens in a pod?
    backbone             what do all parts of one server share?
    faults/              what goes wrong on demand?
    compat/              what do only kubectl and other clients ask for?
    core/                what becomes of the objects?
    access/              who is it, and what may they do?
    apply/               what does a patch make of an object, and whose are its fields?
    schema/              what is a valid object?
    forms/               in which form does an object come or go?
    vocabulary/          what are things called?
    serving/             how do bytes come and go?
    goish/               how does Go read it?

``tests/fakeapiserver_tests/test_layers.py`` holds the layers, and keeps private names private.
"""

from __future__ import annotations

from .server import FakeAPIServer

__all__ = ["FakeAPIServer"]
