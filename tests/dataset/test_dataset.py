"""Writing and reading a data set, and what a reader refuses."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.h5_files import put_json, put_text
from support.mutate_h5 import broken_heaps

from ecgkit.dataset.read import open_dataset
from ecgkit.dataset.schema import FORMAT, FORMAT_VERSION, QUALITY_INDICES
from ecgkit.dataset.write import Description, Part, refuse_other_files, write_dataset
from ecgkit.errors import DatasetError
from ecgkit.records import Tags
from ecgkit.splits.scheme import window_table

N, T = 4, 30
DESCRIPTION = Description(
    fs=10.0,
    window_s=3.0,
    leads=("LA-RA",),
    unit="mV",
    study="made here",
    protocol="dt4ecg",
    condition_texts={"rest": {"label": "Rest", "description": "Lying still."}},
    pipeline={"scale": "recording"},
    choice={},
    splits={"seed": 0},
    versions={"ecgkit": "x"},
    left_out={"sub-03_visit-1_cond-rest_take-1": {"sha256": "3", "reason": "too short"}},
    participants={"02": {"sex": "F", "age": "30"}, "01": {"sex": ""}},
)


def part(subject: str, condition: str, *, simulated: bool = False) -> Part:
    rng = np.random.default_rng([int(subject), len(condition)])
    columns = {
        "start_sample": np.arange(N) * T,
        "start_s": np.arange(N) * 3.0,
        "heart_rate_bpm": np.array([60, 61, np.nan, 63.0]),
        "quality": np.arange(N) % 3,
        **{name: np.linspace(0, 1, N) for name in QUALITY_INDICES},
        "scale_offset": np.full((N, 1), -1.5),
        "scale_gain": np.full((N, 1), 3.0),
    }
    windows = rng.random((N, 1, T)).astype(np.float32)
    return Part(Tags(subject, condition), windows, columns, f"{subject:0>64}", ("ECG",), simulated)


PARTS = [part("01", "rest"), part("02", "exercise"), part("02", "rest")]
FOLDS = {"paper": {"0": np.tile([1, 2], 6).astype(np.uint8)}, "blocked": {}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "d.h5", PARTS, DESCRIPTION, FOLDS)
    return tmp_path / "d.h5"


def test_dataset_reads_back_what_was_written(path: Path) -> None:
    found = open_dataset(path)
    np.testing.assert_array_equal(found.windows, np.concatenate([part.windows for part in PARTS]))
    assert isinstance(found.windows, np.memmap)
    assert (found.subjects, found.conditions) == (("01", "02"), ("exercise", "rest"))
    assert found.codes("subject").tolist() == [0] * 4 + [1] * 8
    assert found.codes("condition").tolist() == [1] * 4 + [0] * 4 + [1] * 4
    table = found.table
    assert table["session"][5] == "sub-02_visit-1_cond-exercise_take-1"
    assert table["subject"].tolist() == ["01"] * 4 + ["02"] * 8
    np.testing.assert_array_equal(table["heart_rate_bpm"][:4], np.float32([60, 61, np.nan, 63]))
    assert table["quality"].tolist() == [0, 1, 2, 0] * 3
    assert (table["quality"].dtype, table["bas_sqi"].dtype) == (np.uint8, np.float32)
    assert (found.fs, found.window_s, found.leads, found.unit) == (10.0, 3.0, ("LA-RA",), "mV")
    assert found.pipeline == {"scale": "recording"}
    assert not found.simulated
    assert found.left_out["sub-03_visit-1_cond-rest_take-1"]["reason"] == "too short"
    assert found.split_settings == {"seed": 0}
    assert found.condition_texts["rest"]["label"] == "Rest"
    assert found.sources["sub-02_visit-1_cond-rest_take-1"] == {
        "sha256": "2".rjust(64, "0"),
        "channels": ["ECG"],
    }
    np.testing.assert_array_equal(found.split("paper")["0"], FOLDS["paper"]["0"])


def test_dataset_is_plain_to_h5py_alone(path: Path) -> None:
    with h5py.File(path) as file:
        assert file["windows"].chunks is None
        assert file["windows"].dtype == np.dtype("<f4")
        names = file["subjects"].asstr()[:]
        assert names[file["table/subject"][-1]] == "02"
        assert file["participants/sex"].asstr()[:].tolist() == ["", "F"]
        assert file["table/quality"].attrs["description"]


def test_dataset_of_the_same_content_has_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "again.h5", PARTS, DESCRIPTION, FOLDS)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_dataset_hash_follows_the_content(path: Path, tmp_path: Path) -> None:
    PARTS[0].windows[0, 0, 0] += 1
    try:
        changed = write_dataset(tmp_path / "changed.h5", PARTS, DESCRIPTION, FOLDS)
    finally:
        PARTS[0].windows[0, 0, 0] -= 1
    assert changed != open_dataset(path).sha256
    assert len(changed) == 64


LABELS = [{"ward": "ä 2", "arm": ""}, {"ward": "", "arm": "b"}, {"ward": "a", "arm": ""}]


def with_labels(*labels: dict[str, str]) -> list[Part]:
    return [replace(part, labels=of) for part, of in zip(PARTS, labels, strict=True)]


def test_dataset_knows_labels_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    write_dataset(path, with_labels(*LABELS), DESCRIPTION, {})
    found = open_dataset(path)
    assert found.own_labels == {"arm": ("b",), "ward": ("a", "ä 2")}
    assert found.labels("ward") == ("a", "ä 2")
    assert found.codes("ward").tolist() == [1] * 4 + [-1] * 4 + [0] * 4
    assert (
        found.texts("ward").tolist() == found.table["ward"].tolist() == ["ä 2"] * 4 + [None] * 4 + ["a"] * 4
    )
    assert found.table["arm"].tolist() == [None] * 4 + ["b"] * 4 + [None] * 4
    with h5py.File(path) as file:
        assert file["labels/ward"].asstr()[:].tolist() == ["a", "ä 2"]
        assert file["table/ward"].dtype == np.dtype("<i4")
        assert b"row of /labels/ward" in file["table/ward"].attrs["description"]


def test_dataset_without_labels_of_ones_own_has_no_place_for_them(path: Path) -> None:
    found = open_dataset(path)
    assert found.own_labels == {}
    with h5py.File(path) as file:
        assert "labels" not in file


@pytest.mark.parametrize("ask", ["codes", "labels", "texts"])
def test_dataset_names_the_labels_that_there_are(tmp_path: Path, ask: str) -> None:
    write_dataset(tmp_path / "d.h5", with_labels(*LABELS), DESCRIPTION, {})
    with pytest.raises(DatasetError, match="known are: arm, condition, session, subject, ward"):
        getattr(open_dataset(tmp_path / "d.h5"), ask)("visit")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ({"a": "x"}, {"a": "x"}, {}),
            "sub-02_visit-1_cond-rest_take-1: has the labels none, expected those",
        ),
        (({"a": ""}, {"a": ""}, {"a": ""}), "label 'a': not known of any session .* fill its column in"),
        (({"A": "x"},) * 3, "label 'A': expected a name of a-z"),
        (({"a" * 65: "x"},) * 3, "expected a name of a-z"),
        (({"visit": "x"},) * 3, "label 'visit': the data set has something of this name already"),
        (({"subjects": "x"},) * 3, "label 'subjects': the data set has something"),
        (({f"l{n}": "x" for n in range(65)},) * 3, "65 labels a session, expected at most 64"),
        (({"a": "x\0"},) * 3, "/labels/a: .* has a NUL in it"),
    ],
)
def test_write_dataset_refuses_labels_that_can_not_be(tmp_path: Path, labels, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        write_dataset(tmp_path / "d.h5", with_labels(*labels), DESCRIPTION, {})
    assert not list(tmp_path.iterdir())


def test_write_dataset_refuses_names_that_would_not_come_back(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"attribute 'study': .* has a NUL in it"):
        write_dataset(tmp_path / "d.h5", PARTS, replace(DESCRIPTION, study="a\0"), {})
    with pytest.raises(DatasetError, match=r"attribute 'unit': .* can't be written as UTF-8"):
        write_dataset(tmp_path / "d.h5", PARTS, replace(DESCRIPTION, unit="\udc00"), {})


def test_dataset_of_many_sessions_holds_their_sources(tmp_path: Path) -> None:
    """HDF5 holds 64 KB in an attribute; the sources of some hundred sessions are more."""
    left_out = {f"sub-{n}": {"sha256": "0" * 64, "reason": "é" * 100} for n in range(1500)}
    write_dataset(tmp_path / "d.h5", PARTS, replace(DESCRIPTION, left_out=left_out), {})
    assert open_dataset(tmp_path / "d.h5").left_out == left_out


def test_window_table_is_that_of_the_columns(tmp_path: Path) -> None:
    parts = [replace(part, sha256=sha256 * 64) for part, sha256 in zip(PARTS, "bab", strict=True)]
    write_dataset(tmp_path / "d.h5", parts, DESCRIPTION, {})
    data = open_dataset(tmp_path / "d.h5")
    ours, theirs = data.window_table, window_table(data.table, window_s=data.window_s)
    for name in ("subject", "condition", "session", "visit", "start_s"):
        np.testing.assert_array_equal(getattr(ours, name).astype(str), getattr(theirs, name).astype(str))
    assert ours.source is not None
    assert ours.source.tolist() == [1] * 4 + [0] * 4 + [1] * 4


def test_refuse_other_files_takes_data_sets_of_fixed_texts_only(path: Path) -> None:
    refuse_other_files(path)
    put = {"other": np.bytes_(b"x"), "earlier": FORMAT}
    for value in put.values():
        with h5py.File(path, "a") as file:
            file.attrs["format"] = value
        broken_heaps(path)
        with pytest.raises(
            DatasetError, match="or one of an earlier ecgkit; choose another name, or remove it"
        ):
            refuse_other_files(path)


def test_dataset_with_a_simulated_part_says_so(tmp_path: Path) -> None:
    write_dataset(tmp_path / "s.h5", [*PARTS, part("03", "rest", simulated=True)], DESCRIPTION, {})
    assert open_dataset(tmp_path / "s.h5").simulated


def test_dataset_split_that_is_not_there_lists_those_that_are(path: Path) -> None:
    with pytest.raises(DatasetError, match="known are: paper"):
        open_dataset(path).split("leave-visit-out")


def test_open_dataset_missing_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="ecgkit build-dataset"):
        open_dataset(tmp_path / "none.h5")


@pytest.mark.parametrize("version", ["7.0", "1.1"])
def test_open_dataset_refuses_another_version(path: Path, version: str) -> None:
    with h5py.File(path, "a") as file:
        put_text(file, "format_version", version)
    with pytest.raises(DatasetError, match=f"version '{version}', this ecgkit reads {FORMAT_VERSION}"):
        open_dataset(path)


def test_dataset_says_which_part_of_a_source_was_used(tmp_path: Path) -> None:
    origin = {"span_s": [30.0, 210.0], "excluded_s": [[4.0, 7.5], [100.0, None]]}
    write_dataset(tmp_path / "d.h5", [replace(PARTS[0], origin=origin), *PARTS[1:]], DESCRIPTION, {})
    sources = open_dataset(tmp_path / "d.h5").sources
    assert sources["sub-01_visit-1_cond-rest_take-1"].items() >= origin.items()
    assert sources["sub-02_visit-1_cond-rest_take-1"].keys() == {"sha256", "channels"}


def _external_windows(file: h5py.File) -> None:
    del file["windows"]
    file["windows"] = h5py.ExternalLink("elsewhere.h5", "/windows")


def _huge_windows(file: h5py.File) -> None:
    del file["windows"]
    file.create_dataset("windows", shape=(1 << 40, 1, 300), dtype="<f4", chunks=(1, 1, 300))


def _codes_outside(file: h5py.File) -> None:
    file["table/subject"][0] = 99


def _quality_outside(file: h5py.File) -> None:
    file["table/quality"][3] = 3


def _short_column(file: h5py.File) -> None:
    del file["table/quality"]
    file["table/quality"] = np.zeros(3, dtype="|u1")


def _no_attribute(file: h5py.File) -> None:
    del file.attrs["fs"]


def _wrong_type(file: h5py.File) -> None:
    del file["windows"]
    file["windows"] = np.zeros((12, 1, T), dtype="<f8")


def _broken_json(file: h5py.File) -> None:
    put_json(file, "pipeline", "{")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_external_windows, "/windows: expected a data set stored in this file"),
        (_huge_windows, "/windows: says that it has"),
        (_codes_outside, "/table/subject: codes outside"),
        (_quality_outside, "/table/quality: codes outside of 0 to 2"),
        (_short_column, r"/table/quality: shape \(3,\), expected \(12,\)"),
        (_no_attribute, "attribute 'fs' is None"),
        (_wrong_type, "/windows: type float64"),
        (_broken_json, "damaged"),
    ],
)
def test_open_dataset_names_the_place_that_is_wrong(path: Path, spoil, message: str) -> None:
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(DatasetError, match=message):
        open_dataset(path)


def test_open_dataset_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for share in np.linspace(0, 0.99, 25):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DatasetError):
            open_dataset(path)
