"""Samples of `.acq` files, whatever the layout: equal to bioread's, in any range, in bounded memory."""

from __future__ import annotations

import pickle
import tracemalloc
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import bioread
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers import acq_samples
from ecgkit.readers.acq_samples import (
    CHUNK_BYTES,
    MAX_FRAME_BYTES,
    MAX_FRAME_TICKS,
    Compressed,
    Interleaved,
    count_inflatable,
    read_compressed,
    read_compressed_chunks,
    read_interleaved,
    sample_offsets,
)
from ecgkit.records import Channel
from ecgkit.simulate.acq_writer import AcqChannel, write_acq

BIOREAD_EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
SEVERAL_DIVIDERS = ([1], [2], [1, 2, 512], [1, 2, 4, 8, 16], [1, 3], [2, 3, 5, 7], [9, 10, 12], [1, 100, 64])
PEAK_OVER_OUTPUT = 20e6


def noise(n: int, dtype: str, seed: int = 0) -> NDArray[np.generic]:
    """Return n different-looking samples."""
    random = np.random.default_rng(seed)
    counts = random.integers(-(1 << 15), 1 << 15, n).astype(np.int16)
    return counts if dtype == "int16" else random.normal(size=n)


def write(path: Path, dtypes: Sequence[str], dividers: Sequence[int], counts: Sequence[int], **how: object):
    """Write a file of noise; return the samples of its channels."""
    samples = [noise(n, dtype, seed) for seed, (n, dtype) in enumerate(zip(counts, dtypes, strict=True))]
    channels = [
        AcqChannel(values, f"channel {i}", "mV", 0.000305, 0.125, divider)
        for i, (values, divider) in enumerate(zip(samples, dividers, strict=True))
    ]
    write_acq(path, channels, fs=2000, **how)
    return samples


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[str], list[int], list[int]]:
    """Draw types, dividers and numbers of samples of 1 to 16 channels, ragged at the end."""
    n = draw(st.integers(1, 16))
    pool = draw(st.sampled_from(SEVERAL_DIVIDERS))
    dividers = draw(st.lists(st.sampled_from(pool), min_size=n, max_size=n))
    types = draw(st.sampled_from([["int16"], ["float64"], ["int16", "float64"]]))
    dtypes = draw(st.lists(st.sampled_from(types), min_size=n, max_size=n))
    ticks = draw(st.integers(1, 4000))
    missing = draw(st.lists(st.sampled_from([0, 0, 0, 1, 2, 700]), min_size=n, max_size=n))
    counts = [max(0, -(-ticks // d) - lost) for d, lost in zip(dividers, missing, strict=True)]
    return dtypes, dividers, counts


def assert_ranges_equal(channel: Channel, whole: NDArray[np.generic], data: st.DataObject) -> None:
    """Check drawn ranges and chunks of a channel against its raw samples."""
    assert channel.read_raw().dtype == channel.dtype
    assert channel.dtype.isnative
    np.testing.assert_array_equal(channel.read_raw(), whole)
    start = data.draw(st.integers(0, len(whole)), label="start")
    stop = data.draw(st.integers(start, len(whole)), label="stop")
    np.testing.assert_array_equal(channel.read_raw(start, stop), whole[start:stop])
    values = whole * channel.scale + channel.offset if channel.dtype.kind == "i" else whole
    np.testing.assert_array_equal(channel.read(start, stop), values[start:stop])
    size = data.draw(st.integers(1, 2 * len(whole) + 1), label="size")
    chunks = list(channel.raw_chunks(size, start=start, stop=stop))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    np.testing.assert_array_equal(np.concatenate([whole[:0], *chunks]), whole[start:stop])


@given(data=st.data())
@BIOREAD_EXAMPLES
def test_read_of_any_range_and_layout_equals_bioread(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    dtypes, dividers, counts = data.draw(layouts())
    order, compressed = data.draw(st.sampled_from(["little", "big"])), data.draw(st.booleans())
    path = tmp_path_factory.mktemp("layout") / "file.acq"
    samples = write(path, dtypes, dividers, counts, byte_order=order, compressed=compressed)
    theirs = bioread.read(str(path))
    channels = ecgkit.read(path).channels
    for channel, bio, written in zip(channels, theirs.channels, samples, strict=True):
        np.testing.assert_array_equal(bio.raw_data, written)
        assert_ranges_equal(channel, written, data)
    path.unlink()


def walked(layout: Interleaved) -> list[list[int]]:
    """Return the offsets of every channel's samples by walking the ticks, as the format describes them."""
    offsets: list[list[int]] = [[] for _ in layout.counts]
    position = tick = 0
    while any(len(found) < n for found, n in zip(offsets, layout.counts, strict=True)):
        for found, dtype, divider, n in zip(
            offsets, layout.dtypes, layout.dividers, layout.counts, strict=True
        ):
            if tick % divider == 0 and len(found) < n:
                found.append(position)
                position += np.dtype(dtype).itemsize
        tick += 1
    return offsets


@given(drawn=layouts())
@settings(max_examples=50, deadline=None)
def test_sample_offsets_equal_a_walk_over_the_ticks(drawn: tuple[list[str], list[int], list[int]]) -> None:
    dtypes, dividers, counts = drawn
    short = tuple(min(n, 40) for n in counts)
    layout = Interleaved(Path(), 0, tuple(dtypes), tuple(dividers), short)
    for channel, offsets in enumerate(walked(layout)):
        assert sample_offsets(layout, channel, 0, short[channel]).tolist() == offsets


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(
    ("dtypes", "dividers"),
    [
        (["int16"], [1]),
        (["float64"], [4]),
        (["int16"] * 3, [1] * 3),
        (["int16", "float64"], [1, 1]),
        (["int16"] * 4, [1, 2, 512, 1]),
        (["float64", "int16", "float64"], [1, 16, 32]),
        (["int16"] * 3, [3, 5, 7]),
        (["float64"] * 3 + ["int16"], [1, 1, 1, 16384]),
        (["int16"] * 3, [1, 32749, 32719]),
        (["int16"] * 6, [7, 11, 13, 17, 19, 23]),
    ],
)
def test_read_across_buffers_is_exact(
    tmp_path: Path, dtypes: list[str], dividers: list[int], order: str
) -> None:
    per_tick = sum(np.dtype(t).itemsize / d for t, d in zip(dtypes, dividers, strict=True))
    ticks = int(2.3 * CHUNK_BYTES / per_tick)
    counts = [-(-ticks // divider) - i % 2 for i, divider in enumerate(dividers)]
    path = tmp_path / "file.acq"
    samples = write(path, dtypes, dividers, counts, byte_order=order)
    for channel, written in zip(ecgkit.read(path).channels, samples, strict=True):
        np.testing.assert_array_equal(channel.read_raw(), written)
        start, stop = len(written) // 3, len(written) - len(written) // 7
        np.testing.assert_array_equal(channel.read_raw(start, stop), written[start:stop])


@pytest.mark.parametrize(
    ("dtypes", "dividers", "counts"),
    [
        (["int16"] * 2, [32749, 32719], [60, 60]),
        (["int16"] * 4, [1, 32749, 32719, 32717], [700_000, 22, 22, 22]),
        (["int16"] * 16, [1] * 15 + [32749], [150_000] * 15 + [5]),
        (["int16"] * 8, [7, 11, 13, 17, 19, 23, 29, 31], [20_000] * 8),
        (["int16"] * 16, [1] * 16, list(range(1000, 33_000, 2000))),
        (["float64"] * 16, [1] * 15 + [32767], [40_000] * 15 + [2]),
    ],
)
def test_read_of_hostile_dividers_takes_bounded_memory(
    tmp_path: Path, dtypes: list[str], dividers: list[int], counts: list[int]
) -> None:
    path = tmp_path / "file.acq"
    samples = write(path, dtypes, dividers, counts)
    for channel, written in zip(ecgkit.read(path).channels, samples, strict=True):
        tracemalloc.start()
        raw = channel.read_raw()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        np.testing.assert_array_equal(raw, written)
        assert peak <= raw.nbytes + PEAK_OVER_OUTPUT


def test_read_of_frames_longer_than_any_is_exact(tmp_path: Path) -> None:
    dtypes, dividers = ("float64",) * 33, (1,) * 32 + (16384,)
    counts = (16384 * 2,) * 32 + (2,)
    frame_bytes = 8 * (32 * 16384 + 1)
    assert frame_bytes > MAX_FRAME_BYTES
    assert max(dividers) < MAX_FRAME_TICKS
    data = np.random.default_rng(1).normal(size=2 * frame_bytes // 8)
    (tmp_path / "samples").write_bytes(b"\0" * 7 + data.astype("<f8").tobytes())
    layout = Interleaved(tmp_path / "samples", 7, tuple("<f8" for _ in dtypes), dividers, counts)
    ticks = data.reshape(2, -1)  # (frames, samples of one)
    slow = ticks[:, 32]  # the last channel of a frame's first tick
    fast = np.delete(ticks, 32, axis=1).reshape(-1, 32)  # (ticks, channels)
    np.testing.assert_array_equal(read_interleaved(layout, 32, 0, 2), slow)
    for channel in (0, 31):
        np.testing.assert_array_equal(read_interleaved(layout, channel, 0, 32768), fast[:, channel])


def test_read_of_a_range_reads_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "samples"
    path.write_bytes(noise(4 * 1000, "int16").astype("<i2").tobytes())
    layout = Interleaved(path, 0, ("<i2",) * 4, (1,) * 4, (1_000_000,) * 4)  # the rest is not there
    np.testing.assert_array_equal(read_interleaved(layout, 1, 900, 1000), noise(4000, "int16")[3601::4])
    with pytest.raises(ReadError, match=r"ends inside its samples: expected .* got .* it has changed since"):
        read_interleaved(layout, 1, 900, 1001)


@pytest.mark.parametrize("compressed", [False, True])
def test_channels_are_read_by_threads_and_after_pickling(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "file.acq"
    samples = write(path, ["int16", "float64"] * 2, [1, 2, 2, 1], [200_000, 1000, 99_999, 150_000])
    channels = pickle.loads(pickle.dumps(ecgkit.read(path).channels))
    with ThreadPoolExecutor(4) as threads:
        read = list(threads.map(Channel.read_raw, channels * 4))
    for raw, written in zip(read, samples * 4, strict=True):
        np.testing.assert_array_equal(raw, written)


def write_stream(path: Path, samples: NDArray[np.generic], **fields: object) -> Compressed:
    """Write a stream of little-endian samples between other bytes."""
    packed = zlib.compress(samples.astype(samples.dtype.newbyteorder("<")).tobytes(), 6)
    path.write_bytes(b"before" + packed + b"after")
    dtype = "<" + samples.dtype.str[1:]
    stream = Compressed(path, "ECG", len(b"before"), len(packed), dtype, len(samples))
    return replace(stream, **fields)


def open_files() -> set[str]:
    return {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


@pytest.mark.parametrize("dtype", ["int16", "float64"])
@pytest.mark.parametrize("size", [1, 999, 300_000, 1 << 40])
def test_read_compressed_chunks_inflates_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, size: int
) -> None:
    calls = 0

    def counted(stream: Compressed, position: int) -> bytes:
        nonlocal calls
        calls += 1
        return packed(stream, position)

    packed = acq_samples._packed
    monkeypatch.setattr(acq_samples, "_packed", counted)
    samples = noise(3000 if size == 1 else 700_000, dtype)
    stream = write_stream(tmp_path / "file", samples)
    for start, stop in ((0, len(samples)), (77, len(samples) - 1), (5, 5)):
        calls = 0
        chunks = list(read_compressed_chunks(stream, start, stop, size))
        assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
        np.testing.assert_array_equal(np.concatenate([samples[:0], *chunks]), samples[start:stop])
        assert all(chunk.dtype.isnative and chunk.flags.writeable for chunk in chunks)
        assert calls <= stream.n_bytes / acq_samples.PACKED_BYTES + 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here to list open files")
def test_read_compressed_chunks_keeps_no_file_open(tmp_path: Path) -> None:
    stream = write_stream(tmp_path / "file", noise(400_000, "int16"))
    chunks = read_compressed_chunks(stream, 0, 400_000, 1000)
    next(chunks)
    assert str(tmp_path / "file") not in open_files()
    stream.path.unlink()
    with pytest.raises(ReadError, match="can't be opened for its samples"):
        list(chunks)


def test_read_compressed_refuses_a_range_of_a_stream_damaged_elsewhere(tmp_path: Path) -> None:
    samples = noise(400_000, "int16")
    stream = write_stream(tmp_path / "file", samples)
    data = bytearray(stream.path.read_bytes())
    data[stream.offset + stream.n_bytes - 1] ^= 1  # the checksum
    stream.path.write_bytes(data)
    with pytest.raises(ReadError, match=r"channel 'ECG' at 6 can't be inflated .*incorrect data check"):
        read_compressed(stream, 0, 5)
    chunks = read_compressed_chunks(stream, 0, len(samples), 100_000)
    for i in range(3):
        np.testing.assert_array_equal(next(chunks), samples[i * 100_000 : (i + 1) * 100_000])
    with pytest.raises(ReadError, match="incorrect data check"):
        next(chunks)


@pytest.mark.parametrize(("wrong", "got"), [(-1, "more"), (1, "2000")])
def test_read_compressed_refuses_another_length(tmp_path: Path, wrong: int, got: str) -> None:
    stream = write_stream(tmp_path / "file", noise(1000, "int16"), count=1000 + wrong)
    with pytest.raises(ReadError, match=f"inflate to {got} bytes, its header says {2 * (1000 + wrong)}"):
        read_compressed(stream, 0, 10)


def test_read_compressed_of_a_bomb_stops_at_the_expected_length(tmp_path: Path) -> None:
    stream = write_stream(tmp_path / "file", np.zeros(50_000_000, np.int16), count=1000)
    tracemalloc.start()
    with pytest.raises(ReadError, match="inflate to more bytes, its header says 2000"):
        read_compressed(stream, 0, 1000)
    assert count_inflatable(stream) == 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * CHUNK_BYTES


def readable_prefix(stream: Compressed) -> Iterator[NDArray[np.generic]]:
    """Read a broken stream as salvage does, whole and in chunks."""
    part = replace(stream, whole=False, count=count_inflatable(stream))
    yield read_compressed(part, 0, part.count)
    yield np.concatenate([np.empty(0, part.dtype), *read_compressed_chunks(part, 0, part.count, 17)])
    yield np.concatenate(
        [read_compressed(part, 0, part.count // 2), read_compressed(part, part.count // 2, part.count)]
    )


@pytest.mark.parametrize("dtype", ["int16", "float64"])
def test_count_inflatable_of_a_cut_stream_gives_a_prefix(tmp_path: Path, dtype: str) -> None:
    samples = np.round(noise(5000, dtype)) // 50
    stream = write_stream(tmp_path / "file", samples)
    data, counts = stream.path.read_bytes(), []
    cuts = [0, 1, 2, 3, *range(stream.n_bytes - 6, stream.n_bytes + 1), *range(10, stream.n_bytes, 701)]
    for cut in sorted(cuts):
        stream.path.write_bytes(data[: stream.offset + cut])
        counts.append(count_inflatable(stream))
        for part in readable_prefix(stream):
            np.testing.assert_array_equal(part, samples[: counts[-1]])
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 5000)
    assert counts[len(counts) // 2] > 0.3 * 5000


def test_count_inflatable_of_damage_gives_what_comes_before_it(tmp_path: Path) -> None:
    samples = noise(100_000, "int16") // 50
    stream = write_stream(tmp_path / "file", samples)
    data = stream.path.read_bytes()
    for place in range(0, stream.n_bytes, stream.n_bytes // 12):
        broken = bytearray(data)
        broken[stream.offset + place : stream.offset + place + 8] = b"\xff" * 8
        stream.path.write_bytes(broken)
        untouched = replace(stream, n_bytes=place)
        safe = count_inflatable(untouched)
        assert count_inflatable(stream) >= safe
        for part in readable_prefix(stream):
            np.testing.assert_array_equal(part[:safe], samples[:safe])


def test_count_inflatable_of_a_whole_stream_is_its_count(tmp_path: Path) -> None:
    stream = write_stream(tmp_path / "file", noise(1000, "int16"))
    assert count_inflatable(stream) == 1000
    assert count_inflatable(replace(stream, count=10)) == 10
    assert count_inflatable(replace(stream, count=2000)) == 1000
    part = replace(stream, count=10, whole=False)
    np.testing.assert_array_equal(read_compressed(part, 2, 10), noise(1000, "int16")[2:10])


@pytest.mark.parametrize("as_folder", [False, True])
def test_readers_answer_a_file_that_has_gone(tmp_path: Path, as_folder: bool) -> None:
    path = tmp_path / "gone"
    if as_folder:
        path.mkdir()
    layout = Interleaved(path, 0, ("<i2",), (1,), (10,))
    stream = Compressed(path, "ECG", 0, 10, "<i2", 10)
    for read in (
        partial(read_interleaved, layout, 0, 0, 10),
        partial(read_compressed, stream, 0, 10),
        partial(count_inflatable, stream),
    ):
        with pytest.raises(ReadError, match="can't be opened for its samples"):
            read()
