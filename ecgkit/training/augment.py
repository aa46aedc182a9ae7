"""Variations of training windows: what a recording could have looked like as well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far training windows are varied, each window anew in each epoch; 0 leaves a variation out.

    Attributes
    ----------
    amplitude
        Factor on the whole window, drawn from 1/(1 + amplitude) to 1 + amplitude.
    baseline
        Height of a slow wave that is added, in units of the window.
    noise
        SD of white noise that is added, in units of the window.
    mains
        Amplitude of a mains sine that is added, in units of the window.
    time_stretch
        Factor on the time, drawn from 1/(1 + time_stretch) to 1 + time_stretch.
    lead_inversion
        Probability that all leads of a window are turned over.
    """

    amplitude: float = 0.0
    baseline: float = 0.0
    noise: float = 0.0
    mains: float = 0.0
    time_stretch: float = 0.0
    lead_inversion: float = 0.0


NONE = Augmentation()
