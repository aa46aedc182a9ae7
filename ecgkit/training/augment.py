"""Variations of training windows: what a recording could have looked like as well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgkit.errors import ConfigError

WANDER_HZ = (0.05, 0.5)
WANDER_SINES = 3
MAINS_HZ = (50.0, 60.0)
LEAST_MAINS_HZ = 1.0  # below, an alias of mains is no hum but an offset


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far training windows are varied at most, each window anew in each epoch; 0 leaves a variation out.

    Attributes
    ----------
    amplitude
        Factor on the height of a window, drawn from 1/(1 + amplitude) to 1 + amplitude.
    baseline
        Most height of a slow wave that is added, in units of the window.
    noise
        Most SD of white noise that is added, in units of the window.
    mains
        Most amplitude of a mains sine that is added, in units of the window.
    time_stretch
        Factor on the time, drawn from 1/(1 + time_stretch) to 1 + time_stretch. It changes the heart rate.
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


def varied(windows: Tensor, augmentation: Augmentation, *, fs: float, generator: torch.Generator) -> Tensor:
    """Vary each window by draws of its own.

    First what changes the heart and the electrodes (time stretch, lead inversion, amplitude), then what comes
    on top (baseline, mains, noise): so the latter have the height that was asked for. Nothing is clipped.

    Parameters
    ----------
    windows
        (B, lead, T), float32, on any device; not changed.
    generator
        On the CPU, so that every device gets the same draws. A variation that is off draws nothing.

    Returns
    -------
    (B, lead, T); the very same tensor where all variations are off.

    Raises
    ------
    ConfigError
        Mains at a rate that leaves nothing of it.
    """
    if augmentation.time_stretch:
        windows = stretched(windows, _factors(len(windows), augmentation.time_stretch, generator))
    if augmentation.lead_inversion:
        turned = torch.rand(len(windows), generator=generator) < augmentation.lead_inversion  # (B,)
        windows = inverted(windows, turned)
    if augmentation.amplitude:
        windows = amplified(windows, _factors(len(windows), augmentation.amplitude, generator))
    if augmentation.baseline:
        windows = windows + _wander(windows.shape, augmentation.baseline, fs, generator).to(windows.device)
    if augmentation.mains:
        windows = windows + _hum(windows.shape, augmentation.mains, fs, generator).to(windows.device)
    if augmentation.noise:
        windows = windows + _noise(windows.shape, augmentation.noise, generator).to(windows.device)
    return windows


def examples(
    window: NDArray[np.float32], augmentation: Augmentation, *, fs: float, n: int, seed: int
) -> NDArray[np.float32]:
    """Return one window (lead, T) as it could come in n epochs, (n, lead, T)."""
    copies = torch.tensor(window, dtype=torch.float32).expand(n, *window.shape)  # (n, lead, T)
    found = varied(copies, augmentation, fs=fs, generator=torch.Generator().manual_seed(seed))
    return found.numpy().copy()


def described(augmentation: Augmentation) -> tuple[str, ...]:
    """Return a sentence for each variation that is on."""
    stretch, height = 1 + augmentation.time_stretch, 1 + augmentation.amplitude
    said = {
        "time_stretch": f"Stretched in time by 1/{stretch:g} to {stretch:g}: the heart rate changes as much.",
        "lead_inversion": f"Turned over, all leads, with probability {augmentation.lead_inversion:g}.",
        "amplitude": f"Height about the mean times 1/{height:g} to {height:g}.",
        "baseline": f"A slow wave of {WANDER_HZ[0]:g} to {WANDER_HZ[1]:g} Hz added, "
        f"up to {augmentation.baseline:g} high.",
        "mains": f"A sine of 50 or 60 Hz added, as it looks at the windows' rate, "
        f"of amplitude up to {augmentation.mains:g}.",
        "noise": f"White noise added, of SD up to {augmentation.noise:g}.",
    }
    return tuple(sentence for name, sentence in said.items() if getattr(augmentation, name))


def stretched(windows: Tensor, factors: Tensor) -> Tensor:
    """Stretch windows in time about their middle; where one gets too short, its edges are held.

    Between samples by cubic convolution with a = -1/2 (Keys, IEEE Trans. ASSP 29(6), 1981, equation 15).
    Half-way between two samples 12 % of a sine of fs/4 is lost; a straight line would lose 29 %.

    Parameters
    ----------
    windows
        (B, lead, T)
    factors
        (B,), above 1 slower.
    """
    last = windows.shape[2] - 1
    time = torch.arange(last + 1) - last / 2  # (T,)
    places = (last / 2 + time / factors[:, None]).clamp(0, last).to(windows.device)  # (B, T)
    first = places.floor()
    part = (places - first)[:, None]  # (B, 1, T)
    found = torch.zeros_like(windows)
    for step, weight in zip((-1, 0, 1, 2), _keys(part), strict=True):
        index = (first.long() + step).clamp(0, last)[:, None].expand_as(windows)  # (B, lead, T)
        found += weight * windows.gather(2, index)
    return found


def _keys(part: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the weights of the samples at -1, 0, 1 and 2 for a place that lies between 0 and 1."""
    square, cube = part**2, part**3
    return (
        (-cube + 2 * square - part) / 2,
        (3 * cube - 5 * square + 2) / 2,
        (-3 * cube + 4 * square + part) / 2,
        (cube - square) / 2,
    )


