import dataclasses
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.h5_files import put_json, put_text
from support.mutate_h5 import broken_heaps

from ecgkit.errors import StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.readers import read
from ecgkit.records import Marker, Session, Tags
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.study.folder import open_study
from ecgkit.study.session_file import (
    Observations,
    content_sha256_of,
    read_header,
    read_headers,
    read_observations,
    read_session,
    session_path,
    write_session,
)


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
        put_text(file, "format_version", "1.2")
    with pytest.raises(StudyError, match=r"version '1.2', this ecgkit reads 1.3"):
        read_session(first_session(study))


def test_read_session_never_reads_texts_of_variable_length(study: Path) -> None:
    path = first_session(study)
    whole = path.read_bytes()
    for name in ("format", "subject", "source_version", "extra"):
        path.write_bytes(whole)
        with h5py.File(path, "a") as file:
            file.attrs[name] = "x"
        broken_heaps(path)
        if name == "extra":
            assert read_session(path).tags.subject == "01"
        else:
            with pytest.raises(StudyError, match=f"'{name}'.* of variable length"):
                read_session(path)
        with pytest.raises(StudyError, match="of variable length"):
            content_sha256_of(path)


@pytest.mark.parametrize("name", ["markers/style", "about/source", "about/measures"])
def test_read_session_refuses_lists_and_json_of_variable_length(study: Path, name: str) -> None:
    path = first_session(study)
    with h5py.File(path, "a") as file:
        shape = file[name].shape
        del file[name]
        file.create_dataset(name, shape=shape, dtype=h5py.string_dtype())
    with pytest.raises(StudyError, match=f"/{name}: type object, of variable length"):
        read_session(path)


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


def rewritten(study: Path, **changes: object) -> tuple[Session, Observations, Path]:
    """The study's first session with something changed, written as subject 99."""
    opened = open_study(study)
    session, seen = read_session(first_session(study)), read_observations(first_session(study))
    session = dataclasses.replace(session, tags=Tags("99", "rest"), **changes)
    path = session_path(opened, session.tags)
    write_session(path, session, seen)
    return session, seen, path


def test_session_keeps_what_was_seen_and_what_is_excluded(study: Path) -> None:
    excluded = (Exclusion(1.5, 3.0, "talked"), Exclusion(0, np.inf, "withdrawn – ä"))
    _, seen, path = rewritten(study, excluded=excluded, span_s=(12.0, 42.0))
    header, back, again = read_header(path), read_session(path), read_observations(path)
    assert header.excluded == back.excluded == excluded
    assert header.is_excluded
    assert header.span_s == back.span_s == (12.0, 42.0)
    assert again.measures == seen.measures == header.measures
    assert again.warnings == seen.warnings
    assert [len(times_s) for times_s in again.beats_s] == [len(times_s) for times_s in seen.beats_s]
    for before, after in zip(seen.beats_s, again.beats_s, strict=True):
        np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(again.quality.start_s, [0, 10, 20])
    np.testing.assert_array_equal(again.quality.indices.verdict, seen.quality.indices.verdict)


def test_session_keeps_of_its_source_what_it_is_given(study: Path) -> None:
    before = read_session(first_session(study)).recording
    markers = (Marker(5, 0.005, "Mrs Miller coughs", "flag"), Marker(9, 0.009, "", "apnd", channel=1))
    start = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    recording = dataclasses.replace(before, journal="a journal", start_time=start, markers=markers)
    _, _, path = rewritten(study, recording=recording, source_name="miller.acq")
    after = read_session(path)
    assert (after.recording.journal, after.recording.start_time) == ("a journal", start)
    assert after.recording.markers == markers
    assert after.source_name == "miller.acq"
    assert read_session(first_session(study)).source_name is None


def test_session_knows_the_hash_of_its_content(study: Path) -> None:
    header = read_header(first_session(study))
    assert content_sha256_of(header.path) == header.content_sha256
    with h5py.File(header.path, "a") as file:
        file["beats/time_s"][0] += 1e-9
    assert content_sha256_of(header.path) != header.content_sha256


@pytest.mark.parametrize("name", ["measures", "excluded", "warnings", "source", "leads", "lost"])
@pytest.mark.parametrize("value", [None, "", "[", "3", "[3]", "null", '{"a": 1}', b"\xff"])
def test_read_session_of_nonsense_for_json_is_refused_or_harmless(
    study: Path, name: str, value: str | bytes | None
) -> None:
    path = first_session(study)
    with h5py.File(path, "a") as file:
        del file["about"][name]
        if value is not None:
            put_json(file, name, value)
    with suppress(StudyError):  # anything else fails the test
        read_session(path)
        read_observations(path)


