"""What a user holds: DevServers, flavors and users as Python objects.

Start reading at :mod:`.base` (the requests of any kind of object), then :mod:`.devserver`
(``with``, ``exec``, ``sync``). Their methods are short: they check arguments and call into a
folder.

Layers, highest first; a module imports only what stands below it, which import-linter checks
(pyproject.toml):

    devserver         DevServer
    devserverflavor   DevServerFlavor
    devserveruser     DevServerUser
    base              BaseCustomResource: create, get, list, update, patch, apply, delete, watch
    commands/         what runs in the container, and how did it end?
    files/            what is copied, and how does it arrive whole?
    lifecycle/        from create to gone: ``with``, waiting, readiness, pods, the failure report
    model/            what is an object? raw JSON, metadata, typed views, merge, reference
    result            what came of a command: plain values
    errors            the exceptions, at their documented import path
    const             names of the ``devserver.io`` API

Nothing is imported here; what waits, copies or runs is imported by the method that calls it.
"""
