"""The page about a study holds every session of it, and is written whole or not at all."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.studies import make_study

from ecgkit.errors import StudyError
from ecgkit.protocol.model import load_protocol
from ecgkit.stages import status
from ecgkit.stages.study_page import describe_study, write_page

DT4ECG = load_protocol("dt4ecg")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated study of two subjects, 20 s in each condition. Read only."""
    return make_study(tmp_path_factory.mktemp("made") / "study", ["01", "02"]).folder


def test_describe_study_has_a_part_for_every_session(made: Path) -> None:
    found = status.run(made)
    page = describe_study(found)
    assert [part.key for part in page.sessions] == [seen.header.tags.key for seen in found.sessions]
    assert {part.state for part in page.sessions} == {seen.state for seen in found.sessions}
    assert all(part.figures.strip and part.figures.rate and part.figures.spectra for part in page.sessions)
    assert dict(page.facts) == {
        "protocol": "dt4ecg",
        "subjects": "2",
        "visits": "1",
        "sessions": "6",
        "missing": "0",
        "data set": "not built",
        "runs": "0",
    }
    assert page.commands == ("ecgkit build-dataset",)


def test_describe_study_explains_every_check_in_the_order_of_the_verdicts(made: Path) -> None:
    page = describe_study(status.run(made))
    for column in page.columns:
        condition = DT4ECG.conditions[column.key]
        assert column.label == condition.label
        sources = [line.source for line in column.expectations]
        assert sources[1:] == [check.source for check in (*DT4ECG.checks, *condition.checks)]
        [part, *_] = [part for part in page.sessions if part.condition == column.key]
        assert [check.source for check in part.checks] == sources
    rest = page.columns[0].expectations
    assert (rest[0].passes, rest[0].warns) == ("at least 162 s", "at least 60 s")
    assert (rest[2].what, rest[2].passes) == ("mean heart rate", "40 to 100 beats/min")
    assert page.columns[1].expectations[-1].warns == "whatever else"


def test_describe_study_says_what_is_missing(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "study"))
    (folder / "sessions" / "sub-02_visit-1_cond-rest_take-1.h5").unlink()
    page = describe_study(status.run(folder))
    assert [row.has_gap for row in page.rows] == [False, True]
    assert page.rows[1].cells[0] == ()
    assert page.counts["missing"] == 1


def test_describe_study_is_the_same_by_any_executor(made: Path) -> None:
    found = status.run(made)
    with ThreadPoolExecutor(2) as pool:
        side_by_side = describe_study(found, executor=pool)
    alone = describe_study(found)
    assert [part.figures for part in side_by_side.sessions] == [part.figures for part in alone.sessions]


def test_write_page_puts_it_into_the_study_or_where_it_is_told(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "study"))
    found = status.run(folder)
    assert write_page(found) == folder / "status.html"
    assert write_page(found, tmp_path / "here" / "page.html").is_file()
    text = (folder / "status.html").read_text(encoding="utf-8")
    assert text.count('<section class="session"') == 6
    assert "SIMULATED" not in text  # these recordings do not say that they are
    assert len(text) / 6 < 15_000


def test_write_page_leaves_what_was_there_when_it_can_not_write(made: Path, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_page(status.run(made), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_write_page_tells_how_far_it_is(made: Path, tmp_path: Path) -> None:
    class Heard:
        def __init__(self) -> None:
            self.said: list[str] = []

        def start(self, task: str, total: int) -> None:
            self.said.append(f"{task} {total}")

        def advance(self, task: str, note: str = "") -> None:
            self.said.append(note)

    heard = Heard()
    write_page(status.run(made), tmp_path / "page.html", progress=heard)
    assert heard.said[0] == "drawing 6"
    assert len(set(heard.said)) == 7


def test_page_of_an_empty_study_is_written(tmp_path: Path) -> None:
    folder = make_study(tmp_path / "study", []).folder
    text = write_page(status.run(folder)).read_text(encoding="utf-8")
    assert "There is no session yet." in text
    assert not re.findall("<section class=.session", text)


def test_write_page_replaces_nothing_but_a_page(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "study"))
    found = status.run(folder)
    assert write_page(found) == write_page(found)
    for path in (folder / "study.yaml", next((folder / "sessions").glob("*.h5"))):
        before = path.read_bytes()
        with pytest.raises(StudyError, match="holds something else than a page"):
            write_page(found, path)
        assert path.read_bytes() == before
