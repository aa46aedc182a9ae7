"""Folders for work that outlives an interrupt."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgkit.errors import StudyError
from ecgkit.stages.kept_work import kept_work


def kept(folder: Path):
    return kept_work(folder, busy="somebody has it", elsewhere="go elsewhere", error=StudyError)


def test_kept_work_goes_when_it_is_empty_and_stays_when_not(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "work"
    with kept(folder) as work:
        assert work == folder
    assert not folder.exists()
    with kept(folder):
        (folder / "part").touch()
    assert [path.name for path in folder.iterdir()] == ["part"]


def test_kept_work_is_for_one_at_a_time(tmp_path: Path) -> None:
    with kept(tmp_path / "work"):
        with pytest.raises(StudyError, match="somebody has it"), kept(tmp_path / "work"):
            pass
        assert (tmp_path / "work").is_dir()
    with kept(tmp_path / "work"):
        pass


def test_kept_work_follows_no_link_and_takes_no_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(StudyError, match=f"{name}: not a folder of ecgkit's"), kept(tmp_path / name):
            pass
