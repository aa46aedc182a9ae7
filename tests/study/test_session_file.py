from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgkit.errors import StudyError
from ecgkit.readers import read
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.study.folder import open_study
from ecgkit.study.session_file import read_headers, read_session


def first_session(study: Path) -> Path:
    return open_study(study).session_paths()[0]


def test_session_holds_every_channel_as_recorded(
    built_study: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    for file in simulated_files[:3]:
        source = read(file.path)
        key = f"sub-{file.subject}_visit-{file.visit}_cond-{file.condition}_take-{file.take}"
        session = read_session(built_study / "sessions" / f"{key}.h5")
        assert session.sha256 == source.sha256()
        assert [c.name for c in session.recording.channels] == [c.name for c in source.channels]
        for stored, original in zip(session.recording.channels, source.channels, strict=True):
            assert (stored.unit, stored.fs, stored.scale, stored.offset, stored.dtype) == (
                original.unit,
                original.fs,
                original.scale,
                original.offset,
                original.dtype,
            )
            np.testing.assert_array_equal(stored.read_raw(), original.read_raw())
            np.testing.assert_array_equal(stored.read(5, 50), original.read(5, 50))
        assert [m.sample for m in session.recording.markers] == [m.sample for m in source.markers]
        assert [m.style for m in session.recording.markers] == [m.style for m in source.markers]


def test_session_leaves_out_what_can_identify(
    study: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    content = first_session(study).read_bytes()
    source = read(simulated_files[0].path)
    assert source.journal
    assert source.start_time is not None
    for text in ("SIMULATED", simulated_files[0].path.name, str(source.start_time.year), "Segment 1"):
        assert text.encode() not in content


def test_session_says_that_it_is_simulated(built_study: Path) -> None:
    assert all(header.simulated for header in read_headers(open_study(built_study)))


def test_read_session_refuses_other_versions(study: Path) -> None:
    with h5py.File(first_session(study), "a") as file:
        file.attrs["format_version"] = "2.0"
    with pytest.raises(StudyError, match=r"version '2.0', this ecgkit reads 1.2"):
        read_session(first_session(study))


def test_read_session_refuses_a_renamed_file(study: Path) -> None:
    path = first_session(study)
    renamed = path.rename(path.with_name("sub-99_visit-1_cond-rest_take-1.h5"))
    with pytest.raises(StudyError, match="rename it back"):
        read_session(renamed)


def test_read_session_refuses_links_to_elsewhere(study: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.zeros(5, dtype="<i2")
    with h5py.File(first_session(study), "a") as file:
        del file["channels/000"]
        file["channels/000"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/secret")
    with pytest.raises(StudyError, match=r"/channels/000.*links to elsewhere"):
        read_session(first_session(study))


def test_read_session_of_a_cut_or_foreign_file_says_so(study: Path) -> None:
    path = first_session(study)
    whole = path.read_bytes()
    for content in (b"", b"not HDF5 at all", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(StudyError, match="damaged, or not a whole"):
            read_session(path)
