from __future__ import annotations

from pathlib import Path

import pytest

from ecgkit.errors import StudyError
from ecgkit.stages.export_folder import export_folder


def test_export_folder_is_there_when_all_of_it_is(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with export_folder(out) as folder:
        (folder / "a.csv").write_text("a", encoding="utf-8")
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == ["a.csv"]
    assert list(out.parent.iterdir()) == [out]


def test_export_folder_takes_an_empty_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with export_folder(out) as folder:
        (folder / "a.csv").write_text("a", encoding="utf-8")
    assert (out / "a.csv").is_file()


@pytest.mark.parametrize("error", [KeyboardInterrupt, StudyError])
def test_export_folder_leaves_nothing_after_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), export_folder(tmp_path / "out") as folder:
        (folder / "a.csv").write_text("a", encoding="utf-8")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_export_folder_error_names_the_place_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, export_folder(tmp_path / "out") as folder:
        (folder / "missing" / "a.csv").write_text("a", encoding="utf-8")
    assert error.value.filename == str(tmp_path / "out")


def test_export_folder_refuses_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    for place in (tmp_path / "out", tmp_path / "out" / "mine.txt"):
        with pytest.raises(StudyError, match="something here already"), export_folder(place):
            pass
    assert (tmp_path / "out" / "mine.txt").read_text(encoding="utf-8") == "mine"
