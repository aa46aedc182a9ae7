"""The sampling rate of a table: from its column of times, its header, or the user."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.usable import checked_rate

GAP_SAMPLES = 1.5  # a longer step is a pause of the recording
JITTER_SAMPLES = 0.5  # how far a time may lie from where it should
MOST_GAPS_SHARE = 0.05  # of the steps; more are no pauses, but an irregular column
RATES_AGREE = 1e-3
SHORTEST_S, LATEST_S = 1e-9, 1e12  # a step, and a time, that are believed
SECONDS_STEP = (0.999e-5, 0.0501)  # a column of times without a unit that rises by so much counts seconds

SECONDS = dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0)
SECONDS |= dict.fromkeys(("ms", "msec", "msecs", "millisec", "millisecond", "milliseconds"), 1e-3)
SECONDS |= dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1e-6)
SECONDS |= dict.fromkeys(("ns", "nsec", "nanosecond", "nanoseconds"), 1e-9)
SECONDS |= dict.fromkeys(("min", "minute", "minutes"), 60.0) | dict.fromkeys(
    ("h", "hr", "hour", "hours"), 3600.0
)
TIME_NAME = re.compile(
    r"(?:elapsed[\s_-]?)?(?:time[\s_-]?stamps?|time|t|zeit|temps|tiempo)(?:[\s_-]?(?:in[\s_-]?)?(?P<unit>[a-zµμ]+))?",
    re.IGNORECASE,
)
COUNTER_NAMES = frozenset(
    {"", "index", "sample", "samples", "sample index", "n", "nseq", "row", "unnamed: 0"}
)
# seconds since 1970 in milli-, micro- and nanoseconds, between 1973 and 5138
EPOCHS = ((1e11, 1e14, 1e-3), (1e14, 1e17, 1e-6), (1e17, 1e20, 1e-9))


@dataclass(frozen=True, slots=True)
class Clock:
    """A table's rate, and where time jumps.

    Attributes
    ----------
    fs
        Rate of the rows, Hz.
    source
        Where it comes from, as a phrase.
    gaps
        Row after each pause, and the pause in seconds.
    """

    fs: float
    source: str
    gaps: tuple[tuple[int, float], ...] = ()


def is_time(name: str) -> bool:
    """Tell from a column's name whether it holds times."""
    match = TIME_NAME.fullmatch(name.strip())
    if match:
        return match["unit"] is None or match["unit"].lower() in SECONDS
    return name.strip().lower() in SECONDS and len(name.strip()) > 1


def is_counter(name: str, values: NDArray[np.float64]) -> bool:
    """Tell whether a column counts the rows: by name, and by rising by 1 from row to row."""
    known = name.strip().lower() in COUNTER_NAMES and len(values) > 1
    return known and bool((values == values[0] + np.arange(len(values))).all())


def looks_like_time(values: NDArray[np.float64]) -> bool:
    """Tell whether a column, whatever its name, rises by the same fraction of a second from row to row."""
    if len(values) < 3 or not (np.abs(values) < LATEST_S).all():
        return False
    steps = np.diff(values)
    step = float(np.median(steps))
    return 0 < step < 1 and bool((np.abs(steps - step) <= GAP_SAMPLES / 3 * step).all())


def unit_seconds(path: Path, name: str, unit: str, values: NDArray[np.float64]) -> float | None:
    """Return the seconds in a unit of a column of times; None where it can't be told.

    A column without a unit counts seconds, if that makes a rate of 20 Hz to 100 kHz; or, since 1970, seconds
    or parts of them, as its size tells.

    Raises
    ------
    ReadError
        The unit is not one of time.
    """
    match = TIME_NAME.fullmatch(name.strip())
    word = (unit or (match["unit"] if match else name) or "").strip().lower()
    if word in SECONDS:
        return SECONDS[word]
    if unit:
        raise ReadError(
            f"{path}: the column {name!r} has the unit {unit!r}, expected one of time, such as s or ms; "
            "correct the header"
        )
    size = float(np.nanmax(np.abs(values), initial=0.0))
    for low, high, seconds in EPOCHS:
        if low <= size < high:
            return seconds
    known = values[np.isfinite(values)]
    step = float(np.median(np.diff(known))) if len(known) > 1 else math.nan
    return 1.0 if step <= 0 or SECONDS_STEP[0] <= step <= SECONDS_STEP[1] else None


