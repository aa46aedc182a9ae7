from pathlib import Path

import numpy as np
import pytest

from ecgkit.dataset.part import COLUMNS, is_sound, read_part, write_part
from ecgkit.dataset.schema import COLUMN_TYPES, LEAD_COLUMNS
from ecgkit.errors import DatasetError

WINDOWS = np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
ROWS = {name: np.arange(1, 3).astype(COLUMN_TYPES[name]) for name in COLUMNS - {*LEAD_COLUMNS}}
GIVEN = {**ROWS, **{name: np.ones((2, 3)) for name in LEAD_COLUMNS}}
SAID = {
    "unit": "mV",
    "mains": "",
    "n_excluded": 0,
    "n_too_poor": 1,
    "warnings": [],
    "turned": [],
    "channels": ["Ä"],
}


@pytest.fixture
def part(tmp_path: Path) -> Path:
    write_part(tmp_path / "part.h5", WINDOWS, GIVEN, SAID)
    return tmp_path / "part.h5"


def test_read_part_gives_back_what_was_written(part: Path) -> None:
    found = read_part(part)
    assert (len(found.windows), found.windows.shape, found.windows[1:2].dtype) == (2, (2, 3, 5), np.float32)
    np.testing.assert_array_equal(found.windows[:], WINDOWS)
    assert found.columns.keys() == COLUMNS
    for name, values in GIVEN.items():
        np.testing.assert_array_equal(found.columns[name], values)
    assert found.about == SAID


def test_write_part_gives_the_same_bytes(part: Path, tmp_path: Path) -> None:
    write_part(tmp_path / "again.h5", WINDOWS[:], GIVEN, dict(reversed(SAID.items())))
    assert (tmp_path / "again.h5").read_bytes() == part.read_bytes()


def test_is_sound_finds_every_changed_window(part: Path) -> None:
    assert is_sound(part)
    whole = part.read_bytes()
    at = whole.index(WINDOWS.tobytes())
    for offset in (at, at + WINDOWS.nbytes - 1):
        part.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        assert not is_sound(part)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_part_that_is_cut_short_is_not_sound(part: Path, share: float) -> None:
    whole = part.read_bytes()
    part.write_bytes(whole[: int(share * len(whole))])
    assert not is_sound(part)
    with pytest.raises(DatasetError, match=r"part\.h5"):
        read_part(part)


def test_is_sound_does_not_follow_links(part: Path, tmp_path: Path) -> None:
    (tmp_path / "link.h5").symlink_to(part)
    assert not is_sound(tmp_path / "link.h5")
    assert not is_sound(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("given", "said", "message"),
    [
        ({**GIVEN, "start_s": np.zeros(3)}, SAID, r"start_s: float64, shape \(3,\)"),
        ({**GIVEN, "quality": np.array([2, 9])}, SAID, "quality: codes outside of 0 to 2"),
        (GIVEN, {**SAID, "warnings": [["x"]]}, "about/cut: expected"),
        ({k: v for k, v in GIVEN.items() if k != "quality"}, SAID, "quality: missing"),
        (GIVEN, {**SAID, "warnings": 3}, "about/cut: expected"),
    ],
)
def test_read_part_refuses_what_no_cut_gives(
    tmp_path: Path, given: dict[str, np.ndarray], said: dict[str, object], message: str
) -> None:
    write_part(tmp_path / "part.h5", WINDOWS, given, said)
    assert not is_sound(tmp_path / "part.h5")
    with pytest.raises(DatasetError, match=message):
        read_part(tmp_path / "part.h5")


def test_is_sound_refuses_windows_that_are_no_numbers(tmp_path: Path) -> None:
    write_part(tmp_path / "part.h5", np.where(WINDOWS == 3, np.nan, WINDOWS), GIVEN, SAID)
    assert not is_sound(tmp_path / "part.h5")
