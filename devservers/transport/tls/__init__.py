"""How is the server verified? TLS towards the API server and proxies.

Start reading at :mod:`.context`.

pem      where certificates and keys come from; lending them to OpenSSL as files
context  settings, and the ``ssl.SSLContext`` made from them
shared   the one context of a client, replaced when a certificate is rotated
explain  what a failed handshake means, and what to do
tunnel   TLS inside TLS, for https proxies
"""
