"""Shape of a simulated beat, and the ECG that a lead sees of a row of beats.

Waves are Gaussians around each R peak, as in the dynamical model of McSharry et al. (IEEE Trans Biomed
Eng 50:289, 2003), here in time instead of phase: where, how wide and how high a wave is follows a power
of the RR interval (0.5 for the T wave is Bazett's QT). A lead that is turned sees another mix of what
lies along and across it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgkit.simulate.noise import Signal

WAVES = ("P", "Q", "R", "S", "T", "N")
REACH = 5.0


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave of a person's beat, at an RR interval of 1 s.

    Attributes
    ----------
    along_mv, across_mv
        Height in the nominal lead, and in the one turned by 90 degrees.
    centre_s
        Distance from the R peak.
    before_s, after_s
        Gaussian widths (standard deviations) on the two sides of the centre.
    time_power, height_power
        Centre and widths go with ``RR**time_power``, heights with ``RR**height_power``.
    """

    along_mv: float
    across_mv: float
    centre_s: float
    before_s: float
    after_s: float
    time_power: float
    height_power: float


@dataclass(frozen=True, slots=True)
class Placement:
    """How the electrodes of one recording lie, against the nominal lead.

    Attributes
    ----------
    gain
        Factor of all waves.
    turn_deg
        Turn of the lead in the frontal plane.
    wave_gain
        Factor of each wave, in the order of the shape.
    """

    gain: float
    turn_deg: float
    wave_gain: tuple[float, ...]


def draw_shape(rng: np.random.Generator) -> tuple[Wave, ...]:
    """Draw one person's beat: P, Q, R, S, T and a notch on the QRS, within healthy limits."""
    u = rng.uniform
    r_mv, qrs = u(0.8, 1.6), u(0.8, 1.05)
    axis = np.tan(np.radians(u(5, 40)))
    t_tail_s, qt_s = u(0.040, 0.055), u(0.370, 0.410)
    t_mv, p_mv = u(0.16, 0.34), u(0.07, 0.14)
    qrs_power = u(0.0, 0.15)
    return (
        Wave(p_mv, p_mv * u(0.3, 1.2), -u(0.135, 0.175), u(0.018, 0.026), u(0.016, 0.024), 0.2, -u(0.0, 0.6)),
        Wave(
            -r_mv * u(0.02, 0.12), r_mv * u(-0.1, 0.1), -0.029 * qrs, 0.008 * qrs, 0.008 * qrs, 0, qrs_power
        ),
        Wave(r_mv, r_mv * axis, 0.0, 0.0105 * qrs, 0.0105 * qrs, 0, qrs_power),
        Wave(
            -r_mv * u(0.05, 0.28), r_mv * u(-0.1, 0.3), 0.030 * qrs, 0.0095 * qrs, 0.011 * qrs, 0, -qrs_power
        ),
        Wave(
            t_mv, t_mv * u(0.1, 0.9), qt_s - 0.04 - 2 * t_tail_s, u(0.055, 0.072), t_tail_s, 0.5, u(-0.4, 0.7)
        ),
        Wave(r_mv * u(-0.06, 0.1), r_mv * u(-0.05, 0.05), u(0.038, 0.048) * qrs, 0.005, 0.005, 0, 0),
    )


def draw_placement(
    n_waves: int, *, turn_deg: float, wave_spread: float, rng: np.random.Generator
) -> Placement:
    """Draw a placement of electrodes; the two spreads are standard deviations."""
    return Placement(
        gain=float(np.exp(rng.normal(0, 0.08))),
        turn_deg=float(np.clip(rng.normal(0, turn_deg), -2.5 * turn_deg, 2.5 * turn_deg)),
        wave_gain=tuple(np.exp(wave_spread * rng.standard_normal(n_waves)).tolist()),
    )


def combine(first: Placement, second: Placement) -> Placement:
    """Return the placement of a small change `second` upon `first`."""
    gains = zip(first.wave_gain, second.wave_gain, strict=True)
    return Placement(
        gain=first.gain * second.gain,
        turn_deg=first.turn_deg + second.turn_deg,
        wave_gain=tuple(a * b for a, b in gains),
    )


def synthesise(
    shape: tuple[Wave, ...], r_peaks_s: Signal, fs: float, *, n: int, turn_deg: Signal, gains: Signal
) -> Signal:
    """Return the ECG of a row of beats.

    Parameters
    ----------
    r_peaks_s
        Rising, shape (beat,); those outside the recording still contribute their ends.
    n
        Number of samples.
    turn_deg
        Turn of the lead at each beat, shape (beat,).
    gains
        Factor of each wave of each beat, shape (beat, wave).

    Returns
    -------
    In mV, shape (n,).
    """
    ecg_mv = np.zeros(n)
    rr_s = adapted_rr(r_peaks_s)
    turn = np.radians(turn_deg)
    for wave, gain in zip(shape, gains.T, strict=True):
        stretch = rr_s**wave.time_power
        height_mv = gain * rr_s**wave.height_power
        height_mv *= wave.along_mv * np.cos(turn) + wave.across_mv * np.sin(turn)
        centre_s = r_peaks_s + wave.centre_s * stretch
        reach = int(np.ceil(REACH * max(wave.before_s, wave.after_s) * stretch.max() * fs))
        index = np.rint(centre_s * fs).astype(np.int64)[:, None] + np.arange(
            -reach, reach + 1
        )  # (beat, reach)
        away_s = index / fs - centre_s[:, None]
        width_s = np.where(away_s < 0, wave.before_s, wave.after_s) * stretch[:, None]
        value_mv = height_mv[:, None] * np.exp(-0.5 * (away_s / width_s) ** 2)
        inside = (index >= 0) & (index < n)
        np.add.at(ecg_mv, index[inside], value_mv[inside])
    return ecg_mv


def adapted_rr(r_peaks_s: Signal) -> Signal:
    """Return the RR interval that each beat's shape follows, seconds, shape (beat,).

    Repolarisation follows the rate slowly (Franz et al., J Clin Invest 82:972, 1988), so this is a
    running mean with a memory of some 20 beats.
    """
    rr_s = np.diff(r_peaks_s, prepend=2 * r_peaks_s[0] - r_peaks_s[1])
    adapted, memory_s = np.empty_like(rr_s), float(rr_s[:5].mean())
    for beat, interval_s in enumerate(rr_s):
        memory_s += 0.05 * (float(interval_s) - memory_s)
        adapted[beat] = memory_s
    return adapted
