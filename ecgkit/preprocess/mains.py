"""Mains hum: how it can be removed, and the refusal where it can't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SignalError
from ecgkit.preprocess.zero_phase import zero_phase

NOTCH_QUALITY = 30.0  # a notch 2 Hz wide at 60 Hz


@dataclass(frozen=True, slots=True)
class MainsPlan:
    """How mains goes: by the resampler's stop band, by notches at `lines_hz`, or not at all.

    The notches come after the resampler, where they cost little: whatever it stops needs none.
    """

    method: Literal["stop-band", "notch", "alias-notch", "none"]
    lines_hz: tuple[float, ...]
    reason: str

    @property
    def notch_hz(self) -> float | None:
        """The lowest line that is notched."""
        return self.lines_hz[0] if self.lines_hz else None


def plan_mains(fs: float, *, to_fs: float, mains_hz: float, mode: str, lines: int = 1) -> MainsPlan:
    """Decide how mains is removed from a signal recorded at `fs` that will be kept at `to_fs`.

    Parameters
    ----------
    fs, to_fs
        Recorded and kept rate, Hz.
    mains_hz
        Frequency of the mains where it was recorded, Hz.
    mode
        "auto", "alias-notch" (also accept a notch at the alias), or "none".
    lines
        How many of mains and its multiples to notch, as far as they are kept.

    Raises
    ------
    SignalError
        Mains lies above the recorded Nyquist frequency, so that no filter can be designed for it
        (60 Hz at 100 Hz, as the paper states it); the message offers the ways out.
    """
    if mode == "none":
        return MainsPlan("none", (), "not removed, as asked")
    nyquist_hz = fs / 2
    line_hz = alias_hz(mains_hz, fs)
    if line_hz >= to_fs / 2 and fs > to_fs:
        return MainsPlan("stop-band", (), f"{line_hz:g} Hz lies in the resampler's stop band")
    if mains_hz < nyquist_hz:
        kept = tuple(mains_hz * k for k in range(1, lines + 1) if mains_hz * k < to_fs / 2)
        named = ", ".join(f"{line_hz:g}" for line_hz in kept)
        return MainsPlan("notch", kept, f"{named} Hz lies in what is kept at {to_fs:g} Hz: notch there")
    if line_hz in (0, nyquist_hz):
        raise SignalError(
            f"mains of {mains_hz:g} Hz recorded at {fs:g} Hz lies at {line_hz:g} Hz, where no notch can be: "
            "it can't be undone. Record at 250 Hz or more, or set pipeline.mains to none and say so"
        )
    if mode == "alias-notch":
        return MainsPlan(
            "alias-notch", (line_hz,), f"mains aliased to {line_hz:g} Hz at {fs:g} Hz: notch there"
        )
    raise SignalError(
        f"a {mains_hz:g} Hz notch can't be designed at {fs:g} Hz (it must lie below {nyquist_hz:g} Hz). "
        f"Mains recorded at this rate without an anti-aliasing filter sits at {line_hz:g} Hz: set "
        "pipeline.mains to alias-notch to remove it there, or to none if the spectrum shows no line; "
        "better, use the recording at its original rate"
    )


def alias_hz(line_hz: float, fs: float) -> float:
    """Return where a line of `line_hz` appears when sampled at `fs`: from 0 to fs / 2, Hz."""
    return abs(line_hz - fs * round(line_hz / fs))


def notch(signal: NDArray[np.float64], fs: float, *, notch_hz: float) -> NDArray[np.float64]:
    """Remove one line with a zero-phase second-order notch, (n,) to (n,)."""
    from scipy.signal import iirnotch

    b, a = iirnotch(notch_hz, NOTCH_QUALITY, fs=fs)
    # as long as the notch rings (to about 1/1000), so that the ends ring as little as the middle
    ringing = round(2.2 * NOTCH_QUALITY / notch_hz * fs)
    return zero_phase(np.concatenate([b, a])[None], signal, padding=ringing)
