"""Windows past memory: blocks of them in random order, shuffled in a pool."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.dataset.stored import Rows, StoredWindows, Windows, read_windows

Pool = tuple[Rows, Windows]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Stretches of ``range(n)`` in some order, one after the other.

    Attributes
    ----------
    starts, ends
        (n_blocks,), where the n numbers are cut.
    places
        (n_blocks,), how many numbers come before each block ends, in this order.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    places: NDArray[np.int64]

    def cut(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the numbers that come from place `first` to before place `last`, ascending."""
        start_block, last_block = np.searchsorted(self.places, [first, last - 1], side="right").tolist()
        pieces = []
        for block in range(start_block, last_block + 1):
            start, end, place = int(self.starts[block]), int(self.ends[block]), int(self.places[block])
            before = place - (end - start)
            pieces.append(np.arange(start + max(0, first - before), end - max(0, place - last)))
        return np.sort(np.concatenate(pieces))


def one_block(n: int) -> Blocks:
    """Return ``range(n)`` as one block."""
    return Blocks(np.array([0]), np.array([n]), np.array([n]))


def shuffled_blocks(n: int, size: int, random: np.random.Generator) -> Blocks:
    """Cut ``range(n)`` into blocks, and shuffle these.

    Where the first cut lies is random as well, so that not the same windows stay together in each epoch.
    """
    edges = np.concatenate([[0], np.arange(1 + random.integers(size), n, size), [n]])
    order = random.permutation(len(edges) - 1)
    starts, ends = edges[order], edges[order + 1]
    return Blocks(starts, ends, np.cumsum(ends - starts))


def read_pools(
    stored: StoredWindows, wanted: Iterable[Rows], size: int, *, read_ahead: bool
) -> Iterator[Pool]:
    """Read pools of windows: pairs of rows and windows, these good until the next pair is asked for.

    Parameters
    ----------
    wanted
        The rows of each pool, ascending, at most `size`.
    read_ahead
        Whether a thread reads the next pool meanwhile, into a second buffer.

    Raises
    ------
    DatasetError
        A file is gone, cut short, or was changed.
    """

    def fill(rows: Rows, buffer: Windows) -> Pool:
        windows = buffer[: len(rows)]
        read_windows(stored, rows, windows)
        return rows, windows

    buffers = [np.empty((size, *stored.shape[1:]), dtype="<f4") for _ in range(1 + read_ahead)]
    tasks = zip(wanted, itertools.cycle(buffers), strict=False)  # the buffers never end
    if not read_ahead:
        yield from itertools.starmap(fill, tasks)
        return
    with ThreadPoolExecutor(1) as reader:
        upcoming: Future[Pool] | None = None
        for rows, buffer in tasks:
            current, upcoming = upcoming, reader.submit(fill, rows, buffer)
            if current is not None:
                yield current.result()
        if upcoming is not None:
            yield upcoming.result()
