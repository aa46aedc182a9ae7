"""A change of a study happens as a whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.killed import in_another_process, killed_everywhere

from ecgkit.errors import StudyError
from ecgkit.files import alone
from ecgkit.study.changing import LOCK_FILE, changing, read_log
from ecgkit.study.folder import Study, create_study, open_study

POSIX = pytest.mark.skipif(os.name == "nt", reason="links, permissions and kills as POSIX has them")

IMPORTS = "from ecgkit.study.folder import open_study\nfrom ecgkit.study.changing import changing"
CHANGE = """
with changing(open_study(folder)) as change:
    a, b, c = (folder / "sessions" / f"sub-{name}.h5" for name in "abc")
    change.new(a).write_bytes(b.read_bytes())
    change.new(b).write_bytes(a.read_bytes())
    change.remove(c)
    change.remove(folder / "runs" / "001")
    change.remove(folder / "dataset.h5")
    change.new(folder / "sessions" / "sub-d.h5").write_bytes(b"new")
    change.text(folder / "participants.tsv", "new\\n")
    change.note_again([{"action": "retag"}])
"""
ONE_FILE = """
with changing(open_study(folder)) as change:
    change.text(folder / "participants.tsv", "new")
"""


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def some(tmp_path: Path) -> Study:
    """A study of three files that stand for sessions, a data set and two runs."""
    study = create_study(tmp_path / "study", protocol="dt4ecg")
    for name in ("sessions/sub-a.h5", "sessions/sub-b.h5", "sessions/sub-c.h5", "dataset.h5"):
        (study.folder / name).parent.mkdir(exist_ok=True)
        (study.folder / name).write_bytes(name.encode())
    for name in ("001", "002"):
        (study.runs_folder / name).mkdir(parents=True)
        (study.runs_folder / name / "run.json").write_text("{}")
    return study


def test_changing_puts_everything_in_place_at_the_end(some: Study) -> None:
    folder = some.folder
    with changing(some) as change:
        change.new(folder / "sessions" / "sub-d.h5").write_bytes(b"new")
        change.text(folder / "participants.tsv", "participant_id\n")
        change.remove(folder / "sessions" / "sub-a.h5")
        change.remove(some.runs_folder / "001")
        change.note("retag", old="a", new="d", reason="ärmel\u2028links")
        before = content(folder)
        assert "sessions/sub-d.h5" not in before
        assert "sessions/sub-a.h5" in before
    assert [path.name for path in sorted((folder / "sessions").iterdir())] == [
        "sub-b.h5",
        "sub-c.h5",
        "sub-d.h5",
    ]
    assert (folder / "participants.tsv").read_bytes() == b"participant_id\n"
    assert [path.name for path in some.runs_folder.iterdir()] == ["002"]
    assert [path.name for path in folder.glob(".*")] == [LOCK_FILE]
    (entry,) = read_log(some)
    assert entry.pop("at").endswith("+00:00")
    assert entry == {"action": "retag", "old": "a", "new": "d", "reason": "ärmel\u2028links"}


def test_changing_appends_to_the_log(some: Study) -> None:
    for action in ("exclude", "include"):
        with changing(some) as change:
            change.note(action)
    assert [entry["action"] for entry in read_log(some)] == ["exclude", "include"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_changing_changes_nothing_on_any_error(some: Study, error: type[BaseException]) -> None:
    before = content(some.folder)
    with pytest.raises(error), changing(some) as change:
        change.new(some.folder / "sessions" / "sub-a.h5").write_bytes(b"new")
        change.remove(some.dataset_path)
        change.note("remove")
        raise error
    assert content(some.folder) == before


def test_changing_of_nothing_writes_nothing(some: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")}
    with changing(some):
        pass
    assert {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")} == before


def test_changing_needs_the_file_that_was_announced(some: Study) -> None:
    before = content(some.folder)
    with pytest.raises(FileNotFoundError), changing(some) as change:
        change.new(some.folder / "sessions" / "sub-a.h5")
        change.remove(some.dataset_path)
    assert content(some.folder) == before


def test_changing_takes_the_last_word_on_a_file(some: Study) -> None:
    path = some.folder / "sessions" / "sub-a.h5"
    with changing(some) as change:
        change.remove(path)
        change.new(path).write_bytes(b"new")
        change.text(some.dataset_path, "built")
        change.remove(some.dataset_path)
    assert path.read_bytes() == b"new"
    assert not some.dataset_path.exists()


@POSIX
@pytest.mark.parametrize("script", [CHANGE, ONE_FILE], ids=["many files", "one file"])
def test_a_kill_at_any_moment_leaves_all_or_nothing(some: Study, script: str) -> None:
    before = content(some.folder)
    undisturbed, killed = killed_everywhere(some.folder, script, imports=IMPORTS)
    after, ends = content(undisturbed), []
    assert len(killed) > 5
    for folder in killed:
        study = open_study(folder)  # a reader finishes what counts already
        found = content(folder)
        seen = {name: text for name, text in found.items() if not name.startswith((".staged", ".partial"))}
        assert seen in (before, after)
        with changing(study):
            pass
        assert content(folder) == seen
        assert [path.name for path in folder.glob(".*")] == [LOCK_FILE]
        ends.append(seen == after)
    assert ends == sorted(ends)  # from one moment on it counts
    assert set(ends) == {False, True}


@POSIX
@pytest.mark.parametrize("n_files", [1, 5, 40])
def test_a_disk_that_is_full_changes_nothing(some: Study, n_files: int) -> None:
    program = f"""
