import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ecgkit.errors import ProtocolError, StudyError
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.study.changing import read_log
from ecgkit.study.folder import (
    create_study,
    find_study,
    open_study,
    read_participants,
)


def test_create_study_is_opened_the_second_time(tmp_path: Path) -> None:
    made = create_study(tmp_path / "heart", protocol="dt4ecg")
    assert made.settings.name == "heart"
    assert create_study(tmp_path / "heart", protocol="other") == made == open_study(tmp_path / "heart")


def test_find_study_looks_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_study(tmp_path / "heart", protocol="dt4ecg")
    (tmp_path / "heart" / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "heart" / "a" / "b")
    assert find_study() == tmp_path / "heart"
    monkeypatch.chdir(tmp_path)
    assert find_study() == Path("study")
    assert find_study(tmp_path / "given") == tmp_path / "given"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format_version: '9.0'\nname: a\nprotocol: b\n", "format version '9.0', this ecgkit reads '1.0'"),
        ("format_version: '1.0'\nname: a\n", "protocol: missing"),
        ("format_version: '1.0'\nname: a\nprotocol: b\nmains_hz: 5\n", "mains_hz"),
        ("a: [", "not valid YAML"),
    ],
)
def test_open_study_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(StudyError, match=message):
        open_study(tmp_path)


def test_open_study_of_nothing_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="ecgkit ingest FILE"):
        open_study(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="a file is in the way"):
        create_study(tmp_path / "file", protocol="dt4ecg")


@pytest.mark.skipif(os.name == "nt", reason="links as POSIX has them")
def test_open_study_refuses_sessions_outside_of_it(tmp_path: Path) -> None:
    study = create_study(tmp_path / "study", protocol="dt4ecg")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.h5").touch()
    study.sessions_folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StudyError, match=r"sessions: a link to .*elsewhere, out of the study"):
        open_study(study.folder)
    study.sessions_folder.unlink()
    study.sessions_folder.mkdir()
    link = study.sessions_folder / "sub-07_visit-1_cond-rest_take-1.h5"
    link.symlink_to(tmp_path / "elsewhere" / "a.h5")
    with pytest.raises(StudyError, match=r"take-1\.h5: a link to .*a\.h5, out of the study"):
        open_study(study.folder)
    link.unlink()
    (study.folder / "a.h5").touch()
    link.symlink_to(study.folder / "a.h5")
    assert open_study(study.folder) == study


def test_create_study_at_once_makes_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = ["dt4ecg", "ewing"] * 8
        made = list(pool.map(lambda name: create_study(tmp_path / "study", protocol=name), names))
    assert {study.settings.protocol for study in made} in ({"dt4ecg"}, {"ewing"})
    assert made[0] == open_study(tmp_path / "study")


def test_read_participants_names_the_broken_line(tmp_path: Path) -> None:
    study = create_study(tmp_path, protocol="dt4ecg")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t3\t4\n")
    with pytest.raises(StudyError, match="line 2"):
        read_participants(study)


@pytest.mark.parametrize("name", ["study.yaml", "participants.tsv", "protocol.yaml"])
def test_open_study_refuses_links_out_and_shows_nothing_of_them(tmp_path: Path, name: str) -> None:
    study = create_study(tmp_path / "study", protocol="dt4ecg")
    outside = tmp_path / "outside"
    outside.write_text("format_version: '1.0'\nname: SECRET\nprotocol: dt4ecg\n")
    (study.folder / name).unlink(missing_ok=True)
    (study.folder / name).symlink_to(outside)
    with pytest.raises(StudyError, match="out of the study") as raised:
        open_study(study.folder)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("protocol", ["../x.yaml", "/x.yaml", "a/b.yaml", "a\\b.yaml"])
def test_open_study_refuses_a_protocol_elsewhere(tmp_path: Path, protocol: str) -> None:
    study = create_study(tmp_path / "study", protocol="dt4ecg")
    text = (study.folder / "study.yaml").read_text().replace("protocol: dt4ecg", f"protocol: '{protocol}'")
    (study.folder / "study.yaml").write_text(text)
    with pytest.raises(StudyError, match="a file in the study's own folder"):
        open_study(study.folder)


def test_tables_and_logs_of_absurd_size_are_refused_unread(tmp_path: Path) -> None:
    study = create_study(tmp_path / "study", protocol="dt4ecg")
    for name, reading in (("participants.tsv", read_participants), ("changes.jsonl", read_log)):
        with (study.folder / name).open("wb") as file:
            file.truncate(20 << 30)
        with pytest.raises(StudyError, match="expected at most"):
            reading(study)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("name", ["participants.tsv", "study.yaml", "protocol.yaml"])
def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path, name: str) -> None:
    study = create_study(tmp_path / "study", protocol="dt4ecg")
    text = (study.folder / "study.yaml").read_text().replace("protocol: dt4ecg", "protocol: protocol.yaml")
    (study.folder / "study.yaml").write_text(text)
    (study.folder / name).unlink(missing_ok=True)
    os.mkfifo(study.folder / name)
    with pytest.raises((StudyError, ProtocolError), match=r"not an ordinary file|expected a file"):
        read_participants(open_study(study.folder))
        protocol_of(open_study(study.folder))


def test_read_participants_refuses_more_columns_than_anybody_has(tmp_path: Path) -> None:
    study = create_study(tmp_path / "study", protocol="dt4ecg")
    columns = "\t".join(["participant_id", *map(str, range(1000))])
    (study.folder / "participants.tsv").write_text(columns + "\n")
    with pytest.raises(StudyError, match="1001 columns, expected at most 1000"):
        read_participants(study)
