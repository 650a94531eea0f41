"""From create to gone: creating, waiting until it is ready, and deleting whatever happens.

Start reading at ``managed`` (what a ``with`` statement does) and ``readiness`` (what "ready"
means). Highest layer first:

    managed         the ``with`` statement: enter, leave, attach
    markedcreate    its create, which can be recognized even if the answer was lost
    readiness       waiting until commands can be run
    withstate       what a ``with`` statement works with: object, settings, earlier statements
    whereabouts     where a DevServer is now: its live pod, or why there is none
    obligation      what must be deleted, at the latest when the interpreter ends
    creation        one create, sent again after refusals that may pass
    deletion        deleting until the outcome is known, and then until the object is gone
    report          the failure report: reads whatever can be read
    waiting         waiting for a status, or for the end of an object
    findings        the failure report as text, with the likely cause (pure)
    failfast        signs that waiting longer is pointless
    lastlog         what a container logged before it ended
    podstate        the state of a pod in words (pure)
    progress        the steps of a wait, for ``on_event`` and the log
    flavor          whether the flavor of a DevServer exists
    pods            which pods are a DevServer's own, and which container of them is meant
    operatornotes   what an operator left in annotations and finalizers (pure)
"""
