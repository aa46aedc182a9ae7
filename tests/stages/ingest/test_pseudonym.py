from pathlib import Path

import pytest

from ecgkit.errors import StudyError
from ecgkit.stages.ingest.pseudonym import check_key, pseudonyms, read_key
from ecgkit.study.folder import new_study
from ecgkit.study.pseudonym import key_fingerprint, pseudonym

KEY = b"0123456789abcdef" * 2


def test_read_key_takes_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY + b"\r\n")
    assert read_key(tmp_path / "key", study_folder=tmp_path / "study") == KEY


def test_read_key_says_how_to_make_one(tmp_path: Path) -> None:
    study = tmp_path / "study"
    with pytest.raises(StudyError, match=r"no key can be read \(No such file.*make one by: python"):
        read_key(tmp_path / "key", study_folder=study)
    for content, size in ((b"", 0), (KEY[:31], 31), (KEY * 300, 4097)):
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(StudyError, match=rf"key: {size} bytes, expected a key of 32 to 4096; make"):
            read_key(tmp_path / "key", study_folder=study)


def test_read_key_refuses_a_key_in_the_study(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    with pytest.raises(StudyError, match="lies in the study"):
        read_key(tmp_path / "key", study_folder=tmp_path)


@pytest.mark.parametrize(
    ("made_with", "given", "message"),
    [
        (None, KEY, "ids as they were given"),
        (KEY, None, "the study has pseudonyms; give --pseudonymise"),
        (KEY, KEY + b"x", "made with another key"),
        (KEY, KEY, None),
        (None, None, None),
    ],
)
def test_check_key_wants_the_key_of_the_study(
    tmp_path: Path, made_with: bytes | None, given: bytes | None, message: str | None
) -> None:
    fingerprint = None if made_with is None else key_fingerprint(made_with)
    study, _ = new_study(tmp_path, protocol="dt4ecg", pseudonym_key=fingerprint)
    if message is None:
        check_key(study, given)
    else:
        with pytest.raises(StudyError, match=message):
            check_key(study, given)


def test_pseudonyms_refuse_one_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pseudonyms(["07", "7", "08"], KEY) == {name: pseudonym(name, KEY) for name in ("07", "7", "08")}
    monkeypatch.setattr("ecgkit.stages.ingest.pseudonym.pseudonym", lambda subject, key: "palways")
    assert pseudonyms(["07", "7"], KEY) == {"07": "palways", "7": "palways"}
    with pytest.raises(StudyError, match="subject '08' would have the pseudonym of another"):
        pseudonyms(["07", "08"], KEY)
