"""Cuts a big tree into archives, so that the container never needs room for all of it twice.

What arrives is staged and then moved into place, and until then the old files stay. The room that
this takes is that of one batch, or of the largest file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .scan import Entry

BATCH_BYTES = 256 * 1024 * 1024
"""Bytes of file contents in one batch; each further batch costs about 0.05 s."""


def batches(entries: Sequence[Entry], limit: int) -> Iterator[list[Entry]]:
    """``entries`` in runs of at most ``limit`` bytes (or one file).

    Each run begins with the directories that lead to its first entry. So a directory whose contents
    are split is in each of these batches, and each of them sets its mode and mtime again. There is
    always one batch.
    """
    batch: list[Entry] = []
    size = 0
    parents: list[Entry] = []
    for entry in entries:
        while parents and not entry.name.startswith(f"{parents[-1].name}/"):
            parents.pop()
        if size and entry.size and size + entry.size > limit:
            yield batch
            batch, size = list(parents), 0
        batch.append(entry)
        size += entry.size
        if entry.is_directory:
            parents.append(entry)
    yield batch
