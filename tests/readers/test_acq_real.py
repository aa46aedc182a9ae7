"""Real `.acq` files, every one: any range of any channel equals bioread's samples."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import bioread
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ecgkit
from ecgkit.records import Recording

N_FILES = 32


@cache
def both(path: Path) -> tuple[Recording, Any]:
    """Read a file here and with bioread, once."""
    return ecgkit.read(path), bioread.read(str(path))


def real_files(real_data: Path) -> list[Path]:
    return sorted((real_data / "acq").rglob("*.acq"))


@pytest.mark.real_data
def test_all_real_files_are_there(real_data: Path) -> None:
    assert len(real_files(real_data)) == N_FILES


@pytest.mark.real_data
@pytest.mark.parametrize("number", range(N_FILES))
@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_read_of_any_range_equals_bioread(real_data: Path, number: int, data: st.DataObject) -> None:
    ours, theirs = both(real_files(real_data)[number])
    for channel, bio in zip(ours.channels, theirs.channels, strict=True):
        start = data.draw(st.integers(0, channel.n_samples))
        stop = data.draw(st.integers(start, channel.n_samples))
        raw = channel.read_raw(start, stop)
        assert raw.dtype == channel.dtype
        assert raw.dtype.isnative
        np.testing.assert_array_equal(raw, bio.raw_data[start:stop])
        np.testing.assert_array_equal(channel[start:stop], bio.data[start:stop])
        size = data.draw(st.integers(1 + (stop - start) // 10, 1 + stop - start))
        chunks = list(channel.chunks(size, start=start, stop=stop))
        np.testing.assert_array_equal(np.concatenate([raw[:0], *chunks]), bio.data[start:stop])


@pytest.mark.real_data
@pytest.mark.parametrize("number", range(N_FILES))
def test_read_of_all_samples_equals_bioread_bit_by_bit(real_data: Path, number: int) -> None:
    ours, theirs = both(real_files(real_data)[number])
    for channel, bio in zip(ours.channels, theirs.channels, strict=True):
        native = bio.raw_data.astype(bio.raw_data.dtype.newbyteorder("="))
        assert channel.read_raw().tobytes() == native.tobytes()
        assert channel.read().tobytes() == bio.data.astype(np.float64).tobytes()
