"""The stretches of a recording that can be cut, and reading one at low rates, in little memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import BEAT_FS, thinned, thinning
from ecgkit.analysis.qrs_choice import LARGEST
from ecgkit.errors import SignalError
from ecgkit.preprocess.resample import resample_portion, resampled_size, resampling_portions
from ecgkit.readers.ecg_channel import millivolts_per_unit
from ecgkit.records import Channel, Recording

READ_SAMPLES = 1 << 21  # at a time


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A stretch of a channel, in counts where the file has them; times `gain` in mV, but for an offset.

    Attributes
    ----------
    resampled
        At the windows' rate, (n,).
    thin, thin_fs
        As recorded but averaged to 250 Hz or more, (m,), and its rate, Hz: for beats and quality.
    """

    resampled: NDArray[np.float64]
    thin: NDArray[np.float64]
    thin_fs: float
    gain: float


def common_rate(recording: Recording, channels: Sequence[Channel]) -> float:
    """Return the rate that all leads have, Hz.

    Raises
    ------
    SignalError
        They differ.
    """
    rates = {channel.fs for channel in channels}
    if len(rates) > 1:
        names = ", ".join(f"{channel.name!r} at {channel.fs:g} Hz" for channel in channels)
        raise SignalError(f"{recording.path}: the leads differ in rate ({names}); take leads of one rate")
    return rates.pop()


def gap_free(
    recording: Recording, channels: Sequence[Channel], *, shortest: int
) -> tuple[tuple[int, int], ...]:
    """Return the stretches of `shortest` samples or more without a gap in any lead, (start, stop).

    A gap is a pause, or a sample that is no number or absurdly large. Channels that can't have such samples
    are not read.
    """
    end = min(channel.n_samples for channel in channels)
    stretches = [(first, min(last, end)) for first, last in recording.segments(channels[0])]
    for channel in channels:
        if not _always_numbers(channel):
            stretches = [run for span in stretches for run in _runs(channel, *span, shortest=shortest)]
    return tuple((first, last) for first, last in stretches if last - first >= max(shortest, 1))


def _always_numbers(channel: Channel) -> bool:
    """Tell whether any counts at all are numbers, and none absurdly large."""
    if channel.dtype.kind != "i" or channel.missing is not None:
        return False
    counts = np.iinfo(channel.dtype)
    with np.errstate(all="ignore"):
        extremes = np.array([counts.min, counts.max]) * np.float64(channel.scale) + channel.offset
        return bool(np.all(np.abs(extremes * _to_mv(channel)) < LARGEST))


def _runs(channel: Channel, start: int, stop: int, *, shortest: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of usable samples that are long enough."""
    begin, at = start, start
    for chunk in channel.chunks(start=min(start, stop), stop=stop):
        with np.errstate(all="ignore"):
            bad = at + np.flatnonzero(~(np.abs(chunk * _to_mv(channel)) < LARGEST))
        begins = np.concatenate([[begin], bad + 1])
        long = np.flatnonzero(bad - begins[:-1] >= shortest)
        yield from zip(begins[long].tolist(), bad[long].tolist(), strict=True)
        begin, at = int(begins[-1]), at + len(chunk)
    if stop - begin >= shortest:
        yield begin, stop


def read_stretch(channel: Channel, start: int, stop: int, *, to_fs: float) -> Reading:
    """Read samples [start, stop) of a channel once, without holding all of them at their full rate.

    Raises
    ------
    SignalError
        The rate does not allow `to_fs`.
    ReadError
        The file no longer holds what its header says.
    """
    n, fs, counts = stop - start, channel.fs, channel.dtype.kind == "i"
    read = channel.read_raw if counts else channel.read
    dtype = channel.dtype if counts else np.dtype(np.float64)
    factor = thinning(fs, to_fs=BEAT_FS)
    resampled, thin, done = np.empty(resampled_size(n, fs, to_fs=to_fs)), np.empty(n // factor), 0
    portions = resampling_portions(n, fs, to_fs=to_fs, dtype=dtype, at_least=READ_SAMPLES, spare=factor)
    for portion in portions:
        samples = read(start + portion.start, start + portion.stop)
        resampled[portion.first : portion.last] = resample_portion(samples, portion, fs, to_fs=to_fs)
        new = thinned(samples[done * factor - portion.start :], factor)
        thin[done : done + len(new)] = new
        done += len(new)
    gain = (channel.scale if counts else 1.0) * _to_mv(channel)
    return Reading(resampled, thin, fs / factor, gain)


def _to_mv(channel: Channel) -> float:
    """Return what a value times makes mV, 1 where the unit is not a voltage that we know."""
    return millivolts_per_unit(channel.unit) or 1.0
