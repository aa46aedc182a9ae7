import dataclasses
import itertools
import tracemalloc

import numpy as np
import pytest
from support.recordings import in_memory, simulated

from ecgkit.analysis.coarse import beat_times_s
from ecgkit.stages.signal_blocks import LEAST_SAMPLES, read_blocks
from ecgkit.stages.signal_check import check_channel

FS = 100.0


@pytest.mark.parametrize("n", [0, 1, 999, LEAST_SAMPLES, LEAST_SAMPLES + 1, 3 * LEAST_SAMPLES - 7])
def test_blocks_own_every_sample_once(n: int) -> None:
    samples = np.arange(float(n))
    recording = in_memory(samples, FS)
    blocks = [block.whole for block in read_blocks(recording, recording.channels[0])]
    np.testing.assert_array_equal(np.concatenate([block.own for block in blocks]), samples)
    for block in blocks:
        np.testing.assert_array_equal(block.samples, samples[block.start : block.stop])
        assert len(block.samples) <= LEAST_SAMPLES + 1000
    for before, after in itertools.pairwise(blocks):
        assert before.last == after.first
        assert min(before.stop - before.last, after.first - after.start) == 500  # 5 s


def test_blocks_leave_out_gaps_pauses_and_short_pieces() -> None:
    samples = np.ones(10_000)
    samples[[3000, 3100]] = np.nan
    samples[9000:9500] = 1e200
    recording = in_memory(samples, FS, pauses=(5000, 5150))
    (block,) = read_blocks(recording, recording.channels[0])
    assert np.isnan(block.whole.samples[9000:9500]).all()
    assert [(p.start, p.stop) for p in block.pieces] == [
        (0, 3000),
        (3101, 5000),
        (5150, 9000),
        (9500, 10_000),
    ]
    assert all((piece.first, piece.last) == (piece.start, piece.stop) for piece in block.pieces)


def test_nothing_is_lost_or_doubled_between_blocks() -> None:
    """Half an hour in three blocks: beats, flat stretches and dropped electrodes on their borders."""
    ecg = simulated(4, fs=FS, duration_s=1800.0).ecg_mv.copy()
    recording = in_memory(ecg, FS)
    found = check_channel(recording, recording.channels[0])
    assert found.findings == ()
    once = beat_times_s(ecg, FS)
    (peaks_s,) = found.peaks_s
    assert np.all(np.diff(peaks_s) > 0.3)
    assert len(np.setdiff1d(once.round(2), peaks_s.round(2))) <= 0.001 * len(once)
    border = LEAST_SAMPLES
    ecg[border - 250 : border + 250] = 0.0
    ecg[2 * border - 60 : 2 * border + 60] = np.nan
    recording = in_memory(ecg, FS)
    found = check_channel(recording, recording.channels[0])
    values = {finding.name: finding.values for finding in found.findings}
    assert values["flat"] == {"flat_s": 5.0, "stretches": 1, "longest_s": 5.0, "first_s": (border - 250) / FS}
    assert values["samples"]["bad_samples"] == 120
    assert set(values) == {"flat", "samples"}
    assert len(found.peaks_s) == 2


def test_memory_does_not_grow_with_the_recording() -> None:
    beats = simulated(4, fs=FS, duration_s=600.0).ecg_mv
    recording = in_memory(beats, FS)
    short = check_channel(recording, recording.channels[0])
    peaks = {}
    for times in (48, 96):
        long = dataclasses.replace(
            recording.channels[0],
            n_samples=times * len(beats),
            sample_reader=lambda start, stop: np.take(beats, np.arange(start, stop), mode="wrap"),
        )
        tracemalloc.start()
        found = check_channel(recording, long)
        _, peaks[times] = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found.heart_rate_bpm == pytest.approx(short.heart_rate_bpm, rel=0.01)
    assert peaks[96] < 1.2 * peaks[48]
