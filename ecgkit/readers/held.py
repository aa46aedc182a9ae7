"""Samples that lie in memory: of formats that can only be read as a whole."""

from __future__ import annotations

from functools import partial

from ecgkit.records import RawSamples, SampleReader


def held(samples: RawSamples) -> SampleReader:
    """Return a reader of the samples of a channel, (n,), that were read already."""
    return partial(_stretch, samples)


def _stretch(samples: RawSamples, start: int, stop: int) -> RawSamples:
    return samples[start:stop].copy()  # who asked for it may change it
