"""What is measured on a channel's samples; the checks judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import BEAT_FS, beat_times_s, thinned, thinning
from ecgkit.analysis.faults import Spans, cut_off_tops, flat_stretches, jumps, merged
from ecgkit.analysis.median_beat import BeatShape, cut_beats, likeness, qrs_heights, shape_of
from ecgkit.analysis.spectrum import can_measure_line, line_amplitudes
from ecgkit.preprocess.mains import alias_hz
from ecgkit.records import Channel, Recording
from ecgkit.stages.signal_blocks import Block, Samples, read_blocks

MAINS_HZ = (50, 60)
HARMONICS = (2, 3)
SPECTRUM_FS = 1000.0
LEAST_BEATS = 5  # for a median beat that means something


@dataclass(frozen=True, slots=True, eq=False)
class SignalFacts:
    """What was measured on a channel, or on a block of it.

    Attributes
    ----------
    n_bad, first_bad
        How many samples are not numbers, or absurdly large ones, and which is the first (-1: none).
    lowest, highest
        Of the numbers, in the channel's unit, as all amplitudes here; NaN where there is none.
    flat, tops, jumps
        Stretches of one value; tops that are cut off; jumps of the baseline: sample indexes.
    hum
        Mains frequency -> its amplitude, harmonics included, in each 4 s; empty where it can't be measured.
    stretches
        Sample indexes of the stretches of 2 s and more without a pause or a bad sample.
    beats_s, alike
        Times of the R peaks, and how far each beat is like the others, (beat,).
    heights
        The larger deflection of the QRS of each beat that is whole.
    median_beats, beat_fs
        Median beat of each block that has one, (block, time), and their rate.
    """

    channel: Channel
    n_bad: int
    first_bad: int
    lowest: float
    highest: float
    flat: Spans
    tops: Spans
    jumps: NDArray[np.int64]
    hum: Mapping[int, NDArray[np.float64]]
    stretches: Spans
    beats_s: NDArray[np.float64]
    alike: NDArray[np.float64]
    heights: NDArray[np.float64]
    median_beats: NDArray[np.float64]
    beat_fs: float

    @property
    def qrs_height(self) -> float:
        """Median height of the QRS; NaN without whole beats."""
        return float(np.median(self.heights)) if len(self.heights) else np.nan

    @property
    def mean_likeness(self) -> float:
        """How far the beats are alike; NaN without beats."""
        return float(self.alike.mean()) if len(self.alike) else np.nan

    @property
    def shape(self) -> BeatShape | None:
        """Shape of the median beat; None with fewer than five whole beats."""
        if len(self.heights) < LEAST_BEATS:
            return None
        rr_s = float(np.median(np.diff(self.beats_s)))
        return shape_of(np.median(self.median_beats, axis=0), self.beat_fs, rr_s=rr_s)

    def per_stretch(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Split what there is of each beat, (beat,), by the stretches."""
        return np.split(values, np.searchsorted(self.beats_s, self.stretches[1:, 0] / self.channel.fs))


def gather_facts(recording: Recording, channel: Channel) -> SignalFacts:
    """Read a channel in blocks of at most ten minutes, and measure what the checks need.

    Raises
    ------
    ReadError
        The file no longer holds what its header says.
    """
    parts = [_facts_of(block, channel) for block in read_blocks(recording, channel)]

    def joined(name: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(part, name) for part in parts])

    return SignalFacts(
        channel=channel,
        n_bad=sum(part.n_bad for part in parts),
        first_bad=next((part.first_bad for part in parts if part.n_bad), -1),
        lowest=float(np.fmin.reduce([part.lowest for part in parts])),
        highest=float(np.fmax.reduce([part.highest for part in parts])),
        flat=merged(np.concatenate([part.flat for part in parts])),
        tops=np.concatenate([part.tops for part in parts]),
        jumps=np.concatenate([part.jumps for part in parts]),
        hum={hz: np.concatenate([part.hum[hz] for part in parts]) for hz in MAINS_HZ},
        stretches=merged(np.concatenate([part.stretches for part in parts])),
        beats_s=joined("beats_s"),
        alike=joined("alike"),
        heights=joined("heights"),
        median_beats=joined("median_beats"),
        beat_fs=parts[0].beat_fs,
    )


