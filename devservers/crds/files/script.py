r"""The shell script that receives a transfer in the container, as constant text; :mod:`.remote` says
what goes with it.

It is for dash, busybox ash, bash, mksh and their kin, with the tools of GNU, busybox or toybox.
Values reach it as arguments, never by pasting.

How it works: tar unpacks into a *staging directory* of its own inside the target, and only when all
has arrived are the files moved from there into place. So a full disk, a cut stream or a killed tar
leaves everything as it was, and each file is at every moment either the old one or the new one, for
a rename swaps them. What is staged and what is in place are walked together (``put``): a directory
that is new is moved as a whole, one that is there is entered, and a symlink that stands where a
directory or file belongs is never followed. tar itself never sees anything but the empty staging
directory, so no tar's habits with symlinks, old files and foreign directories matter.

Rules it keeps:

* ``head -c`` bounds the input, for the exec channel may never end it. What follows it reads exactly
  the planned bytes.
* A pipeline's status is that of ``tar``; whether ``head`` failed shows by the marker, which then
  has not arrived.
* All input is read, whatever fails: closing a v4 stream with input under way makes the API server
  forget to pass on how the script ended, and what it said.
* ``umask 0`` keeps modes for every tar and user; to busybox, when not root, the option ``-p`` would
  say nothing. The staging directory is closed to others meanwhile.
* ``cd``, not ``-C``: GNU tar takes backslashes in the latter for escapes.
* ``-o``: the owner is who runs tar, the group what the directory says (a set-group-id volume), also
  for root.
* A directory that carries the set-group-id bit gives its group to all that is put into it, and the
  bit to directories; busybox takes the bit from each directory that it unpacks or seals, so both
  are given by hand.
* The seals (mtimes of directories) are unpacked last, then comes the list of their modes, which
  busybox does not give to a directory that is there unless it is root. Both may fail: the directory
  then belongs to somebody else and stays as it is. Everything else has been proved to be there
  before. Where not all could be put in place, a symlink may still stand for a directory: then they
  are left out.
* A list of directories is a file whose lines end in two slashes, which no path holds: a newline may
  be part of a path.
* A file on which something is mounted (a subPath of Kubernetes) cannot be replaced: it is written
  to, as cp does, and gets its old contents back should that fail. In a directory on which something
  is mounted files are staged once more, by tar, for the mv of toybox takes no notice of a full
  disk.
* What it made for itself is gone when it ends, well or badly. If it is killed, the next transfer to
  the same target removes it: the staging directory's name tells the shell's process id and the
  host. That of another host may be in use and is removed when it is two days old.
* No variable is local: a function that calls itself keeps what it needs in its positional
  parameters.
* Its last word is the marker, on stdout: an exit code 0 alone may come from an API server that has
  lost the kubelet.
"""

from __future__ import annotations