def uniform(path: Path, name: str, time_s: NDArray[np.float64], *, first_line: int) -> Clock:
    """Return the rate and the pauses of a column of times.

    Each time may lie half a sample from where an even rate puts it (times are printed with few digits); a
    step of more than 1.5 samples is a pause.

    Parameters
    ----------
    time_s
        The column, in seconds, shape (rows,).
    first_line
        Line of the file that holds the first of them, for the messages.

    Raises
    ------
    ReadError
        The times do not rise, are no numbers, or jitter; the message names the worst place.
    """
    where = f"{path}: the times in column {name!r}"
    advice = "leave the column out and give the rate: --fs HZ with --columns"
    bad = np.flatnonzero(~(np.abs(time_s) < LATEST_S))
    if len(time_s) < 2 or len(bad):
        which = f"line {first_line + bad[0]} holds none" if len(bad) else f"there are {len(time_s)}"
        raise ReadError(f"{where}: {which}, expected one on each of two lines or more; or {advice}")
    steps = np.diff(time_s)
    step = float(np.median(steps))
    back = np.flatnonzero(steps < -JITTER_SAMPLES * max(step, 0.0))
    if step < SHORTEST_S or len(back):
        line = first_line + 1 + (int(back[0]) if len(back) else int(np.argmin(steps)))
        raise ReadError(
            f"{where} do not rise: at line {line} by {steps[line - first_line - 1]:g} s; correct it, or "
            f"{advice}"
        )
    breaks = np.flatnonzero(steps > GAP_SAMPLES * step) + 1
    if len(breaks) > max(1, MOST_GAPS_SHARE * len(steps)):
        breaks = np.empty(0, np.int64)
    starts = np.zeros(len(time_s), np.int64)
    starts[breaks] = breaks
    starts = np.maximum.accumulate(starts)
    fs, offsets = _fitted(time_s, starts, steps, breaks)
    worst = int(np.argmax(np.abs(offsets)))
    if abs(offsets[worst]) * fs > JITTER_SAMPLES:
        raise ReadError(
            f"{where} are not even: at line {first_line + worst} by {offsets[worst]:+g} s from {fs:g} Hz, "
            f"expected within {JITTER_SAMPLES:g} samples; {advice}"
        )
    gaps = tuple((int(row), float(steps[row - 1]) - 1 / fs) for row in breaks)
    return Clock(fs, f"column {name!r}", gaps)


def agreed(
    path: Path, given: float | None, stated: tuple[float, str] | None, timed: Clock | None
) -> Clock | None:
    """Bring together the rates of the user, the header and the column of times; None where there is none.

    Raises
    ------
    ReadError
        Two of them differ by more than a thousandth, or one is no recording's.
    """
    found = [] if given is None else [Clock(given, "--fs")]
    found += [] if stated is None else [Clock(stated[0], f"the header ({stated[1]})")]
    found += [] if timed is None else [timed]
    for one in found:
        checked_rate(path, one.fs, f"{one.source} says {one.fs:g} Hz", advice="correct it, or give --fs HZ")
    for one in found[1:]:
        if abs(one.fs - found[0].fs) > RATES_AGREE * found[0].fs:
            advice = (
                "leave out --fs, or name the --columns to take, without the times, to overrule the file"
                if found[0].source == "--fs"
                else "correct the one that is wrong, or name the --columns without the times"
            )
            raise ReadError(
                f"{path}: {found[0].source} says {found[0].fs:g} Hz, {one.source} {one.fs:g} Hz; {advice}"
            )
    return Clock(found[0].fs, found[0].source, timed.gaps if timed else ()) if found else None


def _fitted(
    time_s: NDArray[np.float64],
    starts: NDArray[np.int64],
    steps: NDArray[np.float64],
    breaks: NDArray[np.int64],
) -> tuple[float, NDArray[np.float64]]:
    """Return the rate, the roundest that the times allow, and how far each time lies from it, in seconds."""
    within = np.delete(steps, breaks - 1)
    fs = len(within) / float(within.sum())
    offsets = _offsets(time_s, starts, fs)
    allowed = 2 * float(np.abs(offsets).max()) + 4 * float(np.spacing(np.abs(time_s).max()))
    for rate in chain(_round_rates(fs), _round_intervals(fs)):
        if abs(rate - fs) < RATES_AGREE * fs:
            rounded = _offsets(time_s, starts, rate)
            if np.abs(rounded).max() <= allowed:
                return rate, rounded
    return fs, offsets


def _offsets(time_s: NDArray[np.float64], starts: NDArray[np.int64], fs: float) -> NDArray[np.float64]:
    """Return how far each time lies from where an even rate since its stretch's start puts it."""
    return time_s - time_s[starts] - (np.arange(len(time_s)) - starts) / fs


def _round_rates(fs: float) -> Sequence[float]:
    return [rate for digits in range(4) if (rate := round(fs, digits)) > 0]


def _round_intervals(fs: float) -> Sequence[float]:
    return [1 / interval for digits in range(3, 8) if (interval := round(1 / fs, digits)) > 0]
