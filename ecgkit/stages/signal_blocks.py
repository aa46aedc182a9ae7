"""A channel in blocks of bounded size, so that a day's recording can be looked at in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.faults import runs
from ecgkit.analysis.qrs_choice import LARGEST, SHORTEST_S
from ecgkit.records import Channel, Recording

BLOCK_S = 600.0
LEAST_SAMPLES, MOST_SAMPLES = 1 << 16, 1 << 22
SHORTEST_SAMPLES = 32  # of any rate
MARGIN_S = 5.0  # that a block sees of its neighbours on each side, so that nothing is lost between them


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples of a channel from `start` on; [first, last) are its own, the others its neighbours'."""

    start: int
    samples: NDArray[np.float64]
    first: int
    last: int

    @property
    def stop(self) -> int:
        """Where the samples end."""
        return self.start + len(self.samples)

    @property
    def own(self) -> NDArray[np.float64]:
        """The samples that belong to no neighbour."""
        return self.samples[self.first - self.start : self.last - self.start]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Ten minutes of a channel, or some four million samples; NaN for what is no number or absurdly large.

    Attributes
    ----------
    whole
        All of it.
    pieces
        The stretches in it of 2 s and more without a pause or a NaN.
    """

    whole: Samples
    pieces: tuple[Samples, ...]


def read_blocks(recording: Recording, channel: Channel) -> Iterator[Block]:
    """Read a channel once, in blocks that overlap; one empty block where it has no samples.

    Raises
    ------
    ReadError
        The file no longer holds what its header says.
    """
    pauses = np.array([first for first, _ in recording.segments(channel)], dtype=np.int64)
    for whole in _overlapping(channel):
        yield Block(whole, tuple(_pieces(whole, channel.fs, pauses)))


def _overlapping(channel: Channel) -> Iterator[Samples]:
    size = int(np.clip(BLOCK_S * channel.fs, LEAST_SAMPLES, MOST_SAMPLES))
    margin = int(min(MARGIN_S * channel.fs, size // 4))
    held, start, first = np.empty(0), 0, 0
    with np.errstate(all="ignore"):  # a scale may make the largest counts infinite
        for chunk in channel.chunks(size):
            samples = np.concatenate([held, np.where(np.abs(chunk) < LARGEST, chunk, np.nan)])
            stop = start + len(samples)
            last = stop if stop >= channel.n_samples else max(stop - margin, first)
            yield Samples(start, samples, first, last)
            held, first = samples[max(len(samples) - 2 * margin, 0) :], last
            start = stop - len(held)
    if channel.n_samples == 0:
        yield Samples(0, held, 0, 0)


def _pieces(block: Samples, fs: float, pauses: NDArray[np.int64]) -> Iterator[Samples]:
    shortest = max(SHORTEST_S * fs, SHORTEST_SAMPLES)
    spans = runs(np.isfinite(block.samples)) + block.start
    for start, stop in spans[spans[:, 1] - spans[:, 0] >= shortest].tolist():
        inside = pauses[(pauses > start) & (pauses < stop)].tolist()
        for begin, end in zip([start, *inside], [*inside, stop], strict=True):
            if end - begin >= shortest:
                first, last = np.clip((block.first, block.last), begin, end).tolist()
                samples = block.samples[begin - block.start : end - block.start]
                yield Samples(begin, samples, first, last)
