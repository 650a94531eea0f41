"""What an object is: a Kubernetes object in memory, and where it is on the cluster.

The raw JSON as last read is the truth. ``metadata``, ``spec`` and ``status`` are views that write
through to it, so fields that this package has never heard of survive every write.

Start reading at ``liveobject``, then ``changes``. Highest layer first:

    objectview    what a custom resource shows of its object: metadata, spec, status, copies
    changes       update() and patch() of the very object that was read, never of a namesake
    writing       one write: unknown fields are refused or warned about, never lost in silence
    liveobject    the object in memory: as read, as changed by the caller, and the client it uses
    expiry        whether a DevServer was deleted because its time to live was up (pure)
    metadata      ObjectMeta, the metadata that every Kubernetes object has (pure)
    spec          the typed parts of a DevServer's spec (pure)
    reference     ObjectRef: client, resource, namespace, name and uid of one object
    fieldcheck    fields that the API server does not know (pure)
    jsonvalue     copying and checking JSON values (pure)
    merge         three-way merge, and "is this subset there" (pure)
    timetolive    durations as the operator reads them (pure)
    selection     label and field selectors (pure)
    uidbound      patches that refuse a namesake (pure)
"""
