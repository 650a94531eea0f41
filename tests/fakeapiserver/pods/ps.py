"""``ps`` for the pods of a machine that has none, as slim images have not: what procps shows, read from /proc.

It is run as a script, so it imports nothing of its package. Known are the options by which people look for processes
(``ps``, ``aux``, ``ax``, ``-e``, ``-f``, ``-p``, ``-o``); any other is refused rather than guessed at.
"""

from __future__ import annotations

import os
import pwd
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
DAY = 24 * 60 * 60


class Refused(Exception):
    """Options that this ps does not know."""


class Process:
    """One process, as the files of its directory in /proc tell it."""

    def __init__(self, pid: int) -> None:
        directory = f"/proc/{pid}"
        before, _, after = read(f"{directory}/stat").rpartition(")")
        fields = after.split()
        self.pid, self.uid = pid, os.stat(directory).st_uid
        self.state = fields[0]
        self.ppid, self.pgid, self.sid, self.tty, self.foreground = map(int, fields[1:6])
        self.seconds = (int(fields[11]) + int(fields[12])) / TICKS
        self.nice, self.threads = int(fields[16]), int(fields[17])
        self.start = boot_time() + int(fields[19]) / TICKS
        self.elapsed = max(time.time() - self.start, 1 / TICKS)
        self.vsz, self.rss = int(fields[20]) // 1024, int(fields[21]) * PAGE // 1024
        self.comm = before.partition("(")[2]
        self.args = " ".join(read(f"{directory}/cmdline").split("\0")).strip() or f"[{self.comm}]"
        if pid == os.getpid():
            self.comm, self.args = "ps", " ".join(["ps", *sys.argv[1:]])


def read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def boot_time() -> float:
    return next(float(line.split()[1]) for line in read("/proc/stat").splitlines() if line.startswith("btime "))


def all_processes() -> Iterator[Process]:
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            yield Process(pid)
        except (OSError, IndexError):
            continue  # it has ended meanwhile


def user(process: Process) -> str:
    try:
        name = pwd.getpwuid(process.uid).pw_name
    except KeyError:
        return str(process.uid)
    return name if len(name) <= 8 else name[:7] + "+"


def stat(process: Process) -> str:
    nice = "<" if process.nice < 0 else "N" if process.nice > 0 else ""
    leads, threads = "s" * (process.sid == process.pid), "l" * (process.threads > 1)
    return process.state + nice + leads + threads + "+" * (process.pgid == process.foreground)


def terminal(process: Process) -> str:
    major, minor = os.major(process.tty), os.minor(process.tty)
    return f"pts/{minor + 256 * (major - 136)}" if 136 <= major < 144 else f"tty{minor}" if major == 4 else "?"


def start(process: Process) -> str:
    return time.strftime("%H:%M" if process.elapsed < DAY else "%b%d", time.localtime(process.start))


def processor(process: Process) -> str:
    return f"{100 * process.seconds / process.elapsed:.1f}"


def memory(process: Process) -> str:
    return f"{100 * process.rss / int(read('/proc/meminfo').split()[1]):.1f}"


def short_time(process: Process) -> str:
    return f"{int(process.seconds) // 60}:{int(process.seconds) % 60:02}"


def long_time(process: Process) -> str:
    minutes, seconds = divmod(int(process.seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


class Column(NamedTuple):
    header: str
    width: int  # negative: flush left
    show: Callable[[Process], object]


COLUMNS = {
    "pid": Column("PID", 5, lambda process: process.pid),
    "ppid": Column("PPID", 5, lambda process: process.ppid),
    "uid": Column("UID", 5, lambda process: process.uid),
    "user": Column("USER", -8, user),
    "UID": Column("UID", -8, user),
    "c": Column("C", 2, lambda process: int(float(processor(process)))),
    "pcpu": Column("%CPU", 4, processor),
    "pmem": Column("%MEM", 4, memory),
    "vsz": Column("VSZ", 6, lambda process: process.vsz),
    "rss": Column("RSS", 5, lambda process: process.rss),
    "tty": Column("TTY", -8, terminal),
    "stat": Column("STAT", -4, stat),
    "start": Column("START", -5, start),
    "stime": Column("STIME", 5, start),
    "time": Column("TIME", 8, long_time),
    "TIME": Column("TIME", 6, short_time),
    "comm": Column("COMMAND", -15, lambda process: process.comm),
    "CMD": Column("CMD", -15, lambda process: process.comm),
    "args": Column("COMMAND", -27, lambda process: process.args),
    "command": Column("COMMAND", -27, lambda process: process.args),
    "cmd": Column("CMD", -27, lambda process: process.args),
}
SHORT, FULL = "pid,tty,time,CMD", "UID,pid,ppid,c,stime,tty,time,cmd"
BSD, OF_USERS = "pid,tty,stat,TIME,args", "user,pid,pcpu,pmem,vsz,rss,tty,stat,start,TIME,args"


def understand(words: Sequence[str]) -> tuple[set[str], dict[str, str]]:
    """The options, those of System V with their dash, and the values of ``p`` and ``o``."""
    options: set[str] = set()
    values: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        letters = word.lstrip("-")
        dash = "-" if word.startswith("-") and letters.rstrip("w") not in ("aux", "ax") else ""
        for at, letter in enumerate(letters, 1):
            if letter == "o" or dash + letter == "-p":
                value = letters[at:] or (left.pop(0) if left else "")
                values[letter] = ",".join([*filter(None, [values.get(letter)]), *value.replace(",", " ").split()])
                if not values[letter]:
                    raise Refused(f"option {word!r} lacks its value")
                break
            if letter not in ("eAfw" if dash else "auxw"):
                raise Refused(f"unsupported option {word!r}; this stand-in knows ps, aux, ax, -e, -f, -p and -o")
            options.add(dash + letter)
    return options, values


def chosen(options: set[str], pids: str) -> Iterator[Process]:
    me = Process(os.getpid())
    for process in all_processes():
        if pids:
            wanted = str(process.pid) in pids.split(",")
        elif options & {"-e", "-A"} or options >= {"a", "x"}:
            wanted = True
        elif options & {"a", "x"}:
            wanted = process.uid == me.uid if "x" in options else process.tty != 0
        else:
            wanted = (process.uid, process.tty) == (me.uid, me.tty)
        if wanted:
            yield process


def columns_of(options: set[str], wanted: str) -> tuple[list[Column], list[str]]:
    """The columns and their titles."""
    default = FULL if "-f" in options else OF_USERS if "u" in options else BSD if options & {"a", "x"} else SHORT
    names = (wanted or default).split(",")
    unknown = [name for name in names if name.rstrip("=") not in COLUMNS]
    if unknown:
        raise Refused(f"unknown format specifier {unknown[0]!r}")
    columns = [COLUMNS[name.rstrip("=")] for name in names]
    return columns, ["" if name.endswith("=") else column.header for name, column in zip(names, columns)]


def line(columns: Sequence[Column], texts: Sequence[str]) -> str:
    cells = [
        text.rjust(column.width) if column.width > 0 else text.ljust(-column.width)
        for column, text in zip(columns, texts)
    ]
    return " ".join(cells).rstrip()


def main(words: Sequence[str]) -> int:
    """The exit code is 1 when there is no such process."""
    try:
        options, values = understand(words)
        columns, titles = columns_of(options, values.get("o", ""))
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 1
    rows = [[str(column.show(process)) for column in columns] for process in chosen(options, values.get("p", ""))]
    heads = [titles] if any(titles) else []
    try:
        print("\n".join(line(columns, texts) for texts in heads + rows), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor shall the interpreter's end complain
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
