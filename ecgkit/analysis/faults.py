"""Faults that show in the samples themselves: flat stretches, cut-off tops, jumps, beats that stay away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Spans = NDArray[np.int64]  # (span, 2): start and stop

FLAT_S = 1.0  # no rhythm leaves a lead without any wave for so long: a P wave, QRS or T wave comes first
NEAR_TOP = 0.01  # of the signal's range: what noise and the amplifier's own drift leave of a level line
STEPS_NEAR_TOP = 0.5  # of a coarse converter: its highest step alone
WIDER = 5  # times the depth: a whole tip is wider by the root of this, a cut-off one hardly wider
CUT_SHARE = 0.6  # between 0.45, which is 1 / root 5, and 1
LEAST_TOPS, LEAST_TOP_S = 3, 0.1
JUMP_STEP_S = 0.5
JUMP_HEIGHTS = 5.0  # of the QRS: more than movement does to electrodes that hold
LONGEST_RR_S = 3.0  # a longer pause is a finding in anyone (ACC/AHA/HRS guideline on bradycardia, 2018)


def runs(mask: NDArray[np.bool_]) -> Spans:
    """Return the stretches in which a mask, (n,), is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).astype(np.int64)


def merged(spans: Spans) -> Spans:
    """Return spans in order, with those that overlap made one; those that only touch stay apart."""
    if len(spans) == 0:
        return spans
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    furthest = np.maximum.accumulate(spans[:, 1])
    first = np.concatenate([[True], spans[1:, 0] >= furthest[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.stack([spans[first, 0], furthest[last]], axis=1)


def flat_stretches(signal: NDArray[np.float64], fs: float) -> Spans:
    """Return the stretches longer than 1 s of one and the same value.

    Parameters
    ----------
    signal
        (n,); a NaN is like no other sample.
    fs
        Rate, Hz.

    Returns
    -------
    Spans
        Sample indexes, (span, 2).
    """
    same = runs(signal[1:] == signal[:-1])
    same[:, 1] += 1  # n equal neighbours are n + 1 samples
    return same[same[:, 1] - same[:, 0] > FLAT_S * fs]


def cut_off_tops(signal: NDArray[np.float64], fs: float) -> Spans:
    """Return the waves whose tops, upper or lower, are cut off at one level, a rail.

    A tip that is whole is a parabola: at five times the depth it is 2.2 times as wide, whatever its height,
    rate or unit; lower waves only add to that. So a side is cut off where, of all samples within 5 % of the
    range from its extreme, more than 60 % are within 1 %.

    Parameters
    ----------
    signal
        (n,); NaN is left out.
    fs
        Rate, Hz.

    Returns
    -------
    Spans
        Sample indexes, (top, 2), each top at least two samples long; none where fewer than three
        waves, and less than 0.1 s, are cut off.
    """
    sides = [_cut_off(side, fs) for side in (signal, -signal)]
    return np.concatenate(sides)[np.argsort(np.concatenate(sides)[:, 0], kind="stable")]


def _cut_off(signal: NDArray[np.float64], fs: float) -> Spans:
    """Return the cut-off tops of the upper side."""
    none = np.empty((0, 2), dtype=np.int64)
    good = signal[np.isfinite(signal)]
    steps = np.abs(np.diff(good))
    if not steps.any():
        return none
    highest = good.max()
    near = max(NEAR_TOP * np.ptp(good), STEPS_NEAR_TOP * steps[steps > 0].min())
    if np.median(good) >= highest - WIDER * near:
        return none  # the baseline itself lies there: waves that only go down
    tops = runs(signal >= highest - near)
    tops = tops[tops[:, 1] - tops[:, 0] >= 2]
    at_top = int((tops[:, 1] - tops[:, 0]).sum())
    enough = len(tops) >= LEAST_TOPS or at_top > LEAST_TOP_S * fs
    is_cut = at_top >= CUT_SHARE * np.count_nonzero(good >= highest - WIDER * near)
    return tops if enough and is_cut else none


def jumps(signal: NDArray[np.float64], fs: float, *, qrs_height: float) -> NDArray[np.int64]:
    """Return where the baseline jumps by more than five times the height of the QRS.

    Parameters
    ----------
    signal
        (n,), finite.
    fs
        Rate, Hz.
    qrs_height
        In the signal's unit.

    Returns
    -------
    NDArray
        Sample indexes, to half a second; one for jumps that follow each other.
    """
    size = max(round(JUMP_STEP_S * fs), 1)
    levels = np.median(signal[: len(signal) // size * size].reshape(-1, size), axis=1)  # (half second,)
    far = runs(np.abs(np.diff(levels)) > JUMP_HEIGHTS * qrs_height)
    return (far[:, 0] + 1) * size


def stretches_without_beats(
    beats_s: NDArray[np.float64], *, start_s: float, stop_s: float
) -> NDArray[np.float64]:
    """Return the stretches of 3 s or more without a beat.

    Parameters
    ----------
    beats_s
        Times of the beats, ascending, seconds.
    start_s, stop_s
        Where the signal starts and ends, seconds.

    Returns
    -------
    NDArray
        Start and stop in seconds, (stretch, 2).
    """
    edges = np.concatenate([[start_s], beats_s, [stop_s]])
    pairs = np.stack([edges[:-1], edges[1:]], axis=1)
    return pairs[np.diff(pairs, axis=1)[:, 0] >= LONGEST_RR_S]
