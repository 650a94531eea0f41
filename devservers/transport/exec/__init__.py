"""The exec protocol: how a command in a container is started, fed, listened to, and lost.

    session.py      one exec session: stdin, output, status, keep-alive; start reading here
    websocket.py    the stream that it runs on: the upgrade, its refusals, whole messages
    handshake.py    the opening handshake (pure)
    nonblocking.py  our socket as websocket-client sees it: two queues and one wait
    channels.py     Kubernetes' messages on the stream, and the exit status (pure)
    heartbeat.py    whether a silent peer is alive (pure)

What runs in the container, and how its end is proved, is :mod:`devservers.crds.commands`.
"""
