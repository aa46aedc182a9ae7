"""MAT-files: AcqKnowledge's and bioread's layouts read exactly; all else refused within bounds."""

from __future__ import annotations

import pickle
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mat_files import LABELS, SAMPLES, UNITS, acqknowledge, simulated, write, write_like_bioread

import ecgkit
from ecgkit.errors import ReadError
from ecgkit.readers.mat_elements import MatFile, load, variables
from ecgkit.records import Recording

TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
RAW_TYPES = {"int8": "int16", "uint8": "int16", "uint16": "int32", "uint32": "float64"}
DATA = 128  # where the first variable begins


def written(folder: Path, variables: dict[str, Any], *, compressed: bool = False) -> Path:
    return write(folder / "file.mat", variables, compressed=compressed)


def assert_simulated(recording: Recording) -> None:
    assert recording.fs == 500.0
    for channel, column in zip(recording.channels, simulated().T, strict=True):
        expected = column[:: 500 // int(channel.fs)].astype(channel.dtype)
        np.testing.assert_array_equal(channel.read_raw(), expected)
    assert tuple(channel.name for channel in recording.channels) == LABELS
    assert tuple(channel.unit for channel in recording.channels) == UNITS


@pytest.mark.parametrize("name", SAMPLES)
def test_read_gives_every_sample_file(tmp_path: Path, name: str) -> None:
    recording = ecgkit.read(SAMPLES[name](tmp_path))
    assert recording.format == "mat"
    assert_simulated(recording)
    assert (recording.warnings, recording.lost) == ((), ())


def test_read_says_where_a_part_of_a_graph_starts(tmp_path: Path) -> None:
    recording = ecgkit.read(SAMPLES["acqknowledge_single"](tmp_path))
    assert recording.details == (("starts at", "250 ms of the original"),)


@given(dtype=st.sampled_from(TYPES), n_samples=st.integers(3, 20), compressed=st.booleans())
def test_read_equals_what_was_written_in_every_type(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, n_samples: int, compressed: bool
) -> None:
    data = (simulated(n_samples) * 50).astype(dtype)
    path = written(tmp_path_factory.mktemp("mat"), acqknowledge(data), compressed=compressed)
    for channel, column in zip(ecgkit.read(path).channels, data.T, strict=True):
        raw = channel.read_raw(1, n_samples)
        assert raw.dtype == channel.dtype == RAW_TYPES.get(dtype, dtype)
        np.testing.assert_array_equal(raw, column[1:])


def test_read_takes_big_endian_files(tmp_path: Path) -> None:
    def element(kind: int, content: bytes) -> bytes:
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    def matrix(name: bytes, values: np.ndarray[Any, Any]) -> bytes:
        sizes = struct.pack(">ii", *values.shape)
        head = element(6, struct.pack(">II", 6, 0)) + element(5, sizes) + element(1, name)
        return element(14, head + element(9, values.astype(">f8").tobytes(order="F")))

    data = simulated(10)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "file.mat").write_bytes(head + matrix(b"data", data) + matrix(b"isi", np.array([[4.0]])))
    recording = ecgkit.read(tmp_path / "file.mat")
    assert [channel.name for channel in recording.channels] == ["channel 1", "channel 2"]
    assert recording.fs == 250.0
    np.testing.assert_array_equal(recording.channels[1].read(), data[:, 1])
    assert recording.channels[1].read_raw().dtype.isnative


def cell_array(items: list[Any]) -> np.ndarray[Any, Any]:
    array = np.empty((1, len(items)), dtype=object)
    for index, item in enumerate(items):
        array[0, index] = item
    return array


values = st.recursive(
    st.sampled_from(TYPES).flatmap(
        lambda dtype: st.tuples(st.integers(1, 3), st.integers(1, 3)).map(
            lambda shape: np.arange(shape[0] * shape[1]).reshape(shape).astype(dtype)
        )
    )
    | st.text("abc äö", min_size=1, max_size=6).map(lambda text: f"x{text}y"),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(cell_array)
        | st.dictionaries(st.sampled_from(["one", "two", "three"]), inner, min_size=1)
    ),
    max_leaves=8,
)


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(ours, dict):
        assert set(ours) == set(theirs.dtype.names)
        for name in ours:
            assert_same(ours[name], theirs[0, 0][name])
    elif isinstance(ours, list) and theirs.dtype == object:
        for one, other in zip(ours, theirs.ravel(order="F"), strict=True):
            assert_same(one, other)
    elif isinstance(ours, list):
        assert ours == [str(text) for text in theirs]
    else:
        np.testing.assert_array_equal(ours, theirs)


