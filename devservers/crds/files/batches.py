"""A big tree travels in several archives, so that the container never needs room for a second copy of
all of it.

What arrives is staged and then moved into place, old copies staying until then. The room that takes
is that of one batch, or of the largest file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .scan import Entry

BATCH_BYTES = 256 * 1024 * 1024  # of file contents; a batch more costs about 0.05 s


def batches(entries: Sequence[Entry], limit: int) -> Iterator[list[Entry]]:
    """``entries`` in runs of at most ``limit`` bytes (or one file), each with the directories that
    lead to its first.

    A directory whose contents are split is in each of these batches, so each leaves it with its own
    mode and mtime. There is always one batch.
    """
    batch: list[Entry] = []
    size = 0
    above: list[Entry] = []
    for entry in entries:
        while above and not entry.name.startswith(f"{above[-1].name}/"):
            above.pop()
        if size and entry.size and size + entry.size > limit:
            yield batch
            batch, size = list(above), 0
        batch.append(entry)
        size += entry.size
        if entry.is_directory:
            above.append(entry)
    yield batch
