from pathlib import Path

from ecgkit.stages import status
from ecgkit.study.folder import create_study


def test_status_of_a_complete_study(built_study: Path) -> None:
    found = status.run(built_study)
    assert len(found.sessions) == 24
    assert found.missing == ()
    assert found.dataset == built_study / "dataset.h5"
    assert list(found.rows)[:3] == [("01", 1), ("01", 2), ("02", 1)]


def test_status_names_what_is_missing(study: Path) -> None:
    (study / "sessions" / "sub-03_visit-2_cond-exercise_take-1.h5").unlink()
    assert status.run(study).missing == (("03", 2, "exercise"),)


def test_status_of_an_empty_study(tmp_path: Path) -> None:
    create_study(tmp_path, protocol="dt4ecg")
    found = status.run(tmp_path)
    assert (found.sessions, found.missing, found.dataset, found.n_runs) == ((), (), None, 0)


def test_status_says_when_the_data_set_is_behind_or_damaged(study: Path) -> None:
    assert status.run(study).stale == ()
    (study / "sessions" / "sub-03_visit-2_cond-exercise_take-1.h5").unlink()
    assert "the study has changed" in status.run(study).stale[0]
    (study / "dataset.h5").write_bytes(b"not HDF5")
    assert "damaged" in status.run(study).stale[0]