def _facts_of(block: Block, channel: Channel) -> SignalFacts:
    fs, whole, own = channel.fs, block.whole, block.whole.own
    bad, good = np.flatnonzero(np.isnan(own)), own[np.isfinite(own)]
    flat = flat_stretches(whole.samples, fs) + whole.start
    beats = [_beats(piece, fs) for piece in block.pieces]
    cut = np.concatenate([_no_beats(fs), *(item.cut for item in beats)])  # (whole beat, time)
    heights = qrs_heights(cut, _beat_fs(fs))
    return SignalFacts(
        channel=channel,
        n_bad=len(bad),
        first_bad=whole.first + int(bad[0]) if len(bad) else -1,
        lowest=float(good.min()) if len(good) else np.nan,
        highest=float(good.max()) if len(good) else np.nan,
        flat=flat,
        tops=cut_off_tops(_blanked(own, flat - whole.first), fs) + whole.first,
        jumps=_jumps(block.pieces, fs, heights=heights),
        hum={hz: _hum(block.pieces, fs, mains_hz=hz) for hz in MAINS_HZ},
        stretches=np.array([(piece.start, piece.stop) for piece in block.pieces], np.int64).reshape(-1, 2),
        beats_s=np.concatenate([np.empty(0), *(item.times_s for item in beats)]),
        alike=_alike(beats, likeness(cut, _beat_fs(fs))),
        heights=heights,
        median_beats=np.median(cut, axis=0, keepdims=True) if len(cut) else cut,
        beat_fs=_beat_fs(fs),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Beats:
    """A piece's own beats: times, which of them are whole (beat,), and these cut out, (whole beat, time)."""

    times_s: NDArray[np.float64]
    whole: NDArray[np.bool_]
    cut: NDArray[np.float64]


def _beats(piece: Samples, fs: float) -> _Beats:
    times_s = beat_times_s(piece.samples, fs) + piece.start / fs
    times_s = times_s[(times_s >= piece.first / fs) & (times_s < piece.last / fs)]
    factor = thinning(fs, to_fs=BEAT_FS)
    thin_start_s = (piece.start + (factor - 1) / 2) / fs
    cut, whole = cut_beats(thinned(piece.samples, factor), _beat_fs(fs), beats_s=times_s - thin_start_s)
    return _Beats(times_s, whole, cut)


def _beat_fs(fs: float) -> float:
    return fs / thinning(fs, to_fs=BEAT_FS)


def _no_beats(fs: float) -> NDArray[np.float64]:
    return cut_beats(np.empty(0), _beat_fs(fs), beats_s=np.empty(0))[0]


def _alike(beats: Sequence[_Beats], whole_alike: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each beat its likeness; one that is not whole has none and is not held to be unlike."""
    whole = np.concatenate([np.empty(0, dtype=np.bool_), *(item.whole for item in beats)])
    alike = np.ones(len(whole))
    alike[whole] = whole_alike
    return alike


def _blanked(samples: NDArray[np.float64], spans: Spans) -> NDArray[np.float64]:
    """Put NaN in place of spans, which may reach beyond the samples."""
    samples = samples.copy()
    for start, stop in np.clip(spans, 0, len(samples)).tolist():
        samples[start:stop] = np.nan
    return samples


def _jumps(pieces: Sequence[Samples], fs: float, *, heights: NDArray[np.float64]) -> NDArray[np.int64]:
    found = [np.empty(0, dtype=np.int64)]
    factor = thinning(fs, to_fs=BEAT_FS)
    for piece in pieces if len(heights) else ():
        thin = thinned(piece.samples, factor)
        at = jumps(thin, _beat_fs(fs), qrs_height=float(np.median(heights))) * factor + piece.start
        found.append(at[(at >= piece.first) & (at < piece.last)])
    return np.concatenate(found)


def _hum(pieces: Sequence[Samples], fs: float, *, mains_hz: int) -> NDArray[np.float64]:
    """Measure mains, at its alias where it has one, and its harmonics below half the rate; (4 s,)."""
    at_hz = alias_hz(mains_hz, fs)
    lines = [at_hz, *(n * mains_hz for n in HARMONICS if n * mains_hz < fs / 2)]
    if not can_measure_line(fs, at_hz=at_hz):
        return np.empty(0)
    lines = [line for line in lines if can_measure_line(fs, at_hz=line)]
    factor = thinning(fs, to_fs=SPECTRUM_FS)
    thin = [thinned(piece.own, factor) for piece in pieces]
    total = [
        np.sqrt(sum(line_amplitudes(item, fs / factor, at_hz=line) ** 2 for line in lines)) for item in thin
    ]
    return np.concatenate([np.empty(0), *total])