import resource, sys
from pathlib import Path
from ecgkit.study.changing import changing
from ecgkit.study.folder import open_study
study = open_study(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
with changing(study) as change:
    change.remove(study.dataset_path)
    for number in range({n_files}):
        size = 300 if {n_files} == 5 and number == 3 else 100
        change.text(study.folder / "sessions" / f"sub-{{number}}.h5", "x" * size)
"""
    before = content(some.folder)
    errors = in_another_process(program, some.folder).stderr
    if n_files == 1:
        assert errors == ""
        return
    assert "File too large" in errors
    assert ("list.json" in errors) == (n_files == 40)
    assert content(some.folder) == before
    assert [path.name for path in some.folder.glob(".*")] == [LOCK_FILE]


@POSIX
def test_processes_take_turns(some: Study) -> None:
    program = """
import sys
from pathlib import Path
from ecgkit.study.changing import changing
from ecgkit.study.folder import open_study
study = open_study(sys.argv[1])
for _ in range(10):
    with changing(study) as change:
        path = study.folder / "participants.tsv"
        number = int(path.read_text()) if path.exists() else 0
        change.text(path, str(number + 1))
        change.note("exclude")
"""
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: in_another_process(program, some.folder), range(3)))
    assert [(result.returncode, result.stderr) for result in results] == [(0, "")] * 3
    assert (some.folder / "participants.tsv").read_text() == "30"
    assert len(read_log(some)) == 30


def test_changing_tells_who_comes_second(some: Study) -> None:
    with alone(some.folder / LOCK_FILE, wait_s=0):
        message = "another ecgkit is working on this study \\(waited 0.05 s\\); run the same command again"
        with pytest.raises(StudyError, match=message), changing(some, wait_s=0.05):
            pass


@pytest.mark.parametrize(
    "place",
    [
        "notes.txt",
        "../outside.h5",
        "sessions/../participants.tsv",
        "sessions/other.h5",
        "sessions/deep/sub-a.h5",
        "runs/001",
        ".lock",
    ],
)
def test_new_takes_only_the_files_of_a_study(some: Study, place: str) -> None:
    with pytest.raises(StudyError, match="not a place in a study"), changing(some) as change:
        change.new(some.folder / place)


@pytest.mark.parametrize(
    "place", ["runs", "runs/..", "runs/.partial-0", "runs/001/run.json", "sessions", "."]
)
def test_remove_takes_only_the_files_and_runs_of_a_study(some: Study, place: str) -> None:
    with pytest.raises(StudyError, match="not a place in a study"), changing(some) as change:
        change.remove(some.folder / place)


@POSIX
def test_changing_follows_no_link_out_of_the_study(some: Study, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.move(some.runs_folder, outside)
    some.runs_folder.symlink_to(outside)
    with pytest.raises(StudyError, match="runs: a link or a file"), changing(some) as change:
        change.remove(some.runs_folder / "001")
    (some.folder / ".staged").symlink_to(outside)
    with pytest.raises(StudyError, match=r"\.staged: a link"), changing(some) as change:
        pass
    (some.folder / ".staged").unlink()
    (some.folder / "changes.jsonl").symlink_to(outside / "001" / "run.json")
    with pytest.raises(StudyError, match="a link; put"), changing(some) as change:
        change.note("remove")
    assert sorted(path.name for path in outside.iterdir()) == ["001", "002"]


HOSTILE = [
    "[",
    "[]",
    "{}",
    "[" * 100_000,
    '{"put": ["../outside.txt"], "remove": []}',
    '{"put": ["notes.txt"], "remove": []}',
    '{"put": "participants.tsv", "remove": []}',
    '{"put": [], "remove": [7]}',
    '{"put": [], "remove": ["runs/.."]}',
    '{"put": [], "remove": ["sessions"]}',
    '{"put": [], "remove": ["/tmp"]}',
    '{"put": [], "remove": ["runs/a/b"]}',
    '{"put": ["participants.tsv"], "remove": []}',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_list_that_was_tampered_with_is_refused(some: Study, tmp_path: Path, text: str) -> None:
    staged = some.folder / ".staged"
    staged.mkdir()
    (staged / "list.json").write_text(text)
    (staged / "outside.txt").write_text("bad")
    (staged / "notes.txt").write_text("bad")
    if os.name != "nt":
        (staged / "participants.tsv").symlink_to("/etc/passwd")
    before = content(some.folder)
    for use in (lambda: open_study(some.folder), lambda: changing(some).__enter__()):
        with pytest.raises(StudyError, match=r"list\.json: not what an interrupted change leaves"):
            use()
    assert content(some.folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study"]


@POSIX
def test_a_list_that_is_a_link_is_refused(some: Study, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('{"put": [], "remove": ["dataset.h5"]}')
    (some.folder / ".staged").mkdir()
    (some.folder / ".staged" / "list.json").symlink_to(tmp_path / "list.json")
    with pytest.raises(StudyError, match="not an ordinary file"):
        open_study(some.folder)
    assert some.dataset_path.exists()


def test_what_cannot_be_put_in_place_now_is_finished_later(some: Study) -> None:
    (some.folder / "participants.tsv").mkdir()
    (some.folder / "participants.tsv" / "in the way").touch()
    later = "the next ecgkit command on this study then finishes"
    with pytest.raises(StudyError, match=later), changing(some) as change:
        change.text(some.folder / "participants.tsv", "new\n")
        change.remove(some.dataset_path)
    shutil.rmtree(some.folder / "participants.tsv")
    open_study(some.folder)
    assert (some.folder / "participants.tsv").read_text() == "new\n"
    assert not some.dataset_path.exists()


@POSIX
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_study_that_may_not_be_written_can_be_opened(some: Study) -> None:
    some.folder.chmod(0o555)
    try:
        assert open_study(some.folder).settings == some.settings
        with pytest.raises(PermissionError), changing(some):
            pass
    finally:
        some.folder.chmod(0o755)


def test_read_log_names_the_broken_line(some: Study) -> None:
    (some.folder / "changes.jsonl").write_text('{"action": "remove"}\nnonsense\n')
    with pytest.raises(StudyError, match=r"changes\.jsonl, line 2: expected a JSON object, got 'nonsense'"):
        read_log(some)


def test_a_log_without_a_last_line_end_stays_whole(some: Study) -> None:
    (some.folder / "changes.jsonl").write_text(json.dumps({"action": "remove"}))
    with changing(some) as change:
        change.note("exclude")
    assert [entry["action"] for entry in read_log(some)] == ["remove", "exclude"]
