from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recordings import in_memory

from ecgkit.analysis.coarse import thinned
from ecgkit.errors import SignalError
from ecgkit.preprocess.resample import resample
from ecgkit.readers.held import held
from ecgkit.stages import stretches as module
from ecgkit.stages.stretches import common_rate, gap_free, read_stretch


def never_read(start: int, stop: int) -> Any:
    raise AssertionError("read")


def runs_of(good: list[bool], *, shortest: int) -> list[tuple[int, int]]:
    """The stretches of a list that are true and long enough, one sample after the other."""
    found, start = [], None
    for at, is_good in enumerate([*good, False]):
        if is_good and start is None:
            start = at
        if not is_good and start is not None:
            found.append((start, at))
            start = None
    return [(start, stop) for start, stop in found if stop - start >= shortest]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.5, 0.5, 0.5, np.nan, np.inf, -1e101]), min_size=1, max_size=40),
    st.integers(1, 6),
    st.integers(1, 7),
)
def test_gap_free_stops_at_whatever_is_no_number(values: list[float], shortest: int, size: int) -> None:
    samples = np.array(values)

    def small_chunks(start: int, stop: int, _: int) -> Iterator[np.ndarray]:
        return (samples[at : min(at + size, stop)] for at in range(start, stop, size))

    recording = in_memory(samples, 100.0)
    channel = replace(recording.channels[0], scale=2.0, chunk_reader=small_chunks)
    expected = runs_of([value == 0.5 for value in values], shortest=shortest)
    assert list(gap_free(recording, [channel], shortest=shortest)) == expected


def test_gap_free_stops_at_pauses_and_at_the_shortest_lead() -> None:
    recording = in_memory(np.zeros(1000, dtype=np.int16), 100.0, pauses=(300, 310))
    one = recording.channels[0]
    other = replace(one, n_samples=900)
    assert gap_free(recording, [one], shortest=20) == ((0, 300), (310, 1000))
    assert gap_free(recording, [one, other], shortest=20) == ((0, 300), (310, 900))


def test_gap_free_stops_at_a_gap_of_any_lead() -> None:
    first, second = np.zeros(100), np.zeros(100)
    first[20], second[60:70] = np.nan, np.inf
    recording = in_memory(first, 100.0)
    leads = [recording.channels[0], in_memory(second, 100.0).channels[0]]
    assert gap_free(recording, leads, shortest=1) == ((0, 20), (21, 60), (70, 100))


def test_gap_free_reads_only_what_may_have_gaps() -> None:
    recording = in_memory(np.zeros(100, dtype=np.int16), 100.0)
    channel = replace(recording.channels[0], sample_reader=never_read)
    assert gap_free(recording, [channel], shortest=1) == ((0, 100),)
    for may in (
        replace(channel, missing=-32768),
        replace(channel, scale=1e97),
        replace(channel, scale=np.nan),
        replace(channel, offset=np.inf),
        replace(channel, dtype=np.dtype(np.float32)),
    ):
        with pytest.raises(AssertionError, match="read"):
            gap_free(recording, [may], shortest=1)


def test_gap_free_leaves_counts_out_that_stand_for_none() -> None:
    counts = np.arange(100, dtype=np.int16)
    recording = in_memory(counts, 100.0)
    channel = replace(recording.channels[0], missing=40)
    assert gap_free(recording, [channel], shortest=1) == ((0, 40), (41, 100))
    absurd = replace(recording.channels[0], scale=1.5e98)
    assert gap_free(recording, [absurd], shortest=1) == ((0, 67),)


@pytest.mark.parametrize("fs", [2000.0, 1000.0, 360.0, 128.0, 250.0])
def test_read_stretch_is_the_whole_resampled_and_thinned(fs: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_SAMPLES", 5000)
    counts = np.random.default_rng(0).integers(-9999, 9999, 60_003).astype(np.int16)
    for signal, gain in ((counts, 0.0003), (counts * 0.0003, 1.0)):
        channel = in_memory(signal, fs, scale=gain, unit="V").channels[0]
        found = read_stretch(channel, 11, 60_000, to_fs=100.0)
        part, factor = signal[11:60_000], round(fs / found.thin_fs)
        np.testing.assert_array_equal(found.resampled, resample(part, fs, to_fs=100.0))
        np.testing.assert_array_equal(found.thin, thinned(part, factor))
        assert found.thin_fs >= min(fs, 250)
        assert found.gain == gain * 1000


def test_read_stretch_at_the_recorded_rate_loses_no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_SAMPLES", 5000)
    signal = np.random.default_rng(0).normal(size=50_001)
    found = read_stretch(in_memory(signal, 750.0).channels[0], 0, 50_001, to_fs=750.0)
    np.testing.assert_array_equal(found.resampled, signal)
    np.testing.assert_array_equal(found.thin, thinned(signal, 3))


def test_read_stretch_reads_little_at_a_time() -> None:
    counts = np.zeros(12_000_000, dtype=np.int16)
    sizes = []

    def reader(start: int, stop: int) -> np.ndarray:
        sizes.append(stop - start)
        return held(counts)(start, stop)

    channel = replace(in_memory(counts, 2000.0).channels[0], sample_reader=reader)
    read_stretch(channel, 0, len(counts), to_fs=100.0)
    assert max(sizes) < 1.2 * module.READ_SAMPLES
    assert sum(sizes) < 1.01 * len(counts)


def test_common_rate_is_that_of_all_leads() -> None:
    recording = in_memory(np.zeros(100), 100.0)
    one = recording.channels[0]
    assert common_rate(recording, [one, one]) == 100
    with pytest.raises(SignalError, match=r"'ECG' at 100 Hz, 'II' at 50 Hz"):
        common_rate(recording, [one, replace(one, name="II", fs=50.0)])
