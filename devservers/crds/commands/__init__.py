"""What runs in the container: a command from the caller's words to its exit code.

:meth:`DevServer.exec` checks its arguments, locates the container, runs; start reading there.

    commandline.py     the caller's words, checked (pure)
    shelloperators.py  shell operators that no shell will read (pure)
    wrapper.py         what is put before the command, and why (pure)
    complaints.py      whether an exit code is the command's own, or the wrapper's (pure)
    proof.py           the marks that prove an end (pure)
    target.py          the pod and the container that are meant
    execution.py       input, output, result; scripts run as they are, for file sync
    run.py             the way to the exit code, and what is done when there is none
    killing.py         ending a command that is given up
    explain.py         failures whose reason is that the server was deleted, or is not up
"""
