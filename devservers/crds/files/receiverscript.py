r"""The shell script that receives a transfer in the container; :mod:`.receiver` runs it.

It works with dash, busybox ash, bash and mksh, and with the tools of GNU, busybox or toybox. Values
are passed as arguments, never pasted into the text.

How it works: tar unpacks into a *staging directory* inside the target. Only when everything has
arrived are the files moved from there into place. So a full disk, a stream that was cut off or a
tar that was killed leaves everything as it was, and since a rename swaps them, each file is at
every moment either the old one or the new one. ``merge`` walks the staged tree and the target
together: a directory that is new is moved as a whole, one that exists is entered, and a symlink
where a directory or file belongs is never followed. tar itself only ever sees an empty directory,
so it does not matter how a given tar treats symlinks, old files and directories of other users.

Rules it keeps:

* ``head -c`` bounds the input, because the exec channel may never end it. What reads after it reads
  exactly the planned bytes.
* The status of the pipeline is that of ``tar``. If ``head`` failed, the marker has not arrived.
* All input is read, whatever fails: if a v4 stream is closed while input is under way, the API
  server loses the exit code and the last output of the script.
* ``umask 0`` where tar unpacks: else a tar that does not run as root takes the umask's bits from
  every mode. (``-p`` would do that for GNU tar, but busybox ignores it unless it is root.)
  Meanwhile the staging directory is closed to others.
* ``cd``, not ``-C``: GNU tar treats backslashes in the argument of ``-C`` as escapes.
* ``-o``: files belong to the user that runs tar, also if that is root; their group is that of the
  user, or of the directory if that has the set-group-id bit.
* A directory with the set-group-id bit gives its group to all that is put into it, and the bit to
  directories. A rename does not do that, and busybox clears the bit of every directory that it
  unpacks, so both are set here.
* The final modes and mtimes of directories come last, since moving a file into a directory changes
  its mtime. busybox does not change the mode of an existing directory unless it is root, so the
  modes come once more, as a list. Both may fail: then the directory belongs to somebody else and
  stays as it is. Everything else is in place by then. If not everything could be put in place, a
  symlink may still be where a directory belongs, so this step is left out.
* A list of directories is a file whose lines end in two slashes, which no path contains: a path may
  contain a newline.
* A file on which something is mounted (a subPath of Kubernetes) cannot be replaced by a rename. It
  is written to, as cp does, and gets its old contents back if that fails. In a directory on which
  something is mounted, files are staged once more, by tar: toybox's mv ignores a full disk.
* The staging directory is removed when the script ends, successfully or not. If the script is
  killed, the next transfer to the same target removes it: its name contains the process id of the
  shell and the PID namespace in which that counts. Containers of one pod have namespaces of their
  own, but may share the hostname and the volume. A staging directory of another namespace, or one
  whose process id is in use (again?), is removed after two days.
* Something else may delete the staging directory meanwhile: ``git clean``, or a cleaner. A staged
  file that is gone without having been moved, or a directory that is gone when its contents have
  been moved, makes the transfer fail. Only a pattern that matches nothing is passed over. What
  is read after the moves was opened before them.
* No variable is local: a function that calls itself keeps what it needs in its positional
  parameters.
* Its last output is the marker: an exit code 0 alone may come from an API server that has lost the
  kubelet.
"""

from __future__ import annotations


def _compact(script: str) -> str:
    """The script as it is sent: without indentation, comments and empty lines."""
    lines = [line.strip() for line in script.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("#"))


