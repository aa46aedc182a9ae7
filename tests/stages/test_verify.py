from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from support.studies import make_study, put, session_of

from ecgkit.errors import StudyError
from ecgkit.records import Tags
from ecgkit.stages import build_dataset, exclude, verify
from ecgkit.study.folder import Study, create_study, open_study
from ecgkit.study.session_file import session_path

POSIX = pytest.mark.skipif(os.name == "nt", reason="links as POSIX has them")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = make_study(
        tmp_path_factory.mktemp("made") / "study", ["07", "08"], conditions=("rest", "exercise")
    )
    exclude.run(study.folder, "07_visit-1_cond-rest", start_s=1, stop_s=2, reason="loose")
    build_dataset.run(study.folder)
    return study


@pytest.fixture
def some(made: Study, tmp_path: Path) -> Study:
    """A copy of a study of two subjects at rest and in exercise, with a data set."""
    return open_study(shutil.copytree(made.folder, tmp_path / "study"))


def faults(study: Study) -> list[str]:
    return [
        f"{item.where}: {item.text}" for item in verify.run(study.folder).findings if item.severity == "fault"
    ]


def remarks(study: Study) -> list[str]:
    found = verify.run(study.folder)
    assert found.is_sound
    return [f"{item.where}: {item.text}" for item in found.findings]


