from __future__ import annotations

import gzip
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bids_files import REST, channel, full_session

import ecgkit
from ecgkit.exports.bids_session import write_session
from ecgkit.exports.bids_table import CHUNK_ROWS, tells_raw, write_table
from ecgkit.records import Recording

INT16 = np.arange(-32768, 32768, 7).astype(np.int16)


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("ascii")


def test_write_table_puts_channels_side_by_side(tmp_path: Path) -> None:
    write_table(
        tmp_path / "a.gz",
        [
            channel(0, np.array([0, -3, 7], dtype=np.int16), scale=0.1, offset=1.0, missing=7),
            channel(1, np.array([np.nan, 0.1], dtype=np.float32)),
            channel(2, np.array([-0.0, 5e-324, np.inf])),
        ],
    )
    assert text_of(tmp_path / "a.gz") == (
        f"1.0\tn/a\t-0.0\n{-3 * 0.1 + 1.0!r}\t0.10000000149011612\t5e-324\nn/a\tn/a\tn/a\n"
    )


def test_write_table_of_no_samples_is_empty(tmp_path: Path) -> None:
    write_table(tmp_path / "a.gz", [channel(0, np.empty(0))])
    assert text_of(tmp_path / "a.gz") == ""


def test_write_table_goes_on_behind_the_first_chunk(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=CHUNK_ROWS + 11)
    write_table(tmp_path / "a.gz", [channel(0, values), channel(1, values[:CHUNK_ROWS])])
    lines = [line.split("\t") for line in text_of(tmp_path / "a.gz").splitlines()]
    assert [float(cell) for cell, _ in lines] == values.tolist()
    assert [cell for _, cell in lines[CHUNK_ROWS - 1 :]] == [
        repr(float(values[CHUNK_ROWS - 1])),
        *["n/a"] * 11,
    ]


def test_write_table_writes_the_same_bytes_under_any_name(tmp_path: Path) -> None:
    for name in ("a.gz", "other.tsv.gz"):
        write_table(tmp_path / name, [channel(0, INT16)])
    data = (tmp_path / "a.gz").read_bytes()
    assert data == (tmp_path / "other.tsv.gz").read_bytes()
    assert data[3:8] == bytes(5)  # RFC 1952: no name among the flags, no time


@pytest.mark.parametrize(
    ("samples", "facts", "expected"),
    [
        (INT16, {"scale": 0.1, "offset": 3.0}, True),
        (INT16, {"scale": -1e-6}, True),
        (INT16, {"scale": 0.0}, False),
        (INT16, {"scale": math.nan}, False),
        (INT16, {"scale": math.inf}, False),
        (INT16, {"scale": 1e-12, "offset": 1e6}, False),
        (INT16, {"scale": 5e-324}, False),
        (INT16, {"scale": 1e300}, False),
        (np.zeros(1), {}, True),
        (np.zeros(1), {"scale": 2.0}, False),
        (np.zeros(1, dtype=np.float32), {"missing": 0}, False),
    ],
)
def test_tells_raw_knows_when_values_say_the_samples(
    samples: np.ndarray, facts: dict[str, Any], expected: bool
) -> None:
    assert tells_raw(channel(0, samples, **facts)) is expected


def same_after_a_round_trip(one: Any) -> None:
    recording = Recording(Path("a"), "acq", "a", one.fs, (one,))
    session = full_session(recording=recording, ecg=(0,), leads=("X",), respiration=None)
    with tempfile.TemporaryDirectory() as folder:
        (table,) = write_session(Path(folder), session, REST)
        read = ecgkit.read(Path(folder) / table)
    np.testing.assert_equal(repr(read.channels), repr((one,)))
    np.testing.assert_array_equal(read.channels[0].read_raw(), one.read_raw())
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(read.channels[0].read(), one.read())


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["int16", "int32"]),
    st.one_of(numbers, st.sampled_from([0.1, 0.00030517578125, -1e-9, 1 / 3])),
    st.one_of(numbers, st.sampled_from([0.0, 0.1, 1e5])),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_counts_come_back_whatever_their_scale(
    dtype: str, scale: float, offset: float, has_missing: bool, seed: int
) -> None:
    limits = np.iinfo(dtype)
    samples = np.random.default_rng(seed).integers(limits.min, limits.max, 40, endpoint=True).astype(dtype)
    samples[:2] = limits.min, limits.max
    missing = int(samples[5]) if has_missing else None
    same_after_a_round_trip(channel(0, samples, scale=scale, offset=offset, missing=missing))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(allow_infinity=False), min_size=1, max_size=30),
    st.sampled_from([1.0, 0.5, math.nan]),
    st.booleans(),
)
def test_floats_come_back_whatever_their_scale(values: list[float], scale: float, single: bool) -> None:
    with np.errstate(over="ignore"):
        samples = np.array(values).astype(np.float32 if single else np.float64)
    samples[np.isinf(samples)] = 0
    same_after_a_round_trip(channel(0, samples, scale=scale))