# Arguments: $1 target, $2 bytes of input, $3 marker.
# For a file: $4 its name.
# For a directory: $4 the mode if it is new, or "-" to leave it as it is created;
# $5 "new" if an earlier transfer has created it, else "-".
_COMMON = r"""
LC_ALL=C
export LC_ALL
size=$2
# How much of the input is still to be read if something fails.
input=$2
marker=$3
failed=0
# Set if something that was staged is gone though it was not put into place.
lost=
nl='
'
skip() { head -c "$1" >/dev/null; }
quit() { skip "$input"; exit "$1"; }
fail() { printf '%s\n' "$2" >&2; quit "$1"; }

command -v head >/dev/null 2>&1 || { echo 'head: not found' >&2; exit 81; }
for tool in tar mkdir mv rm chmod printf; do
    command -v "$tool" >/dev/null 2>&1 || { echo "$tool: not found" >&2; quit 81; }
done
# In which PID namespace this shell is: the number of that, and since when the kernel counts them.
here=
boot=/proc/sys/kernel/random/boot_id
if [ -r "$boot" ] && here=$(readlink /proc/self/ns/pid 2>/dev/null); then
    here=${here##*"["}
    read -r boot <"$boot" || :
    here=${here%"]"}-$boot
fi
case $here in
    *[!0-9a-f-]*|'') here=unknown;;
esac
target=$(printf '%b/' "$1")
target=${target%/}
case $target in
    "~/"*)
        [ -n "${HOME-}" ] || fail 86 'HOME is not set'
        target=$HOME${target#"~"}
        ;;
esac

exists() { [ -e "$1" ] || [ -L "$1" ]; }
real_directory() { [ -d "$1" ] && [ ! -L "$1" ]; }

# Removes the staging directories of killed transfers from the directory $1. Two days old are those
# of transfers that cannot be told apart from ones that go on.
remove_leftovers() {
    for old in "$1"/.devservers-????????????????-*-*; do
        real_directory "$old" || continue
        owner=${old##*/.devservers-????????????????-}
        pid=${owner%%-*}
        case $pid in ''|*[!0-9]*) continue;; esac
        if [ "$here" = unknown ] || [ "${owner#*-}" != "$here" ] ||
            kill -0 "$pid" 2>/dev/null || [ -d "/proc/$pid" ]; then
            [ -n "$(find "$old" -prune -mtime +1 2>/dev/null)" ] || continue
        fi
        rm -rf "$old" 2>/dev/null || :
    done
}

staging=
finish() {
    code=$?
    [ -z "$staging" ] || rm -rf "$staging"
    [ "$code" -ne 0 ] || echo "$marker"
    # Without this, mksh ends with the status of the last command here.
    exit "$code"
}
trap finish EXIT
trap 'exit 83' HUP INT TERM

# Unpacks the input into a staging directory inside $1.
receive() {
    remove_leftovers "${1:-/}"
    staging=$1/$marker-$$-$here
    tree=$staging/tree
    (umask 077; mkdir "$staging" && mkdir "$tree") || quit 82
    status=0
    said=$( (
        cd "$tree" || quit 82
        umask 0
        head -c "$size" | { status=0; tar -x -o -f - || status=$?; skip "$size"; exit "$status"; }
    ) 2>&1) || status=$?
    input=0
    [ -d "$tree" ] || lost=yes
    finish_if_lost
    [ -z "$said" ] || printf '%s\n' "$said" >&2
    [ "$status" -eq 0 ] || exit "$status"
    # busybox ends with 0 though it could not write everything.
    case $nl$said in
        *"${nl}tar: can't "*) exit 1;;
    esac
    [ -f "$tree/$marker" ] || fail 84 'the archive ended early'
    # From here on they can be read even if something deletes them.
    exec 3<"$tree/$marker+" 4<"$tree/$marker="
    rm -f "$tree/$marker" "$tree/$marker+" "$tree/$marker=" "$tree/${marker}_"
}

finish_if_lost() {
    [ -z "$lost" ] || fail 87 "$staging: it, or a file in it, was deleted during the transfer"
}

# Writes the contents of the file $1 into the file $2, in place. All that is read is open before $2
# is truncated.
write_to() {
    [ -f "$1" ] && [ ! -L "$1" ] && [ -f "$2" ] && [ ! -L "$2" ] || return 1
    cat "$2" >"$staging/old" || return 1
    {
        cat <"$1" >"$2" && return 0
        cat <&5 >"$2"
    } 5<"$staging/old"
    return 1
}

set_aside() { rm -rf "$staging/aside"; mv -f "$1" "$staging/aside"; }
put_back() { exists "$1" || mv -f "$staging/aside" "$1"; }

# Moves what follows $1 into the directory $1, where it replaces what is there.
move() {
    to=$1
    shift
    group=
    [ ! -g "$to/" ] || group=$(ls -ldn "$to/" | { read -r _ _ _ gid _; printf %s "$gid"; })
    [ -z "$group" ] || chgrp -h -R "$group" "$@" 2>/dev/null || :
    if ! complaints=$(mv -f "$@" "$to/" 2>&1); then
        # One by one, to find out which of them failed and why.
        for item do
            if ! exists "$item"; then
                # It was moved, or else deleted, and then mv has complained.
                case $complaints in
                    *'No such file'*|*"/${item##*/}'"*) lost=yes;;
                esac
                continue
            fi
            said=$(mv -f "$item" "$to/" 2>&1) && continue
            case $said in
                *[Bb]usy*) ! write_to "$item" "$to/${item##*/}" || continue;;
            esac
            # busybox gives up on a symlink that it cannot follow.
            if [ -L "$to/${item##*/}" ] && set_aside "$to/${item##*/}" 2>/dev/null; then
                said=$(mv -f "$item" "$to/" 2>&1) && continue
                put_back "$to/${item##*/}"
            fi
            exists "$item" || { lost=yes; continue; }
            printf '%s\n' "$said" >&2
            failed=88
        done
    fi
    [ -n "$group" ] || return 0
    for item do
        inherit_group "$to/${item##*/}"
    done
}

# The directory $1 and those in it get the set-group-id bit.
inherit_group() {
    real_directory "$1" || return 0
    note_group "$1"
    for sub in "$1"/* "$1"/.*; do
        case ${sub##*/} in .|..) continue;; esac
        inherit_group "$sub"
    done
}

note_group() { printf 'g+s %s//\n' "$1" >>"$staging/groups" || failed=88; }
"""

