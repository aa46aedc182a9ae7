"""Which of the places where a QRS may be are beats: those that together make the most likely rhythm.

The detectors' evidence is weighed against the rhythm around it, over the whole signal at once: a beat that
hardly stands out is found where one is due, and a spike between two beats that are in time is left out. No
rhythm is demanded: leaving it costs the same however far it is left, and less than a clear beat brings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.qrs_detectors import APART_S, NARROW, Band, Floats, band_pass, evidence, local_peaks

SHORTEST_S = 2.0
LARGEST = 1e100
LOWEST_FS = 50.0  # below, a QRS is two samples

LEAST = 0.15  # evidence, of a usual beat's, that is looked at at all
NEUTRAL, CLEAR = 0.42, 1.0  # where it speaks neither for nor against a beat; more than clear adds nothing
ABSURD, DIES_S = 4.0, 0.1  # a jump of the baseline, and the time in which the filters' answer falls to 1 / e
DOUBTED = -0.1  # near a jump only the rhythm can tell a beat
OUT_OF_RHYTHM = 0.3  # what it costs, in units of evidence
RHYTHM_RATIO = 1.65  # an interval so many times longer or shorter than usual is out of rhythm
REFRACTORY_S = 0.24  # 250 beats/min
RR_RANGE_S = (0.27, 2.2)
FIRST_GUESS, FIRST_GUESS_APART_S = 0.5, 0.3
GRID_S, AROUND_S = 0.5, 16.0
ROUNDS = 2

NEAR_SURE, NEAR_BEATS = -0.2, 21
FAR_SURE, FAR_BEATS = 0.0, 101
MOST_IRREGULAR = 0.25
OWN_S = 0.08  # a wide QRS may give two places
SHAPE, SHAPE_S = Band(5.0, 40.0, 0.1), 0.1
TIP_S, SHARP_TIP_S = 0.06, 0.016
END_S = 0.04


def find_qrs(signal: Floats, fs: float) -> NDArray[np.int64]:
    """Find the beats of an ECG: the tip of the larger deflection of each QRS, the same one in all beats.

    Parameters
    ----------
    signal
        (n,), any unit, finite.
    fs
        Rate, Hz; made for 250.

    Returns
    -------
    NDArray
        Sample indexes, ascending; none where the signal is flat, noise alone, absurdly large, shorter than
        2 s or slower than 50 Hz.
    """
    span = float(signal.max()) - float(signal.min()) if len(signal) else 0.0
    if len(signal) < SHORTEST_S * fs or fs < LOWEST_FS or not 0 < span < LARGEST:
        return np.empty(0, dtype=np.int64)
    signal = (signal - np.median(signal)) / span
    weight = evidence(signal, fs)
    places = local_peaks(weight, fs, apart_s=APART_S)
    places = places[weight[places] >= LEAST]
    first = local_peaks(weight, fs, apart_s=FIRST_GUESS_APART_S)
    beats = _choose(places / fs, weight[places], first_s=first[weight[first] >= FIRST_GUESS] / fs)
    if len(beats) == 0:
        return beats
    tips = _tips(signal, fs, places[beats])
    alike = _likeness(signal, fs, tips)
    tips = tips[_certain(places / fs, weight[places], beats, alike=alike)]
    tips = tips[(tips >= END_S * fs) & (tips < len(signal) - END_S * fs)]
    return np.unique(tips).astype(np.int64)


def _choose(times_s: Floats, weights: Floats, *, first_s: Floats) -> NDArray[np.int64]:
    """Return which places are beats, (beat,), going from a first guess to the rhythm and back."""
    worth = np.where(_near_jumps(times_s, weights), DOUBTED, np.minimum(weights, CLEAR) - NEUTRAL)
    beats, beats_s = np.empty(0, dtype=np.int64), first_s
    for _ in range(ROUNDS):
        beats = most_likely_beats(times_s, worth, rr_s=_usual_rr(beats_s, times_s))
        beats_s = times_s[beats]
    return beats


def _near_jumps(times_s: Floats, weights: Floats) -> NDArray[np.bool_]:
    """Tell which places are jumps of the baseline, or where filters still answer to one."""
    jumps = weights > ABSURD
    reach_s = DIES_S * (1 + np.log(weights[jumps]))
    edges = np.zeros(len(times_s) + 1)
    np.add.at(edges, np.searchsorted(times_s, times_s[jumps] - reach_s), 1)
    np.add.at(edges, np.searchsorted(times_s, times_s[jumps] + reach_s, side="right"), -1)
    return np.cumsum(edges)[:-1] > 0


def _usual_rr(beats_s: Floats, at_s: Floats) -> Floats:
    """Return the median RR interval of the 16 s around each time; each counts as long as it lasts."""
    from scipy.ndimage import median_filter

    if len(beats_s) < 3:
        return np.full(len(at_s), 1.0)
    grid_s = np.arange(beats_s[0], beats_s[-1], GRID_S)
    rr_s = np.diff(beats_s)[np.searchsorted(beats_s, grid_s, side="right") - 1]
    size = min(round(AROUND_S / GRID_S) + 1, len(rr_s) - 1 + len(rr_s) % 2)
    usual_s: Floats = np.clip(median_filter(rr_s, size, mode="nearest"), *RR_RANGE_S)
    return np.interp(at_s, grid_s, usual_s)


def most_likely_beats(times_s: Floats, worth: Floats, *, rr_s: Floats) -> NDArray[np.int64]:
    """Choose the places that are worth most together, by dynamic programming.

    Parameters
    ----------
    times_s
        Where a beat may be, ascending, seconds, (place,).
    worth
        What each is worth: above 0 where it looks like a beat, below where not, (place,).
    rr_s
        Usual RR interval there, seconds, (place,).

    Returns
    -------
    NDArray
        Indexes of the chosen places, ascending. An interval costs `OUT_OF_RHYTHM` times the square of how
        far it is from the usual one, as a logarithm, up to once; none is shorter than 0.24 s.
    """
    nearest_s = np.maximum(rr_s / RHYTHM_RATIO, REFRACTORY_S)
    in_rhythm = zip(
        np.searchsorted(times_s, times_s - rr_s * RHYTHM_RATIO).tolist(),
        np.searchsorted(times_s, times_s - nearest_s, side="right").tolist(),
        strict=True,
    )
    before = np.searchsorted(times_s, times_s - REFRACTORY_S, side="right").tolist()
    scale, usual = OUT_OF_RHYTHM / math.log(RHYTHM_RATIO) ** 2, np.log(rr_s).tolist()
    at_s, gain = times_s.tolist(), worth.tolist()
    best: list[float] = []  # worth of the best row of beats that ends at each place
    previous: list[int] = []
    top: list[tuple[float, int]] = [(0.0, -1)]  # of the rows that end before each place, and where
    for here, (first, last) in enumerate(in_rhythm):
        value, back = top[before[here]]
        value -= OUT_OF_RHYTHM
        for there in range(first, last):
            away = math.log(at_s[here] - at_s[there]) - usual[here]
            if best[there] - scale * away * away > value:
                value, back = best[there] - scale * away * away, there
        best.append(value + gain[here])
        previous.append(back)
        top.append(max(top[-1], (best[-1], here)))
    return _followed_back(previous, top[-1][1])


def _followed_back(previous: Sequence[int], last: int) -> NDArray[np.int64]:
    row = []
    while last >= 0:
        row.append(last)
        last = previous[last]
    return np.array(row[::-1], dtype=np.int64)


def _certain(
    times_s: Floats, weights: Floats, beats: NDArray[np.int64], *, alike: Floats
) -> NDArray[np.bool_]:
    """Tell which beats are no choice from noise, (beat,), by the 21 and the 101 around each.

    What is chosen from noise stands out little from the highest place between, is not alike, and is not
    regular; beats may lack one of these, as in fibrillation or from two foci, but not all.
    """
    other = np.setdiff1d(np.arange(len(times_s)), beats)
    gap = np.searchsorted(beats, other)
    sides = beats[np.stack([np.maximum(gap - 1, 0), np.minimum(gap, len(beats) - 1)])]  # (2, other)
    apart = np.abs(times_s[other] - times_s[sides]).min(axis=0, initial=np.inf) >= OWN_S
    highest = np.zeros(len(beats) + 1)
    np.maximum.at(highest, gap[apart], weights[other[apart]])
    irregular = np.zeros(len(beats))
    irregular[1:-1] = np.abs(np.diff(np.log(np.diff(times_s[beats]))))
    stands_out = _median_around(weights[beats]) - _median_around(highest[1:])
    loss = np.minimum(_median_around(irregular), MOST_IRREGULAR) + 1 - _median_around(alike)
    sure = stands_out - loss
    return (sure >= NEAR_SURE) & (_median_around(sure, FAR_BEATS) >= FAR_SURE)


def _median_around(values: Floats, n_beats: int = NEAR_BEATS) -> Floats:
    from scipy.ndimage import median_filter

    size = min(n_beats, len(values) - 1 + len(values) % 2)
    median: Floats = median_filter(values, max(size, 1), mode="nearest")
    return median


def _likeness(signal: Floats, fs: float, tips: NDArray[np.int64]) -> Floats:
    """Correlate each QRS with the median one, (beat,)."""
    rows, _ = _windows(band_pass(signal, fs, band=SHAPE), tips, round(SHAPE_S * fs))
    rows = rows - rows.mean(axis=1, keepdims=True)
    median = np.median(rows, axis=0)
    norm = np.linalg.norm(rows, axis=1) * np.linalg.norm(median)
    alike: Floats = np.divide(rows @ median, norm, out=np.zeros(len(rows)), where=norm > 0)
    return alike


def _tips(signal: Floats, fs: float, middles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Go from the middle of each QRS to the tip of its larger deflection; most beats say which that is."""
    around, start = _windows(band_pass(signal, fs, band=NARROW), middles, round(TIP_S * fs))
    sign = 1.0 if np.median(around.max(axis=1) + around.min(axis=1)) >= 0 else -1.0
    rough = start + (sign * around).argmax(axis=1)
    around, start = _windows(signal, rough, round(SHARP_TIP_S * fs))
    tips: NDArray[np.int64] = start + (sign * around).argmax(axis=1)
    return tips


def _windows(values: Floats, middles: NDArray[np.int64], reach: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return what is around each middle, (middle, time), and its first sample; within the signal."""
    start = np.clip(middles - reach, 0, len(values) - 2 * reach - 1)
    return values[start[:, None] + np.arange(2 * reach + 1)], start