# $1 target, $2 bytes of the input, $3 marker; for a file: $4 its name; for a directory: $4 the mode for one that it has
# to make, or "-" to leave it as made; $5 the same for one that an earlier transfer has made
_PROLOGUE = r"""
LC_ALL=C
export LC_ALL
size=$2
input=$2
marker=$3
failed=0
nl='
'
skip() { head -c "$1" >/dev/null; }
quit() { skip "$input"; exit "$1"; }
fail() { printf '%s\n' "$2" >&2; quit "$1"; }
command -v head >/dev/null 2>&1 || { echo 'head: not found' >&2; exit 81; }
for tool in tar mkdir mv rm chmod; do
command -v "$tool" >/dev/null 2>&1 || fail 81 "$tool: not found"
done
host=
[ ! -r /proc/sys/kernel/hostname ] || read -r host </proc/sys/kernel/hostname || :
case $host in */*|'') host=unknown;; esac
target=$(printf '%b/' "$1")
target=${target%/}
case $target in
"~/"*) [ -n "${HOME-}" ] || fail 86 'HOME is not set'; target=$HOME${target#"~"};;
esac
there() { [ -e "$1" ] || [ -L "$1" ]; }
real_directory() { [ -d "$1" ] && [ ! -L "$1" ]; }

# removes what a killed transfer has left in $1
heal() {
for old in "$1"/.devservers-????????????????-*-*; do
real_directory "$old" || continue
owner=${old##*/.devservers-????????????????-}
pid=${owner%%-*}
case $pid in ''|*[!0-9]*) continue;; esac
if [ "${owner#*-}" = "$host" ]; then
! kill -0 "$pid" 2>/dev/null && [ ! -d "/proc/$pid" ] || continue
else
[ -n "$(find "$old" -prune -mtime +1 2>/dev/null)" ] || continue
fi
rm -rf "$old" 2>/dev/null || :
done
}

litter=
trap 'code=$?; [ -z "$litter" ] || rm -rf "$litter"; [ "$code" -ne 0 ] || echo "$marker"' EXIT
trap 'exit 83' HUP INT TERM

# stages the input in the directory $1
receive() {
heal "${1:-/}"
litter=$1/$marker-$$-$host
tree=$litter/tree
(umask 077; mkdir "$litter" "$tree") || quit 82
status=0
said=$( (
cd "$tree" || quit 82
umask 0
head -c "$size" | { status=0; tar -x -o -f - || status=$?; skip "$size"; exit "$status"; }
) 2>&1) || status=$?
[ -z "$said" ] || printf '%s\n' "$said" >&2
[ "$status" -eq 0 ] || exit "$status"
case $nl$said in
*"${nl}tar: can't "*) exit 1;;
esac
input=0
[ -f "$tree/$marker" ] || fail 84 'the archive ended early'
mv -f "$tree/$marker+" "$litter/seals"
mv -f "$tree/$marker=" "$litter/modes"
rm -f "$tree/$marker" "$tree/${marker}_"
}

# the contents of the file $1 into the file $2, in place
write_to() {
[ -f "$1" ] && [ ! -L "$1" ] && [ -f "$2" ] && [ ! -L "$2" ] || return 1
cat "$2" >"$litter/old" || return 1
cat "$1" >"$2" && return 0
cat "$litter/old" >"$2"
return 1
}

# what comes after $1 goes into the directory $1, and replaces what is there
move() {
to=$1
shift
group=
[ ! -g "$to/" ] || group=$(ls -ldn "$to/" | { read -r _ _ _ gid _; printf %s "$gid"; })
[ -z "$group" ] || chgrp -h -R "$group" "$@" 2>/dev/null || :
if ! mv -f "$@" "$to/" 2>/dev/null; then
for item do
there "$item" || continue
said=$(mv -f "$item" "$to/" 2>&1) && continue
case $said in
*[Bb]usy*) ! write_to "$item" "$to/${item##*/}" || continue;;
esac
printf '%s\n' "$said" >&2
failed=88
done
fi
[ -n "$group" ] || return 0
for item do
bequeath "$to/${item##*/}"
done
}

# $1 and the directories in it take part in the group of where they are
bequeath() {
real_directory "$1" || return 0
remember "$1"
for sub in "$1"/* "$1"/.*; do
case ${sub##*/} in .|..) continue;; esac
bequeath "$sub"
done
}

remember() { printf 'g+s %s//\n' "$1" >>"$litter/groups" || failed=88; }
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
case $point in "$top"/*) mounts=$mounts$point$nl;; esac
done </proc/self/mounts

# what $1 holds goes into $2, which is there; $3 if a mount has been seen to
put() {
[ -w "$2/" ] && [ -x "$2/" ] || chmod u+rwx "$2/" 2>/dev/null || :
[ ! -g "$2/" ] || remember "$2"
case $mounts in
*"$nl$top${2#"$target"}$nl"*) [ -n "${3-}" ] || { put_across "$1" "$2"; return 0; };;
esac
set -- "$1" "$2"
for item in "$1"/* "$1"/.*; do
there "$item" || continue
old=$2/${item##*/}
case ${item##*/} in
.|..) continue;;
esac
if real_directory "$old"; then
if real_directory "$item"; then put "$item" "$old"; continue; fi
rmdir "$old" || { failed=88; continue; }
elif [ ! -L "$old" ] && { [ -b "$old" ] || [ -c "$old" ]; }; then
printf '%s: is a device\n' "$old" >&2
failed=88
continue
elif real_directory "$item" && there "$old"; then
exchange "$item" "$2" || failed=88
continue
fi
set -- "$@" "$item"
[ "$#" -lt 100 ] || { put_now "$@"; set -- "$1" "$2"; }
done
[ "$#" -eq 2 ] || put_now "$@"
}

put_now() { shift; move "$@"; }

# the directory $1 goes into $2, where something of its name is none
exchange() {
rm -rf "$litter/aside"
mv -f "$2/${1##*/}" "$litter/aside" || return 1
move "$2" "$1"
! there "$1" || mv -f "$litter/aside" "$2/${1##*/}"
}

# as put, into a directory $2 that may be of another file system
put_across() {
heal "$2"
set -- "$1" "$2" "$2/$marker-$$-$host"
(umask 077; mkdir "$3") || { failed=88; return 0; }
if { (cd "$1" && tar -c -f - .) || : >"$litter/broken"; } | (cd "$3" && umask 0 && tar -x -o -f -) &&
[ ! -f "$litter/broken" ]; then
put "$3" "$2" again
else
printf '%s: nothing was changed there\n' "$2" >&2
failed=88
fi
rm -rf "$3"
}

# a line of the input is "MODE NAME//", with newlines in the name perhaps; $1 comes before each name
change() {
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

put "$tree" "$target"
if [ "$failed" -eq 0 ]; then
status=0
(cd "$target/" && umask 0 && tar -x -o -f -) <"$litter/seals" >/dev/null 2>&1 || status=$?
[ "$status" -lt 126 ] || exit "$status"
change "$target/" <"$litter/modes"
fi
[ ! -f "$litter/groups" ] || change '' <"$litter/groups"
rm -rf "$litter"
if [ "$new" = new ] && [ "$mode" != - ]; then
keep=
[ ! -g "$target/" ] || keep=yes
chmod "$mode" "$target/"
[ -z "$keep" ] || chmod g+s "$target/"
fi
[ "$new" != new ] || echo new
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
there "$tree/$name" || fail 84 "$name: has not arrived"
[ "$name" = "${target##*/}" ] || mv -f "$tree/$name" "$tree/${target##*/}"
move "${place%/}" "$tree/${target##*/}"
exit "$failed"
"""

DIRECTORY_SCRIPT = _PROLOGUE + _DIRECTORY
FILE_SCRIPT = _PROLOGUE + _FILE
