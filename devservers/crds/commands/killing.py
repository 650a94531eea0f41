"""Ending a command in its container, which the exec API cannot: a second exec looks for it there.

Theory of the search. Every process of a command inherits its environment, and in that stands the
command's identity (:data:`~.wrapper.IDENTITY_VARIABLE`); a shell that was put before it has it on
its command line. Processes that were given another environment (``env -i``, ``su -``) are found as
descendants of those, or as members of a session or process group that one of those leads. A process
that was adopted by another one keeps its session.

What has left session, parent and environment behind is not found; what belongs to another user may
be neither found nor killed. The outcome says so where nothing was found, or not all of it died.
What hides while others are found goes unnoticed.

Nothing that was not found so is touched. A session or group counts only if its leader was found,
for runtimes may start commands in a session that is not theirs.
"""

from __future__ import annotations

from typing import NamedTuple

from ...errors import (
    CommandNotFoundError,
    DevServersError,
    ExecConnectionLostError,
    ExecTimeoutError,
    RequestTimeoutError,
)
from ...notes import add_note
from ...transport.deadline import Deadline
from ...transport.exec.session import HONEST_FIRST, ExecTarget, open_session, returncode_of
from ...transport.rest import RESTClient
from .commandline import SHELL

KILL_SECONDS = 0.8
"""The caller waits no longer than a second more than it wanted to."""

_KILLED, _NOT_FOUND, _NO_PROC, _SURVIVED = range(10, 14)
"""Exit codes of the script. None is 0: that one could be made up (see :mod:`.proof`)."""

# The script in ``sh``, for containers that have little else. Its argument is the identity.
#
# Variables: m identity, d IFS as it was, k all processes that were ever found (with a blank on both
# sides of each), n those of them that live now (zombies apart), t the stat lines of all processes,
# r the result so far, e looks in a row that found nothing alive, q set once something was killed.
#
# 1. Look for the identity in environments and command lines; neither this script nor process 1 is
#    ever taken. Then, until nothing new is found, take the children of what was found, and the
#    members of sessions and groups that it leads.
# 2. Stop all of them before the first is killed, or a script would go on with its next command when
#    the one it waits for is dead.
# 3. Look again at once, then every tenth of a second. Two looks in a row must find nothing alive: a
#    process may fork between the look and the kill, and shows no environment in the moment in which
#    it executes a program. Where nothing was found at all, look five times, for nearly half a
#    second: the command may be about to begin.
#
# Shells' read passes over NULs, so where grep is missing, a slower one is made of it.
# /proc/N/stat is "N (name) state parent group session …", where the name may hold anything.
_SCRIPT = f"""\
m=$1 d=$IFS k=' ' r={_NOT_FOUND} e=0 q=
[ -r /proc/$$/stat ]||exit {_NO_PROC}
exec 2>/dev/null
command -v grep>/dev/null||grep(){{
o=$1 w=$2;shift 2
for f;do while read -r l||[ "$l" ];do
case $l in *$w*)if [ $o = -ls ];then echo $f;else echo "$l";fi;;esac
done<$f;done
}}
for i in 1 2 3 4 5 6 7;do
for f in $(grep -ls $m /proc/[0-9]*/environ /proc/[0-9]*/cmdline);do
p=${{f#/proc/}} p=${{p%/*}}
case $p in $$|1);;*)k="$k$p ";;esac
done
t=$(grep -ahs '' /proc/[0-9]*/stat)
set -f
a=1
while [ $a ];do
a= n=
IFS='
'
for l in $t;do
IFS=$d p=${{l%% *}}
set -- ${{l##*) }}
case $1$2$3$4 in [ZX]*|*[!A-Za-z0-9]*)continue;;esac
case $k in
*" $p "*)n="$n $p";;
*" $2 "*|*" $3 "*|*" $4 "*)k="$k$p " a=1;;
esac
done
done
IFS=$d
set +f
if [ "$n" ];then
kill -STOP $n
kill -9 $n
r={_SURVIVED} e=0
[ $q ]||{{ q=1;continue;}}
else
e=$((e+1))
case $r$e in {_SURVIVED}2)exit {_KILLED};;{_NOT_FOUND}5)exit $r;;esac
fi
sleep .1||sleep 1
done
[ $r$e != {_SURVIVED}1 ]||exit {_KILLED}
exit $r
"""


class Outcome(NamedTuple):
    """What came of it: whether the command was certainly killed, and words for the message."""

    killed: bool
    text: str


_OUTCOMES = {
    _KILLED: Outcome(True, "it was killed"),
    _NOT_FOUND: Outcome(
        False,
        "no process of it was found (it has just ended; or it has cleared its environment or runs "
        "as another user, and may still run)",
    ),
    _NO_PROC: Outcome(
        False, "it could not be killed and may still run: that needs /proc in the container"
    ),
    _SURVIVED: Outcome(
        False,
        "not all of its processes could be killed (do they belong to another user?), and these may "
        "still run",
    ),
}


def killer(identity: str) -> list[str]:
    """The argument vector that kills the command with this identity, and its children."""
    return [SHELL, "-c", _SCRIPT, SHELL, identity]


def kill(client: RESTClient, target: ExecTarget, identity: str) -> Outcome:
    """Kill the command with this identity, within :data:`KILL_SECONDS`.

    A failure is an outcome, not an exception.
    """
    deadline = Deadline(KILL_SECONDS, client.clock)
    command = killer(identity)
    try:
        commands = dict.fromkeys(HONEST_FIRST, command)
        with open_session(client, target, commands, stdin=False, deadline=deadline) as session:
            status = session.communicate(None, _ignore, _ignore, deadline)
        returncode = returncode_of(status, target, command)
    except CommandNotFoundError:
        return unkillable(SHELL)
    except (ExecTimeoutError, ExecConnectionLostError, RequestTimeoutError):
        return Outcome(
            False, "it may still run: the attempt to kill it was not answered in time or got lost"
        )
    except DevServersError as error:
        return Outcome(False, f"it could not be killed and may still run ({error})")
    except BaseException as interruption:
        add_note(interruption, f"a command in {target} was about to be killed, and may still run")
        raise
    unknown = Outcome(False, f"whether it was killed is not known (exit code {returncode})")
    return _OUTCOMES.get(returncode, unknown)


def unkillable(tool: str) -> Outcome:
    """For a container that lacks what killing needs."""
    return Outcome(
        False, f"it could not be killed and may still run: that needs {tool} in the container"
    )


def _ignore(data: bytes) -> None:
    pass
