"""Files are looked at, not believed: nothing elsewhere, nothing twice, nothing too large."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgkit.dataset.untrusted import blocks, group_in, open_source, refuse_tricks
from ecgkit.errors import DatasetError


@pytest.fixture
def file(tmp_path: Path) -> Iterator[h5py.File]:
    with h5py.File(tmp_path / "f.h5", "w", libver=("v110", "v110")) as file:
        file["group/values"] = np.arange(10)
        file["texts"] = np.array([b"a", b"b"])
        file.attrs["name"] = np.bytes_(b"x")
        yield file


def look(file: h5py.File) -> None:
    file.flush()
    path = Path(file.filename)
    with path.open("rb") as raw:
        refuse_tricks(open_source(file, raw, path))


def test_refuse_tricks_takes_a_plain_file(file: h5py.File) -> None:
    look(file)


def _soft(file: h5py.File) -> None:
    file["group/link"] = h5py.SoftLink("/texts")


def _second_name(file: h5py.File) -> None:
    file["again"] = file["texts"]


def _cycle(file: h5py.File) -> None:
    file["group/group"] = file["group"]


def _huge(file: h5py.File) -> None:
    file.create_dataset("group/huge", shape=(1 << 40,), dtype="<f4", chunks=(1024,))


def _packed_zeros(file: h5py.File) -> None:
    for number in range(20):
        file.create_dataset(f"zeros/{number}", data=np.zeros(1 << 20), chunks=True, compression="gzip")


def _list_of_texts(file: h5py.File) -> None:
    file["group"].attrs["list"] = ["a", "b"]


def _text_inside(file: h5py.File) -> None:
    file.create_dataset("pairs", shape=(2,), dtype=[("number", "<i4"), ("text", h5py.string_dtype())])


def _text_of_variable_length(file: h5py.File) -> None:
    file["group/text"] = "x"


def _region(file: h5py.File) -> None:
    file.create_dataset("regions", shape=(2,), dtype=h5py.regionref_dtype)


def _huge_attribute(file: h5py.File) -> None:
    file["group"].attrs["long"] = np.zeros(1 << 14)


def _lists(file: h5py.File) -> None:
    file.create_dataset("lists", shape=(2,), dtype=h5py.vlen_dtype(np.int32))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_soft, "/group/link: a link"),
        (_second_name, "the second name of one thing"),
        (_cycle, "/group/group: the second name of one thing"),
        (_huge, "/group/huge: says that it has"),
        (_packed_zeros, "/zeros/.*: with this"),
        (_list_of_texts, "/group: attribute 'list': type object, of variable length"),
        (_lists, "/lists: type object, of variable length"),
        (_text_inside, "/pairs: type .*, of variable length"),
        (_text_of_variable_length, "/group/text: type object, of variable length"),
        (_region, "/regions: type object, of variable length"),
        (_huge_attribute, "/group: attribute 'long': 131072 bytes, expected at most"),
    ],
)
def test_refuse_tricks_names_what_is_not_plain(file: h5py.File, spoil, message: str) -> None:
    spoil(file)
    with pytest.raises(DatasetError, match=message):
        look(file)


def test_open_source_tells_a_file_that_was_replaced(file: h5py.File, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(b"1")
    with path.open("rb") as raw:
        path.unlink()
        path.write_bytes(b"2")
        with pytest.raises(DatasetError, match="was replaced while it was opened"):
            open_source(file, raw, path)


def test_group_in_is_none_where_nothing_is(file: h5py.File) -> None:
    assert group_in(file, "nothing") is None
    assert group_in(file, "group") is not None


def test_blocks_are_all_rows_in_order() -> None:
    rows = np.arange(3_000_000, dtype=np.float64).reshape(-1, 2)
    assert len(list(blocks(rows))) > 1
    np.testing.assert_array_equal(np.concatenate(list(blocks(rows))), rows)
