"""How bytes get to the API server and back. Start reading at :mod:`.opener`; highest layer first:

- ``opener``: HTTP/1.1 over urllib, with one handler of our own; requests and answers
- ``pool``: kept-alive connections, each operation on them bounded by a deadline
- ``dial``: opens a connection: name, TCP, proxy, TLS
- ``translate``: the boundary where exceptions of other libraries become this package's own
- ``resolve``: name resolution that ends with its deadline
- ``sockets``: waiting until a socket is ready, and noticing a dead path
- ``stream``: the part of a socket's interface that all of this needs
"""