@pytest.mark.parametrize("attribute", ["source_start_s", "content_sha256", "ecg"])
@pytest.mark.parametrize("value", [None, 5, "", "x", b"\xff", h5py.Empty("f4")])
def test_read_session_of_nonsense_in_an_attribute_is_refused_or_harmless(
    study: Path, attribute: str, value: object
) -> None:
    path = first_session(study)
    with h5py.File(path, "a") as file:
        del file.attrs[attribute]
        if value is not None:
            put_text(file, attribute, value)
    with suppress(StudyError):  # anything else fails the test
        read_session(path)
        read_observations(path)


def test_read_observations_refuses_huge_and_uneven_arrays(study: Path) -> None:
    path = first_session(study)
    with h5py.File(path, "a") as file:
        del file["quality/b_sqi"]
        file["quality/b_sqi"] = np.zeros(7)
    with pytest.raises(StudyError, match="different lengths"):
        read_observations(path)
    rewrite = {"quality/verdict": 3, "quality/start_s": np.nan, "beats/time_s": -np.inf}
    for name, value in rewrite.items():
        with h5py.File(path, "a") as file:
            if "b_sqi" in file["quality"]:
                del file["quality/b_sqi"]
            file["quality/b_sqi"] = np.zeros(3)
            kept, file[name][1] = file[name][1], value
        with pytest.raises(StudyError, match="not in order of time, or of an unknown verdict"):
            read_observations(path)
        with h5py.File(path, "a") as file:
            file[name][1] = kept
    assert read_observations(path).beats_s
    with h5py.File(path, "a") as file:
        del file["quality/b_sqi"]
        file.create_dataset("quality/b_sqi", (1 << 45,), "<f8", chunks=(1 << 16,))
    with pytest.raises(StudyError, match="says that it has"):
        read_observations(path)


@pytest.mark.parametrize("name", ["channels", "beats", "quality", "markers"])
@pytest.mark.parametrize("kind", ["external", "soft", "data set"])
def test_read_session_takes_groups_from_this_file_only(
    study: Path, tmp_path: Path, name: str, kind: str
) -> None:
    path = first_session(study)
    with h5py.File(path, "a") as file, h5py.File(tmp_path / "other.h5", "w") as other:
        file.copy(file[name], other, name)
        file.move(name, f"moved_{name}")
        file[name] = {
            "external": h5py.ExternalLink(str(tmp_path / "other.h5"), f"/{name}"),
            "soft": h5py.SoftLink(f"/moved_{name}"),
            "data set": np.zeros(3),
        }[kind]
    with pytest.raises(StudyError, match=f":/{name}: expected a group; links to elsewhere"):
        read_session(path)
        read_observations(path)


@pytest.mark.parametrize("value", [[np.inf], [np.nan], ["x"], [b"x"], [1 << 40], np.zeros(7000)])
def test_read_session_refuses_ecg_channels_that_are_none(study: Path, value: object) -> None:
    with h5py.File(first_session(study), "a") as file:
        file.attrs["ecg"] = value
    with pytest.raises(StudyError) as raised:
        read_session(first_session(study))
    assert len(str(raised.value)) < 5000


def test_content_hash_of_a_file_that_claims_too_much_is_refused_at_once(study: Path) -> None:
    for name, shape in (("extra", (1 << 50,)), ("wide", (2, 1 << 45))):
        with h5py.File(first_session(study), "a") as file:
            file.create_dataset(name, shape, "<f8", chunks=(1,) * (len(shape) - 1) + (1 << 16,))
        with pytest.raises(StudyError, match="says that it has"):
            content_sha256_of(first_session(study))
        with h5py.File(first_session(study), "a") as file:
            del file[name]


def test_write_session_gives_the_same_bytes_each_time(study: Path) -> None:
    path = first_session(study)
    session, seen, before = read_session(path), read_observations(path), path.read_bytes()
    again = path.with_name("again") / path.name
    again.parent.mkdir()
    time.sleep(1.1)  # HDF5 counts in seconds
    write_session(again, session, seen)
    assert again.read_bytes() == before
