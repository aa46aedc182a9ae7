from pathlib import Path

import pytest

from ecgkit.errors import StudyError
from ecgkit.study.folder import add_participant, create_study, find_study, open_study, read_participants


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


def test_add_participant_keeps_rows_and_columns_of_ones_own(tmp_path: Path) -> None:
    study = create_study(tmp_path, protocol="dt4ecg")
    add_participant(study, "07")
    table = tmp_path / "participants.tsv"
    assert table.read_text() == "participant_id\tage\tsex\nsub-07\tn/a\tn/a\n"
    table.write_text("participant_id\tage\tsex\tsport\nsub-07\t31\tF\trowing\n")
    add_participant(study, "03")
    add_participant(study, "07")
    assert table.read_text() == (
        "participant_id\tage\tsex\tsport\nsub-03\tn/a\tn/a\tn/a\nsub-07\t31\tF\trowing\n"
    )
    assert read_participants(study)["07"] == {"age": "31", "sex": "F", "sport": "rowing"}


def test_read_participants_names_the_broken_line(tmp_path: Path) -> None:
    study = create_study(tmp_path, protocol="dt4ecg")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t3\t4\n")
    with pytest.raises(StudyError, match="line 2"):
        read_participants(study)
