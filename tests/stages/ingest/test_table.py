from pathlib import Path

import pytest

from ecgkit.errors import ConfigError
from ecgkit.stages.ingest.table import file_of, read_table

ROWS = [
    ("sessions.csv, line 2", {"file": "a b.acq", "subject": "07", "condition": "rest", "stop": "3:30"}),
    ("sessions.csv, line 4", {"file": "ü.acq", "subject": "08"}),
]
TEXT = "File,subject,condition, STOP \na b.acq,07,rest,3:30\n\nü.acq,08\n"


def table(folder: Path, content: str | bytes) -> Path:
    path = folder / "sessions.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace(",", ";").replace("a b.acq", '"a b.acq"').encode("utf-8-sig"),
        TEXT.replace(",", "\t").encode("utf-16"),
        TEXT.replace("STOP \n", "STOP ,,\n").replace("\n\n", "\n,,,,,\n").encode(),
    ],
)
def test_read_table_takes_what_spreadsheets_write(tmp_path: Path, content: bytes) -> None:
    assert list(read_table(table(tmp_path, content))) == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "file,subject,age\n",
            "unknown column 'age'; known are: condition, file, start, stop, subject, take, visit",
        ),
        ("file\na.acq\n", "no column subject"),
        ("subject\n07\n", "no column file"),
        ("", "no column file and subject"),
        ("file,subject,file\n", "file is said by two columns"),
        ("file,subject,visit\n", "visit is said by an option and in the table"),
        ("file,subject\na.acq,07,rest\n", r"line 2: 3 cells, expected 2; got \['a.acq', '07', 'rest'\]"),
        ('file,subject\n"a.acq,07\n', "line 2: no row of a table"),
        (b"file,subject\n\xfc.acq,07\n", "can't be read as UTF-8 text .*save it as CSV UTF-8"),
    ],
)
def test_read_table_names_the_fault(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list(read_table(table(tmp_path, content), said=["visit"]))


def test_read_table_of_nothing(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory|Permission")):
        with pytest.raises(ConfigError, match=message):
            list(read_table(path))


def test_file_of_is_relative_to_the_table_and_takes_backslashes(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.acq").touch()
    path = tmp_path / "sessions.csv"
    assert file_of(path, "sub/a.acq") == file_of(path, "sub\\a.acq") == tmp_path / "sub" / "a.acq"
    assert file_of(path, "none.acq") == tmp_path / "none.acq"
    assert file_of(path, str(tmp_path / "x.acq")) == tmp_path / "x.acq"