_DIRECTORY = r"""
new=$5
[ -d "$target" ] || new=new
mkdir -p "$target" || quit 82
receive "$target"
mode=$4

top=$(cd "$target/" && pwd -P)
top=${top%/}
mounts=$nl
[ ! -r /proc/self/mounts ] || while read -r _ point _; do
    # Blanks, newlines and backslashes in it are written as three octal digits.
    spelled=
    while [ "$point" != "${point#*\\}" ]; do
        spelled="$spelled${point%%\\*}\\0"
        point=${point#*\\}
    done
    [ -z "$spelled" ] || { point=$(printf '%b/' "$spelled$point"); point=${point%/}; }
    case $point in "$top"/*) mounts=$mounts$point$nl;; esac
done </proc/self/mounts

# Moves the contents of the directory $1 into the directory $2, which exists.
# $3 is set if it is known already that something is mounted on $2.
merge() {
    [ -w "$2/" ] && [ -x "$2/" ] || chmod u+rwx "$2/" 2>/dev/null || :
    [ ! -g "$2/" ] || note_group "$2"
    case $mounts in
        *"$nl$top${2#"$target"}$nl"*) [ -n "${3-}" ] || { merge_across "$1" "$2"; return 0; };;
    esac
    set -- "$1" "$2"
    for item in "$1"/* "$1"/.*; do
        old=$2/${item##*/}
        case ${item##*/} in
            .|..) continue;;
        esac
        if ! exists "$item"; then
            # A pattern that nothing matches stands for itself.
            case ${item##*/} in
                '*'|'.*') ;;
                *) lost=yes;;
            esac
            continue
        fi
        if real_directory "$old"; then
            if real_directory "$item"; then merge "$item" "$old"; continue; fi
            rmdir "$old" || { failed=88; continue; }
        elif [ ! -L "$old" ] && { [ -b "$old" ] || [ -c "$old" ]; }; then
            printf '%s: is a device\n' "$old" >&2
            failed=88
            continue
        elif real_directory "$item" && exists "$old"; then
            swap_for_directory "$item" "$2" || failed=88
            continue
        fi
        set -- "$@" "$item"
        [ "$#" -lt 100 ] || { move_items "$@"; set -- "$1" "$2"; }
    done
    [ "$#" -eq 2 ] || move_items "$@"
    [ -d "$1" ] || lost=yes
}

move_items() { shift; move "$@"; }

# Moves the directory $1 into $2, where something of its name is not a directory.
swap_for_directory() {
    set_aside "$2/${1##*/}" || return 1
    move "$2" "$1"
    put_back "$2/${1##*/}"
}

# Like merge, into a directory $2 that may be on another file system.
merge_across() {
    remove_leftovers "$2"
    set -- "$1" "$2" "$2/$marker-$$-$here"
    (umask 077; mkdir "$3") || { failed=88; return 0; }
    rm -f "$staging/sent"
    if { (cd "$1" && tar -c -f - .) && : >"$staging/sent"; } |
        (cd "$3" && umask 0 && tar -x -o -f -) &&
        [ -f "$staging/sent" ]; then
        merge "$3" "$2" again
    else
        printf '%s: nothing was changed there\n' "$2" >&2
        failed=88
    fi
    rm -rf "$3"
}

# Each line of the input is "MODE NAME//"; a name may contain newlines. $1 is put before each name.
change_modes() {
    under=$1
    how=
    name=
    set --
    while IFS= read -r line; do
        name=$name$line
        case $line in
            *//) name=${name%//};;
            *) name=$name$nl; continue;;
        esac
        if [ "$how" != "${name%% *}" ] || [ "$#" -ge 100 ]; then
            [ "$#" -eq 0 ] || chmod "$how" "$@" 2>/dev/null || :
            how=${name%% *}
            set --
        fi
        set -- "$@" "$under${name#* }"
        name=
    done
    [ "$#" -eq 0 ] || chmod "$how" "$@" 2>/dev/null || :
}

merge "$tree" "$target"
if [ "$failed" -eq 0 ] && [ -z "$lost" ]; then
    status=0
    (cd "$target/" && umask 0 && tar -x -o -f -) <&3 >/dev/null 2>&1 || status=$?
    [ "$status" -lt 126 ] || exit "$status"
    change_modes "$target/" <&4
fi
[ ! -f "$staging/groups" ] || change_modes '' <"$staging/groups"
[ -d "$tree" ] || lost=yes
rm -rf "$staging"
if [ "$new" = new ] && [ "$mode" != - ]; then
    keep=
    [ ! -g "$target/" ] || keep=yes
    chmod "$mode" "$target/"
    [ -z "$keep" ] || chmod g+s "$target/"
fi
[ "$new" != new ] || echo new
finish_if_lost
exit "$failed"
"""

_FILE = r"""
name=$(printf '%b/' "$4")
name=${name%/}
[ ! -d "$target" ] || target=${target%/}/
case $target in
    */) place=$target; target=$target$name;;
    *) place=${target%/*}/;;
esac
mkdir -p "$place" || quit 82
[ ! -d "$target" ] || fail 85 "$target: is a directory"
[ -L "$target" ] || { [ ! -b "$target" ] && [ ! -c "$target" ]; } || fail 85 "$target: is a device"
receive "${place%/}"
exists "$tree/$name" || fail 84 "$name: has not arrived"
[ "$name" = "${target##*/}" ] || mv -f "$tree/$name" "$tree/${target##*/}"
move "${place%/}" "$tree/${target##*/}"
finish_if_lost
exit "$failed"
"""

DIRECTORY_SCRIPT = _compact(_COMMON + _DIRECTORY)
FILE_SCRIPT = _compact(_COMMON + _FILE)
