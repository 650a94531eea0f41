"""How do bytes come and go? HTTP/1.1 and WebSocket over sockets; nothing here has heard of Kubernetes' objects.

Start reading at ``http``, from which the others' names can be imported, too.

http          the listener, one thread for each connection
wire          requests read from a connection, and answers written to it
messages      a request read whole, and the three kinds of answers
connection    one connection as bytes
wshandshake   the opening handshake of a WebSocket
wschannel     Kubernetes' channel protocols: many streams over one WebSocket
duplex        a socket that one thread reads while another writes
"""
