"""How do bytes come and go? HTTP/1.1 and WebSocket over sockets; nothing here has heard of Kubernetes' objects.

Start reading at ``http``, from which the others' names can be imported, too.

http          the listener, one thread for each connection
connection    one connection: reads requests, writes answers
messages      a request read whole, and the three kinds of answers
wshandshake   the opening handshake of a WebSocket
wschannel     Kubernetes' channel protocols: many streams over one WebSocket
duplex        a socket that one thread reads while another writes
"""
