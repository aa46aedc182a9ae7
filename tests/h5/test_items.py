"""What lies in a file is looked at before it is read."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgkit.errors import StudyError
from ecgkit.h5 import attribute, attribute_values, dataset, refuse_attribute


def test_dataset_refuses_what_claims_to_be_larger_than_the_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("huge", (1 << 50,), "<f8", chunks=(1 << 16,), compression="gzip")
        file.create_dataset("late", (1 << 50,), "<f8", chunks=(1 << 16,))
        file.create_dataset("piece", data=np.zeros(1 << 24), chunks=(1 << 24,), compression="gzip")
        file.create_dataset("zeros", data=np.zeros(1 << 22), chunks=(1 << 16,), compression="gzip")
    with h5py.File(tmp_path / "huge.h5", "r") as file:
        for name in ("huge", "late", "piece"):
            with pytest.raises(StudyError, match=rf"/{name}: says that it has \d+ bytes"):
                dataset(file, name, kinds="f", ndim=1, error=StudyError)
        assert len(dataset(file, "zeros", kinds="f", ndim=1, error=StudyError)) == 1 << 22


def test_dataset_refuses_variable_length_whatever_is_expected(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["texts"] = ["a", "b"]
        for kinds in ("O", "S", "iuf"):
            with pytest.raises(StudyError, match="/texts: type object, of variable length"):
                dataset(file, "texts", kinds=kinds, ndim=1, error=StudyError)


def test_dataset_that_is_empty_is_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["nothing"] = h5py.Empty("<f4")
        with pytest.raises(StudyError, match="/nothing: expected a data set stored in this file"):
            dataset(file, "nothing", kinds="f", ndim=0, error=StudyError)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (None, float, "attribute 'x' is None, expected float"),
        (h5py.Empty("<f4"), float, "attribute 'x' is None, expected float"),
        (np.nan, float, "is nan, expected float above 0"),
        ([1.0, 2.0], float, "is a list, expected one float above 0"),
        ("text", float, "type object, of variable length"),
        (np.bytes_(b"text"), float, "is b'text', expected float"),
        (1.0, str, "is 1.0, expected str"),
        (np.bytes_(b"\xff"), str, "is no UTF-8"),
    ],
)
def test_attribute_says_what_is_wrong(tmp_path: Path, value: object, kind: type, message: str) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        if value is not None:
            file.attrs["x"] = value
        with pytest.raises(StudyError, match=message):
            attribute(file, "x", kind, positive=kind is float, error=StudyError)


def test_attribute_values_are_as_they_were_written(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.attrs["x"], file.attrs["b"] = [3, 4], True
        assert attribute_values(file, "x", error=StudyError).tolist() == [3, 4]
        assert attribute(file, "b", bool, error=StudyError) is True
        assert attribute_values(file, "none", error=StudyError) is None


def test_refuse_attribute_counts_bytes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w", libver=("v110", "v110")) as file:
        file.attrs["few"], file.attrs["many"] = np.zeros(5), np.zeros(1 << 14)
        assert refuse_attribute(file, "few", error=StudyError) == 40
        with pytest.raises(StudyError, match="'many': 131072 bytes, expected at most 60000"):
            refuse_attribute(file, "many", error=StudyError)