@given(value=values, compressed=st.booleans())
def test_load_equals_scipy(tmp_path_factory: pytest.TempPathFactory, value: Any, compressed: bool) -> None:
    from scipy.io import loadmat

    path = written(tmp_path_factory.mktemp("mat"), {"before": 1, "value": value}, compressed=compressed)
    with path.open("rb") as file:
        source = MatFile(path, file, path.stat().st_size)
        listed, cut = variables(source)
        assert (list(listed), cut) == (["before", "value"], "")
        assert_same(load(source, listed["value"]), loadmat(path)["value"])


def test_read_gives_bioreads_markers_and_journal(tmp_path: Path) -> None:
    recording = ecgkit.read(write_like_bioread(tmp_path / "file.mat"))
    assert [(m.sample, m.time_s, m.text, m.style, m.channel) for m in recording.markers] == [
        (0, 0.0, "Segment 1", "apnd", None),
        (40, 0.08, "in", "rein", 1),
        (300, 0.6, "stop", "", None),
    ]
    assert recording.start_time == datetime(2024, 3, 5, 10, 30, 0, 250_000, tzinfo=UTC)
    assert recording.journal == "All went well."
    assert [channel.fs for channel in recording.channels] == [500.0, 125.0]


@pytest.mark.parametrize(
    ("change", "fs"),
    [({"isi": 0.5}, 2000.0), ({"isi": 0.004, "isi_units": "sec"}, 250.0), ({"isi_units": None}, 500.0)],
)
def test_read_takes_the_rate_from_isi(tmp_path: Path, change: dict[str, Any], fs: float) -> None:
    assert ecgkit.read(written(tmp_path, acqknowledge(**change))).fs == fs


def test_read_takes_channels_in_rows_and_labels_in_cells(tmp_path: Path) -> None:
    labels = np.array(LABELS, dtype=object)
    assert_simulated(ecgkit.read(written(tmp_path, acqknowledge(simulated().T, labels=labels))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"isi": 0.0}, "isi gives a rate of inf Hz"),
        ({"isi": -1.0}, "isi gives a rate of -1000 Hz"),
        ({"isi": np.nan}, "isi gives a rate of nan Hz"),
        ({"isi": np.arange(3.0)}, "isi is not one number"),
        ({"isi_units": "kHz"}, "isi_units is 'khz', expected a unit of time"),
        ({"data": "text"}, "data is no matrix of numbers"),
        ({"data": np.empty((0, 2))}, "data is no matrix of numbers, or is empty"),
        ({"data": np.ones((5, 3))}, "data is 5 x 3, which does not fit 2 channels"),
        ({"data": np.ones((5, 2)) * 1j}, "the variable 'data' holds complex values"),
        (
            {"isi": None},
            r"its variables: data \(400 x 2 double\), units \(2 x 5 char\).*expected AcqKnowledge's",
        ),
    ],
)
def test_read_refuses_what_is_no_recording(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadError, match=message):
        ecgkit.read(written(tmp_path, acqknowledge(**change)))


def test_read_refuses_version_7_3_and_sparse_matrices(tmp_path: Path) -> None:
    from scipy.sparse import eye_array

    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform".ljust(512) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ReadError, match=r"version 7\.3 \(HDF5\).* save it again with -v7"):
        ecgkit.read(tmp_path / "new.mat")
    with pytest.raises(ReadError, match="holds sparse values"):
        ecgkit.read(written(tmp_path, acqknowledge(eye_array(4, 2, format="csc"))))


@pytest.mark.parametrize("name", ["acqknowledge", "bioread_compressed"])
def test_read_of_a_cut_file_fails_or_gives_what_is_whole(tmp_path: Path, name: str) -> None:
    path = SAMPLES[name](tmp_path)
    whole, salvaged = path.read_bytes(), 0
    for cut in {*np.linspace(127, len(whole) - 1, 60).astype(int).tolist(), DATA, DATA + 4}:
        path.write_bytes(whole[:cut])
        with pytest.raises(ReadError, match=r"is cut off: expected|not a recording|its variables"):
            ecgkit.read(path)
        try:
            recording = ecgkit.read(path, salvage=True)
        except ReadError:
            continue
        salvaged += 1
        assert_simulated(recording)
        assert "is cut off" in recording.lost[0]
    assert salvaged


