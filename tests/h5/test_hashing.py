"""The hash of a file is that of its content, and of nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgkit.h5 import content_sha256


def small_file(
    path: Path, *, samples: np.ndarray, chunks: tuple[int, ...] | None = None, **attrs: object
) -> str:
    """Write a file and return its content's hash."""
    with h5py.File(path, "w") as file:
        file.create_dataset("a/b", data=samples, chunks=chunks, compression="gzip" if chunks else None)
        file["texts"] = np.array([b"x", b"yz"])
        file["a/b"].attrs["unit"] = np.bytes_(b"mV")
        file.attrs["hash"] = np.bytes_(b"not hashed")
        file.attrs.update(attrs)
        return content_sha256(file, but="hash")


def test_content_hash_depends_on_content_and_not_on_layout(tmp_path: Path) -> None:
    samples = np.arange(3000, dtype="<i2")
    plain = small_file(tmp_path / "1.h5", samples=samples, x=1)
    assert small_file(tmp_path / "2.h5", samples=samples, chunks=(100,), x=1) == plain
    others = [
        small_file(tmp_path / "3.h5", samples=samples, x=2),
        small_file(tmp_path / "4.h5", samples=samples, y=1),
        small_file(tmp_path / "5.h5", samples=samples.astype("<i4"), x=1),
        small_file(tmp_path / "6.h5", samples=samples[:-1], x=1),
        small_file(tmp_path / "7.h5", samples=samples + np.int16(1), x=1),
        small_file(tmp_path / "8.h5", samples=samples.reshape(2, -1), x=1),
        small_file(tmp_path / "9.h5", samples=samples, x=np.bytes_(b"1")),
        small_file(tmp_path / "10.h5", samples=samples, x=1.0),
        small_file(tmp_path / "11.h5", samples=samples, x=[1]),
    ]
    assert len({plain, *others}) == 10


def test_content_hash_is_what_the_format_says(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["b"] = np.array([1, 2], dtype="<i2")
        file["b"].attrs["unit"] = np.array(b"mV", dtype="S3")
        file["a/t"] = np.array(b"{}", dtype="S4")
        file.attrs["fs"] = 2.0
        file.attrs["nothing"] = h5py.Empty("f4")
        file.attrs["hash"] = np.bytes_(b"?")
        found = content_sha256(file, but="hash")
    said = [
        *(b"", b"File", b"fs", b"()", b"<f8", np.float64(2).tobytes() + b"nothing", b"None", b"<f4"),
        *(b"a", b"Group", b"a/t", b"Dataset", b"()", b"|S4", b"{}\0\0b", b"Dataset"),
        *(b"unit", b"()", b"|S3", b"mV\0(2,)", b"<i2"),
    ]
    assert found == hashlib.sha256(b"\0".join([*said, b"\1\0\2\0"])).hexdigest()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.create_dataset("texts", data=["a"]),
        lambda file: file.create_dataset("one", data="a"),
        lambda file: file.attrs.update(text="a"),
        lambda file: file.create_dataset("regions", shape=(2,), dtype=h5py.regionref_dtype),
        lambda file: file.create_dataset(
            "mixed", shape=(2,), dtype=[("a", "<i4"), ("b", h5py.string_dtype())]
        ),
        lambda file: file.create_dataset("group/lists", shape=(2,), dtype=h5py.vlen_dtype(np.int32)),
    ],
)
def test_content_hash_refuses_what_is_of_variable_length(tmp_path: Path, spoil) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        spoil(file)
        with pytest.raises(ValueError, match="of variable length"):
            content_sha256(file, but="hash")


def test_content_hash_refuses_what_lies_elsewhere(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout(shape=(3,), dtype="<f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", shape=(3,))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_virtual_dataset("view", layout)
        with pytest.raises(ValueError, match="/view: expected a data set stored in this file"):
            content_sha256(file, but="hash")


def test_content_hash_takes_each_thing_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["group/a"] = np.arange(3)
        file["group/group"] = file["group"]
        with pytest.raises(ValueError, match="the second name of one thing"):
            content_sha256(file, but="hash")