def test_verify_finds_nothing_in_a_sound_study(some: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")}
    found = verify.run(some.folder)
    assert (found.findings, found.is_sound, found.n_sessions, found.dataset) == ((), True, 4, True)
    assert found.n_bytes == sum(path.stat().st_size for path in some.session_paths())
    assert {path: path.stat().st_mtime_ns for path in some.folder.rglob("*")} == before


def test_verify_of_an_empty_study(tmp_path: Path) -> None:
    assert verify.run(create_study(tmp_path / "a", protocol="dt4ecg").folder).findings == ()


def test_verify_of_what_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study here"):
        verify.run(tmp_path)


@pytest.mark.parametrize("name", ["sessions/sub-07_visit-1_cond-rest_take-1.h5", "dataset.h5"])
def test_verify_finds_a_flipped_bit_in_any_byte_that_holds_something(some: Study, name: str) -> None:
    path = some.folder / name
    data, rng = path.read_bytes(), random.Random(5)
    held = [place for place in range(len(data)) if data[place]]  # the unused space in a file is zeros
    for place in rng.sample(held, 20):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        assert [item for item in faults(some) if item.startswith(f"{name}: ")], f"byte {place}"
    path.write_bytes(data)
    assert faults(some) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_verify_finds_a_file_that_was_cut_short(some: Study, share: float) -> None:
    for path in (some.session_paths()[0], some.dataset_path):
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        assert len(faults(some)) >= 1
        path.write_bytes(data)


def test_verify_finds_a_renamed_session(some: Study) -> None:
    path = some.session_paths()[0]
    path.rename(path.with_name("sub-08_visit-9_cond-exercise_take-1.h5"))
    assert "the file's tags are sub-07_visit-1_cond-exercise_take-1" in faults(some)[0]


def test_verify_finds_a_recording_that_is_in_twice(some: Study) -> None:
    put(some, session_of(Tags("07", "rest", visit=2), number=1))
    (fault,) = faults(some)
    assert "of the same recording as" in fault


def test_verify_finds_look_alike_ids(some: Study) -> None:
    put(some, session_of(Tags("7", "rest"), number=5))
    assert "subjects '07' and '7' differ by case or leading zeros only" in faults(some)[0]


def test_verify_compares_participants_both_ways(some: Study) -> None:
    table = some.folder / "participants.tsv"
    table.write_text("participant_id\nsub-07\nsub-08\nsub-09\n")
    assert remarks(some) == ["participants.tsv: subject 09 has no session"]
    table.write_text("participant_id\nsub-07\n")
    assert faults(some) == ["participants.tsv: no row for subject 08, who has sessions"]
    table.write_text("name\nsub-07\n")
    assert "participants.tsv, line 1" in faults(some)[0]


def test_verify_finds_what_the_protocol_does_not_know(some: Study) -> None:
    (some.folder / "study.yaml").write_text("format_version: '1.0'\nname: a\nprotocol: ewing\n")
    text = "\n".join(faults(some))
    assert "sub-07_visit-1_cond-exercise_take-1.h5: protocol ewing: unknown condition 'exercise'" in text
    (some.folder / "study.yaml").write_text("format_version: '1.0'\nname: a\nprotocol: own.yaml\n")
    assert any("own.yaml" in fault for fault in faults(some))


def test_verify_says_what_is_stale(some: Study) -> None:
    exclude.run(some.folder, "07_visit-1_cond-rest", reason="asleep")
    (remark,) = remarks(some)
    assert remark.startswith("dataset.h5: the study has changed since")


def test_verify_looks_at_runs(some: Study) -> None:
    for name in ("001", "002", "003", "004"):
        (some.runs_folder / name).mkdir(parents=True)
    card = some.runs_folder / "001" / "run.json"
    card.write_text(json.dumps({"dataset_sha256": "0" * 64}))
    (some.runs_folder / "001" / "weights.safetensors").touch()
    shutil.copy(card, some.runs_folder / "002")
    (some.runs_folder / "003" / "run.json").write_text("[" * 100_000)
    found = {(item.where, item.severity): item.text for item in verify.run(some.folder).findings}
    assert "trained with another data set" in found.pop(("runs/001", "remark"))
    assert "trained with another data set" in found.pop(("runs/002", "remark"))
    assert "missing" in found.pop(("runs/002/weights.safetensors", "fault"))
    assert "can't be read" in found.pop(("runs/003/run.json", "fault"))
    assert "under way" in found.pop(("runs/004", "remark"))
    assert not found


def test_verify_reports_what_is_left_over_and_strangers(some: Study) -> None:
    (some.sessions_folder / ".partial-0123456789abcdef.h5").touch()
    (some.sessions_folder / "sub-07 (copy).h5.bak").touch()
    (some.folder / ".staged").mkdir()
    assert remarks(some) == [
        ".staged: not finished: of a command that is running, or was killed",
        "sessions/.partial-0123456789abcdef.h5: not finished: of a command that is running, or was killed",
        "sessions/sub-07 (copy).h5.bak: not a session file; ecgkit does not look at it",
    ]


def test_verify_finishes_what_a_killed_command_had_begun(some: Study) -> None:
    (some.folder / ".staged").mkdir()
    (some.folder / ".staged" / "list.json").write_text('{"put": [], "remove": ["dataset.h5"]}')
    assert verify.run(some.folder).dataset is False
    (some.folder / ".staged").mkdir()
    (some.folder / ".staged" / "list.json").write_text('{"put": [], "remove": ["../x"]}')
    assert "not what an interrupted change leaves" in faults(some)[0]


@POSIX
def test_verify_finds_links_out_of_the_study(some: Study, tmp_path: Path) -> None:
    path = session_path(some, Tags("07", "rest"))
    shutil.move(path, tmp_path / path.name)
    path.symlink_to(tmp_path / path.name)
    (some.folder / "etc").symlink_to("/etc")
    assert {fault.partition(":")[0] for fault in faults(some)} == {f"sessions/{path.name}", "etc"}
    path.unlink()
    shutil.move(some.sessions_folder, tmp_path / "sessions")
    some.sessions_folder.symlink_to(tmp_path / "sessions")
    assert verify.run(some.folder).n_sessions == 0


def test_verify_finds_a_broken_log(some: Study) -> None:
    (some.folder / "changes.jsonl").write_text("nonsense\n")
    assert faults(some)[0].startswith("changes.jsonl: ")


def test_verify_reads_labels_as_a_build_does(some: Study) -> None:
    some.labels_path.write_text("subject\tgroup\n07\ta\n08\tb\n")
    assert faults(some) == []
    for text, fault in (
        ("subject\tgroup\n7\ta\n", "unknown subject '7'. Did you mean '07'?"),
        ("subject\tgroup\n07\ta\n07\tb\n", "expected one value"),
        ("subject\tquality\n07\ta\n", "label 'quality': the data set has something of this name already"),
        ("subject\t" + "\t".join(map("l{}".format, range(65))) + "\n", "65 labels, expected at most 64"),
    ):
        some.labels_path.write_text(text)
        (found,) = faults(some)
        assert found.startswith("labels.tsv: ")
        assert fault in found


@POSIX
def test_verify_does_not_follow_labels_out_of_the_study(some: Study, tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("subject\tgroup\n07\ta\n")
    some.labels_path.symlink_to(tmp_path / "labels.tsv")
    assert all(found.startswith("labels.tsv: ") and "a link out of" in found for found in faults(some))