def test_channel_survives_pickling(tmp_path: Path) -> None:
    channel = ecgkit.read(SAMPLES["acqknowledge"](tmp_path)).channels[1]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(channel)).read(5, 9), simulated()[5:9, 1])


def element(kind: int, content: bytes, *, claimed: int | None = None) -> bytes:
    length = len(content) if claimed is None else claimed
    return struct.pack("<II", kind, length) + content + bytes(-len(content) % 8)


def matrix(name: bytes, kind: int, shape: tuple[int, ...], content: bytes) -> bytes:
    sizes = struct.pack(f"<{len(shape)}i", *shape)
    head = element(6, struct.pack("<II", kind, 0)) + element(5, sizes) + element(1, name)
    return element(14, head + content)


def hostile(folder: Path, data: bytes, *, compressed: bool = False) -> Path:
    """A file whose `data` is what is given; `isi` is as it should be."""
    parts = [data, matrix(b"isi", 6, (1, 1), element(9, struct.pack("<d", 2.0)))]
    if compressed:
        streams = [zlib.compress(part) for part in parts]
        parts = [struct.pack("<II", 15, len(stream)) + stream for stream in streams]
    path = folder / "hostile.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(parts))
    return path


def nested(depth: int) -> bytes:
    inner = matrix(b"", 6, (1, 1), element(9, bytes(8)))
    for _ in range(depth):
        inner = matrix(b"", 1, (1, 1), inner)
    return matrix(b"data", 1, (1, 1), inner)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (matrix(b"data", 6, (1 << 30, 1 << 30), element(9, bytes(8))), "holds 8 bytes, its dimensions"),
        (matrix(b"data", 6, (-1, 5), element(9, bytes(8))), "has a dimension of -1"),
        (matrix(b"data", 6, (1, 1), element(9, bytes(8), claimed=1 << 31)), "claims 2147483648 bytes, 8 are"),
        (matrix(b"data", 6, (1, 1), element(77, bytes(8))), "holds numbers of type 77"),
        (matrix(b"data", 1, (1 << 30, 8), b""), "claims 8589934592 elements"),
        (matrix(b"data", 2, (1, 1), element(5, b"\0\0\0\0") + element(1, b"")), "fields without names"),
        (matrix(b"data", 16, (1, 1), b""), "holds function values"),
        (matrix(b"data", 3, (1, 1), b""), "holds object values"),
        (matrix(b"data", 4, (1, 99), element(4, b"a\0")), "holds 1 characters, its dimensions need 99"),
        (element(14, b"\0" * 16), "has no flags or dimensions"),
        (element(3, b"\0" * 16), "no variable at 128"),
        (nested(2000), "is nested more than 8 deep"),
    ],
)
def test_read_refuses_impossible_elements(tmp_path: Path, data: bytes, message: str) -> None:
    for compressed in (False, message != "no variable at 128"):
        with pytest.raises(ReadError, match=message):
            ecgkit.read(hostile(tmp_path, data, compressed=compressed))


def test_read_stops_inflating_a_bomb(tmp_path: Path) -> None:
    size = 300_000_000
    packer = zlib.compressobj()
    head = matrix(b"data", 6, (size // 16, 2), b"")[8:] + struct.pack("<II", 9, size)
    stream = packer.compress(struct.pack("<II", 14, len(head) + size) + head)
    stream += b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    path = hostile(tmp_path, struct.pack("<II", 15, len(stream)) + stream)
    with pytest.raises(ReadError, match="the variable 'data' grows to more than 16 times the file's"):
        ecgkit.read(path)


def test_read_names_a_damaged_stream(tmp_path: Path) -> None:
    path = hostile(tmp_path, matrix(b"data", 6, (100, 2), element(9, bytes(1600))), compressed=True)
    content = bytearray(path.read_bytes())
    content[DATA + 8 + 20] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"can't be inflated|cut off inside|no flags"):
        ecgkit.read(path)