def inverted(windows: Tensor, turned: Tensor) -> Tensor:
    """Turn some windows (B, lead, T) over, each lead about the middle of its range: the range stays.

    Of windows that were scaled one by one this is what swapped electrodes give, 1 - x.
    """
    low, high = windows.aminmax(dim=2, keepdim=True)  # (B, lead, 1)
    return torch.where(turned.to(windows.device)[:, None, None], low + high - windows, windows)


def amplified(windows: Tensor, factors: Tensor) -> Tensor:
    """Multiply windows (B, lead, T) by factors (B,), each lead about its mean: the mean stays."""
    mean = windows.mean(dim=2, keepdim=True)  # (B, lead, 1)
    return mean + factors.to(windows.device)[:, None, None] * (windows - mean)


def mains_at(fs: float) -> list[float]:
    """Return how 50 and 60 Hz look at a rate: above fs/2 folded down; without those that would be an offset.

    Examples
    --------
    >>> mains_at(250), mains_at(100), mains_at(50)
    ([50.0, 60.0], [50.0, 40.0], [10.0])
    """
    folded = [abs(hz - fs * round(hz / fs)) for hz in MAINS_HZ]
    return [hz for hz in folded if hz >= LEAST_MAINS_HZ]


def _factors(n: int, most: float, generator: torch.Generator) -> Tensor:
    """Draw factors (n,) from 1/(1 + most) to 1 + most, as often above 1 as below."""
    return torch.exp(math.log1p(most) * _between(-1, 1, (n,), generator))


def _wander(shape: torch.Size, height: float, fs: float, generator: torch.Generator) -> Tensor:
    """Draw slow waves (B, lead, T), each the mean of a few sines; from top to bottom at most `height`."""
    sines = (*shape[:2], WANDER_SINES, 1)  # (B, lead, sines, 1)
    hz = _between(*WANDER_HZ, sines, generator)
    waves = torch.sin(2 * math.pi * (hz * _seconds(shape, fs) + torch.rand(sines, generator=generator)))
    most = height / 2 * torch.rand((shape[0], 1, 1), generator=generator)  # (B, 1, 1)
    return most * waves.mean(dim=2)  # (B, lead, T)


def _hum(shape: torch.Size, amplitude: float, fs: float, generator: torch.Generator) -> Tensor:
    """Draw a sine of mains for each window, the same on all its leads, (B, 1, T)."""
    choice = torch.tensor(mains_at(fs))
    if not len(choice):
        raise ConfigError(
            f"augmentation: mains {amplitude:g} at {fs:g} Hz: neither 50 nor 60 Hz is seen at this rate; "
            "set mains: 0"
        )
    one = (shape[0], 1, 1)
    hz = choice[torch.randint(len(choice), one, generator=generator)]
    phase, share = torch.rand(one, generator=generator), torch.rand(one, generator=generator)
    return amplitude * share * torch.sin(2 * math.pi * (hz * _seconds(shape, fs) + phase))


def _noise(shape: torch.Size, sd: float, generator: torch.Generator) -> Tensor:
    most = sd * torch.rand((shape[0], 1, 1), generator=generator)
    return most * torch.randn(shape, generator=generator)


def _seconds(shape: torch.Size, fs: float) -> Tensor:
    return torch.arange(shape[2]) / fs  # (T,)


def _between(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)
