"""What a channel looks like, in a few words: for the error that lists the channels to choose from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import BEAT_FS, beat_times_s, thinned, thinning
from ecgkit.analysis.heart_rate import mean_heart_rate_bpm
from ecgkit.analysis.median_beat import cut_beats, likeness, shape_of
from ecgkit.analysis.qrs_choice import LARGEST, SHORTEST_S

LONGEST_S = 120.0
UNKNOWN = "can't tell"
MIDDLE = (0.2, 0.8)  # of the range: where steps never stay
STEPS_SHARE = 0.002
ALIKE, LEAST_BEATS = 0.66, 5  # as for `median_beat.likeness`
RATE_BPM = (30.0, 220.0)
WIDEST_QRS_S = 0.07  # at half height
SPECTRUM_FS, SHORTEST_SLOW_S = 1000.0, 20.0
SLOW = {  # band in Hz -> what it looks like where most of the power lies there
    (0.0, 0.08): "a slow drift",
    (0.08, 0.7): "slow waves like respiration, {:.0f}/min",
    (0.7, 3.5): "waves like a pulse, {:.0f}/min",
}
MOST = 0.6
FAST_HZ, TONE_HZ, TONE_SHARE = 10.0, 1.0, 0.9


def looks_like(signal: NDArray[np.float64], fs: float) -> str:
    """Say what a channel looks like: an ECG, respiration, a trigger, noise, or that it can't be told.

    Parameters
    ----------
    signal
        (n,), in any unit; the first two minutes are looked at, and 20 s are needed to tell slow signals.
    fs
        Rate, Hz.
    """
    signal = signal[: int(min(max(LONGEST_S * fs, 1), len(signal)))]
    signal = signal[np.abs(signal) < LARGEST]  # which no NaN is
    if len(signal) == 0:
        return "no numbers"
    if np.ptp(signal) == 0:
        return "flat"
    if len(signal) < SHORTEST_S * fs:
        return UNKNOWN
    at_hz, power = _power(signal, fs)
    slow = _slow_waves(at_hz, power) if len(signal) >= SHORTEST_SLOW_S * fs else ""
    return (
        _steps(signal, fs)
        or _tone(at_hz, power)
        or _ecg(signal, fs)
        or slow
        or _noise(at_hz, power)
        or UNKNOWN
    )


def _steps(signal: NDArray[np.float64], fs: float) -> str:
    """Tell two levels with nearly nothing between them, unless there is an ECG on one of them."""
    level = (signal - signal.min()) / np.ptp(signal)
    between = np.count_nonzero((level > MIDDLE[0]) & (level < MIDDLE[1]))
    if between > STEPS_SHARE * len(signal):
        return ""
    is_low = level <= MIDDLE[0]
    mostly = signal[is_low if is_low.mean() > 0.5 else ~is_low]
    return "" if _ecg(mostly, fs) else "steps like a trigger"


def _ecg(signal: NDArray[np.float64], fs: float) -> str:
    """Tell beats that are alike, narrow, and at a rate that a heart can have."""
    factor, beats_s = thinning(fs, to_fs=BEAT_FS), beat_times_s(signal, fs)
    late_s = (factor - 1) / 2 / fs
    beats, _ = cut_beats(thinned(signal, factor), fs / factor, beats_s=beats_s - late_s)
    if len(beats) < LEAST_BEATS or likeness(beats, fs / factor).mean() < ALIKE:
        return ""
    rr_s = float(np.median(np.diff(beats_s)))
    shape = shape_of(np.median(beats, axis=0), fs / factor, rr_s=rr_s)
    rate_bpm = mean_heart_rate_bpm([beats_s])
    is_ecg = shape.width_s < WIDEST_QRS_S and RATE_BPM[0] <= rate_bpm <= RATE_BPM[1]
    return f"like an ECG, {rate_bpm:.0f} beats/min" if is_ecg else ""


def _power(signal: NDArray[np.float64], fs: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the frequencies of a signal, Hz, and the share of its power at each."""
    factor = thinning(fs, to_fs=SPECTRUM_FS)
    thin = thinned(signal, factor)
    at_hz = np.fft.rfftfreq(len(thin), factor / fs).astype(np.float64)
    power: NDArray[np.float64] = np.abs(np.fft.rfft((thin - thin.mean()) * np.hanning(len(thin)))) ** 2
    return at_hz, power / max(power.sum(), np.finfo(np.float64).tiny)


def _tone(at_hz: NDArray[np.float64], power: NDArray[np.float64]) -> str:
    """Tell one fast frequency and nothing else, such as mains on an open input."""
    strongest_hz = float(at_hz[power.argmax()])
    alone = power[np.abs(at_hz - strongest_hz) <= TONE_HZ].sum() >= TONE_SHARE
    return f"a tone of {strongest_hz:.0f} Hz" if alone and strongest_hz >= FAST_HZ else ""


def _slow_waves(at_hz: NDArray[np.float64], power: NDArray[np.float64]) -> str:
    """Tell by the frequencies that hold most of the power."""
    for (low_hz, high_hz), like in SLOW.items():
        inside = (at_hz >= low_hz) & (at_hz < high_hz)
        if power[inside].sum() >= MOST:
            strongest_hz = at_hz[inside][power[inside].argmax()]
            near = np.abs(at_hz - strongest_hz) <= 2 * at_hz[1]  # the window spreads a line over 5 bins
            return like.format(60 * np.average(at_hz[near], weights=power[near]))
    return ""


def _noise(at_hz: NDArray[np.float64], power: NDArray[np.float64]) -> str:
    return "noise" if power[at_hz >= FAST_HZ].sum() >= MOST else ""
