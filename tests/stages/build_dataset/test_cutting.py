import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ecgkit.config import PipelineConfig
from ecgkit.dataset.part import is_sound
from ecgkit.errors import DatasetError, StudyError
from ecgkit.progress import Silent
from ecgkit.stages import build_dataset
from ecgkit.stages.build_dataset import BuildOptions, cutting
from ecgkit.stages.build_dataset.cutting import (
    CutSessions,
    CutTask,
    cut_all,
    cut_session,
    jobs_for,
    parts_folder,
)
from ecgkit.study.folder import open_study
from ecgkit.study.session_file import SessionHeader, read_headers

PIPELINE = PipelineConfig(mains_hz=50)


@pytest.fixture
def headers(study: Path) -> tuple[SessionHeader, ...]:
    return read_headers(open_study(study))[:3]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    return tmp_path / "parts"


def cut(headers: tuple[SessionHeader, ...], folder: Path, pipeline: PipelineConfig = PIPELINE) -> CutSessions:
    return cut_all(headers, pipeline, folder, {"ecgkit": "1"}, executor=None, progress=Silent())


def test_cut_all_takes_over_what_lies_there(headers: tuple[SessionHeader, ...], parts: Path) -> None:
    cut(headers[:2], parts)
    times = {path: path.stat().st_mtime_ns for path in parts.iterdir()}
    found = cut(headers, parts)
    assert found.n_resumed == len(times) == 2
    assert len(found.files) == len(list(parts.iterdir())) == 3
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_cut_all_makes_damaged_parts_anew(headers: tuple[SessionHeader, ...], parts: Path) -> None:
    cut(headers, parts)
    victim = sorted(parts.iterdir())[0]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-400])
    assert cut(headers, parts).n_resumed == 2
    assert victim.read_bytes() == whole


def test_cut_all_removes_the_parts_of_another_build(headers: tuple[SessionHeader, ...], parts: Path) -> None:
    cut(headers, parts)
    before = set(parts.iterdir())
    (parts / "notes.txt").write_text("mine")
    assert cut(headers, parts, PipelineConfig(mains_hz=50, window_s=5)).n_resumed == 0
    after = set(parts.iterdir())
    assert before & after == set()
    assert (parts / "notes.txt") in after


def test_cut_session_refuses_a_study_that_changed_meanwhile(
    headers: tuple[SessionHeader, ...], tmp_path: Path
) -> None:
    path, other = headers[0].path, headers[1].path
    task = CutTask(path, headers[0].content_sha256, PIPELINE, tmp_path / "part.h5")
    path.unlink()
    with pytest.raises(
        StudyError, match="is gone; the study was changed meanwhile: run ecgkit build-dataset"
    ):
        cut_session(task)
    shutil.copyfile(other, path)  # another session under its name is refused for its tags
    with pytest.raises(StudyError, match="the file's tags are"):
        cut_session(task)
    with pytest.raises(StudyError, match="the study was changed meanwhile"):
        cut_session(CutTask(other, "0" * 64, PIPELINE, tmp_path / "part.h5"))
    assert not (tmp_path / "part.h5").exists()


def test_cut_session_says_so_where_a_worker_sees_another_disk(
    headers: tuple[SessionHeader, ...], tmp_path: Path
) -> None:
    task = CutTask(headers[0].path, headers[0].content_sha256, PIPELINE, tmp_path / "elsewhere" / "part.h5")
    with pytest.raises(Exception, match=r"elsewhere: not found on .* same paths"):
        cut_session(task)


def test_jobs_are_worth_their_start(
    headers: tuple[SessionHeader, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jobs_for(headers) == 1
    monkeypatch.setattr(cutting, "default_jobs", lambda: 8)
    samples = sum(header.duration_s * header.fs for header in headers)
    monkeypatch.setattr(cutting, "SAMPLES_A_JOB", samples / 3)
    assert jobs_for(headers) == 3
    monkeypatch.setattr(cutting, "SAMPLES_A_JOB", 1)
    assert jobs_for(headers) == 8


def test_parts_folder_goes_when_all_is_well_and_stays_otherwise(tmp_path: Path) -> None:
    target, part = tmp_path / "dataset.h5", f"{'0' * 32}.h5"
    with pytest.raises(KeyError), parts_folder(target) as folder:
        (folder / part).write_bytes(b"1")
        raise KeyError
    assert (tmp_path / ".dataset.h5.parts" / part).exists()
    with parts_folder(target) as folder:
        assert (folder / part).exists()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), parts_folder(target):
        raise KeyError  # without a part nothing is worth keeping
    assert list(tmp_path.iterdir()) == []


def test_parts_folder_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    with parts_folder(tmp_path / "dataset.h5") as folder:
        (folder / "notes.txt").write_text("mine")
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_parts_folder_is_for_one_at_a_time(tmp_path: Path) -> None:
    with parts_folder(tmp_path / "dataset.h5") as folder:
        with (
            pytest.raises(DatasetError, match=r"another ecgkit is building it"),
            parts_folder(tmp_path / "dataset.h5"),
        ):
            pass
        assert folder.is_dir()
    with parts_folder(tmp_path / "dataset.h5"):
        pass


def test_parts_folder_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f"{'0' * 32}.h5").write_bytes(b"1")
    (tmp_path / ".dataset.h5.parts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="not a folder of ecgkit's"), parts_folder(tmp_path / "dataset.h5"):
        pass
    assert list((tmp_path / "elsewhere").iterdir())


def test_a_build_that_stops_midway_is_completed_by_the_next(study: Path) -> None:
    before = (study / "dataset.h5").read_bytes()

    class Stops(Silent):
        def advance(self, task: str, note: str = "") -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_dataset.run(study, progress=Stops())
    parts = study / ".dataset.h5.parts"
    assert len([path for path in parts.iterdir() if is_sound(path)]) == 1
    assert (study / "dataset.h5").read_bytes() == before
    assert build_dataset.run(study).n_resumed == 1
    assert (study / "dataset.h5").read_bytes() == before
    assert not parts.exists()


def test_the_bytes_are_the_same_on_any_executor(study: Path, tmp_path: Path) -> None:
    before = (study / "dataset.h5").read_bytes()
    with ThreadPoolExecutor(3) as pool:
        build_dataset.run(study, BuildOptions(out=tmp_path / "threads.h5"), executor=pool)
    build_dataset.run(study, BuildOptions(out=tmp_path / "processes.h5", jobs=2))
    assert (tmp_path / "threads.h5").read_bytes() == before
    assert (tmp_path / "processes.h5").read_bytes() == before
