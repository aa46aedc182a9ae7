"""Mains as it is set against mains as it is seen: a look at a minute of each lead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import thinned, thinning
from ecgkit.analysis.spectrum import SEGMENT_S, can_measure_line, line_amplitudes
from ecgkit.config import PipelineConfig
from ecgkit.errors import SignalError
from ecgkit.preprocess.mains import MainsPlan, alias_hz, plan_mains
from ecgkit.readers.ecg_channel import millivolts_per_unit
from ecgkit.records import Channel
from ecgkit.stages.signal_facts import HARMONICS, MAINS_HZ, SPECTRUM_FS
from ecgkit.stages.signal_findings import HUM_SHARE, HUM_TIME_SHARE

LOOKED_AT_S = 60.0
END_S = 1.0  # where filters leave some of it
NEAR_HZ = 1.0  # a line so near to mains is mains


def plan(channels: Sequence[Channel], pipeline: PipelineConfig, span: tuple[int, int]) -> MainsPlan:
    """Plan how mains goes; where it can't, say whether there is any.

    Parameters
    ----------
    span
        A stretch without a gap, (start, stop), samples as recorded.

    Raises
    ------
    SignalError
        See `plan_mains`.
    """
    fs = channels[0].fs
    try:
        return plan_mains(
            fs,
            to_fs=pipeline.fs,
            mains_hz=pipeline.mains_hz,
            mode=pipeline.mains,
            lines=pipeline.mains_lines,
        )
    except SignalError as error:
        at_hz = alias_hz(pipeline.mains_hz, fs)
        if not can_measure_line(fs, at_hz=at_hz):
            raise
        start, stop = middle(*span, fs)
        minutes = [channel.read(start, stop) for channel in channels]
        seen = any(_stands_out(signal, fs, at_hz, height=_height(signal, fs)) for signal in minutes)
        raise SignalError(
            f"{error}. In this recording {'a' if seen else 'no'} line is seen at {at_hz:g} Hz"
        ) from error


def middle(start: int, stop: int, fs: float) -> tuple[int, int]:
    """Return the minute in the middle of a stretch, or all but its ends, (start, stop), samples."""
    length = min(round(LOOKED_AT_S * fs), max(stop - start - round(2 * END_S * fs), 0))
    first = start + (stop - start - length) // 2
    return first, first + length


def mains_warnings(
    channel: Channel, cleaned: NDArray[np.float64], span: tuple[int, int], pipeline: PipelineConfig
) -> Iterator[str]:
    """Say where another mains is seen in a lead than is set, or a line that is there after cleaning.

    A line counts as in `ecgkit check`: as high as 5 % of the signal, in a tenth of the time.

    Parameters
    ----------
    cleaned
        (n,), what became of a stretch of the channel, in mV where it is a voltage.
    span
        That stretch, (start, stop), samples as recorded.
    """
    fs, to_fs = channel.fs, pipeline.fs
    start, stop = middle(*span, fs)
    first = round((start - span[0]) * to_fs / fs)
    cleaned = cleaned[first : first + round((stop - start) * to_fs / fs)]
    height = _height(cleaned, to_fs)
    other_hz = next(hz for hz in MAINS_HZ if abs(hz - pipeline.mains_hz) > NEAR_HZ)
    if pipeline.mains != "none" and _is_the_other(channel, start, stop, pipeline.mains_hz, other_hz, height):
        gone = fs > to_fs and alias_hz(other_hz, fs) >= to_fs / 2
        yield (
            f"channel {channel.name!r}: hum at {other_hz} Hz is seen and none at {pipeline.mains_hz:g} Hz: "
            f"set pipeline.mains_hz (or the study's mains_hz) to {other_hz}"
            f"{f'; at {to_fs:g} Hz nothing of either is left' if gone else ''}"
        )
        return
    for line_hz, remedy in _lines(fs, pipeline).items():
        if can_measure_line(to_fs, at_hz=line_hz) and _stands_out(cleaned, to_fs, line_hz, height=height):
            yield f"channel {channel.name!r}: a line at {line_hz:g} Hz is there after cleaning; {remedy}"


def _is_the_other(
    channel: Channel, start: int, stop: int, mains_hz: float, other_hz: float, height: float
) -> bool:
    """Tell whether hum at the other frequency stands out in a channel, and none at the one that is set."""
    fs, to_mv = channel.fs, millivolts_per_unit(channel.unit) or 1.0
    set_at_hz, other_at_hz = alias_hz(mains_hz, fs), alias_hz(other_hz, fs)
    if not all(can_measure_line(fs, at_hz=at_hz) for at_hz in (set_at_hz, other_at_hz)):
        return False
    factor = thinning(fs, to_fs=SPECTRUM_FS)
    minute, thin_fs = thinned(channel.read(start, stop) * to_mv, factor), fs / factor
    return _stands_out(minute, thin_fs, other_at_hz, height=height) and not _stands_out(
        minute, thin_fs, set_at_hz, height=height
    )


def _lines(fs: float, pipeline: PipelineConfig) -> dict[float, str]:
    """Return where lines of mains and its multiples lie, Hz, and what to do against each."""
    lines: dict[float, str] = {}
    for times in (1, *HARMONICS):
        line_hz = times * pipeline.mains_hz
        remedy = (
            f"set pipeline.mains_lines to {times}"
            if times > pipeline.mains_lines
            else "it strays, or comes and goes: look at it"
        )
        if pipeline.mains == "none":
            remedy = "pipeline.mains is none"
        if line_hz < fs / 2:
            lines[line_hz] = remedy
        elif times == 1 and pipeline.mains != "alias-notch":
            lines[alias_hz(line_hz, fs)] = f"it is mains of {line_hz:g} Hz, aliased; {remedy}"
    return lines


def _stands_out(signal: NDArray[np.float64], fs: float, at_hz: float, *, height: float) -> bool:
    hum = line_amplitudes(signal, fs, at_hz=at_hz)
    return len(hum) > 0 and float(np.mean(hum >= HUM_SHARE * height)) >= HUM_TIME_SHARE


def _height(signal: NDArray[np.float64], fs: float) -> float:
    """Return what the usual 4 s of a signal span: about the height of a QRS, artefacts left aside."""
    size = round(SEGMENT_S * fs)
    segments = signal[: len(signal) // size * size].reshape(-1, size)
    return float(np.median(np.ptp(segments, axis=1))) if len(segments) else float(np.inf)
