"""Tests of the fake API server: against recordings of real ones, with kubectl, and with other clients.

Clients that hide nothing: ``plainclient`` (a kept-alive connection), ``restclient`` (one request), ``wsclient``
(WebSocket). ``watching`` waits for what the controllers do.
"""
