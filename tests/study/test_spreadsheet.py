import os
from pathlib import Path

import pytest

from ecgkit.errors import ConfigError
from ecgkit.study.spreadsheet import parse_number, read_spreadsheet

TEXT = "Subject,Group, \n07,a b\n\n,,\nü,\n"


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace(",", ";").replace("a b", '"a b"').encode("utf-8-sig"),
        TEXT.replace(",", "\t").encode("utf-16"),
    ],
)
def test_read_spreadsheet_takes_what_spreadsheets_write(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    columns, rows = read_spreadsheet(path, most_bytes=1000)
    assert columns == ["subject", "group"]
    assert list(rows) == [(2, {"subject": "07", "group": "a b"}), (5, {"subject": "ü"})]


def test_read_spreadsheet_reads_rows_when_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,2\n"3\n')
    columns, rows = read_spreadsheet(path, most_bytes=1000)
    assert (columns, next(rows)) == (["a", "b"], (2, {"a": "1", "b": "2"}))
    with pytest.raises(ConfigError, match=r"t\.csv, line 3: no row of a table"):
        next(rows)


def test_read_spreadsheet_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="expected a table of at most 7 bytes"):
        read_spreadsheet(tmp_path / "t.csv", most_bytes=7)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_read_spreadsheet_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(ConfigError, match="not an ordinary file"):
        read_spreadsheet(tmp_path / "t.csv", most_bytes=1000)


def test_parse_number_takes_what_spreadsheets_write() -> None:
    assert [parse_number(text, "visit") for text in ("1", "02", " 3 ", "4.0", "-1")] == [1, 2, 3, 4, -1]
    for text in ("1.5", "two", "", "1e3", "٣"):
        with pytest.raises(ConfigError, match=r"visit .*expected a whole number"):
            parse_number(text, "visit")
