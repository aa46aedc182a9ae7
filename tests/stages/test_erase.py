from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.killed import killed_everywhere
from support.studies import make_study

from ecgkit.cli import main
from ecgkit.errors import DatasetError, StudyError, TrainingError
from ecgkit.files import alone
from ecgkit.records import Tags
from ecgkit.stages import build_dataset, erase, exclude, remove, retag, status, study_page, verify
from ecgkit.stages.build_dataset.cutting import parts_folder
from ecgkit.stages.retag import NewTags
from ecgkit.stages.run_folder import unfinished
from ecgkit.study.changing import changing, read_log
from ecgkit.study.folder import Study, open_study, read_participants
from ecgkit.study.session_file import SessionHeader, read_headers, read_sound_headers, session_path

PART = "0" * 32 + ".h5"
GONE = "gone4711"
STAYS = "stays"
UNFINISHED = ".unfinished-0123456789abcdef"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of two subjects that speaks of one of them in every place it can."""
    study = make_study(
        tmp_path_factory.mktemp("made") / "study", [STAYS, GONE], conditions=("rest", "exercise")
    )
    folder = study.folder
    build_dataset.run(folder)
    sha256 = {header.tags: header.sha256 for header in read_headers(study)}
    write_run(study, "001", [GONE, STAYS])
    write_run(study, "002", [STAYS])
    write_run(study, "003", [STAYS]).joinpath("predictions.csv").write_text(
        f"sub-{GONE}_visit-1_cond-rest_take-1\n"
    )
    write_run(study, "004", [STAYS]).joinpath("run.json").write_text(f"broken, of {GONE}")
    write_run(study, "005", [STAYS]).joinpath("notes.bin").write_bytes(
        b"\0" * 70_000 + sha256[Tags(GONE, "rest")].encode()
    )
    exclude.run(folder, f"{GONE}_visit-1_cond-rest", start_s=1, stop_s=2, reason="loose")
    exclude.run(folder, f"{STAYS}_visit-1_cond-rest", start_s=1, stop_s=2, reason=f"talked to {GONE}")
    for _ in range(2):
        retag.run(
            folder, f"{GONE}_visit-1_cond-rest", NewTags(subject=STAYS), swap=True, reason=f"not {GONE}"
        )
    remove.run(folder, [f"{GONE}_visit-1_cond-exercise"], reason="ill")
    remove.run(folder, [f"{STAYS}_visit-1_cond-exercise"], reason="ill")
    study_page.write_page(status.run(folder))
    (folder / "sessions" / ".partial-0123456789abcdef.h5").write_bytes(f"sub-{GONE}".encode())
    (folder / "runs" / ".partial-0123456789abcdef").mkdir()
    (folder / "runs" / UNFINISHED / "fits").mkdir(parents=True)
    (folder / "reproduce" / "cells" / "one").mkdir(parents=True)
    (folder / "reproduce" / "cells" / "one" / "logits.npz").write_bytes(f"outputs for {GONE}".encode())
    (folder / ".staged").mkdir()
    (folder / ".staged" / f"sub-{GONE}_visit-1_cond-rest_take-1.h5").write_bytes(GONE.encode())
    return study


@pytest.fixture
def some(made: Study, tmp_path: Path) -> Study:
    return open_study(shutil.copytree(made.folder, tmp_path / "study"))


def write_run(study: Study, name: str, subjects: list[str]) -> Path:
    run = study.runs_folder / name
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"subject_labels": subjects, "dataset_sha256": "0" * 64}))
    (run / "weights.safetensors").touch()
    return run


def content(study: Study) -> dict[Path, bytes]:
    found = (path for path in study.folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in found}


def speaks_of(folder: Path, *texts: str) -> list[str]:
    """Every file that holds one of the texts anywhere, or has it in its name."""
    return [
        f"{path.relative_to(folder)}: {text}"
        for path in folder.rglob("*")
        for text in texts
        if text in path.name or (path.is_file() and text.encode() in path.read_bytes())
    ]


def test_erase_leaves_no_trace_but_the_fact(some: Study) -> None:
    headers = [header for header in read_headers(some) if header.tags.subject == GONE]
    hashes = {entry["sha256"] for entry in read_log(some) if GONE in entry["session"] and "to" not in entry}
    traces = {GONE, *hashes, *(h.sha256 for h in headers), *(h.content_sha256 for h in headers)}
    assert len(hashes) == 2
    assert all(speaks_of(some.folder, trace) for trace in traces)
    done = erase.run(some.folder, GONE)
    assert done.sessions == (f"sub-{GONE}_visit-1_cond-rest_take-1",)
    assert (done.participant, done.dataset, done.page, done.done) == (True, True, True, True)
    assert done.runs == ("001", "003", "004", "005")
    assert (done.trainings, done.reproduce) == ((UNFINISHED,), True)
    assert done.others == ()
    assert speaks_of(some.folder, *traces) == []
    assert not some.dataset_path.exists()
    assert [run.name for run in some.runs_folder.iterdir()] == ["002"]
    assert not (some.folder / "reproduce").exists()
    last = read_log(some)[-1]
    assert (last.pop("at")[:2], last) == ("20", {"action": "erase", "sessions": 1})
    assert verify.run(some.folder).is_sound


def test_erase_keeps_what_is_of_others(some: Study) -> None:
    path = session_path(some, Tags(STAYS, "rest"))
    sha256, before = read_headers(some)[-1].sha256, read_log(some)
    erase.run(some.folder, GONE)
    (header,) = read_headers(some)
    assert (header.path, header.sha256, header.tags) == (path, sha256, Tags(STAYS, "rest"))
    assert header.excluded[0].reason == "talked to …"
    assert set(read_participants(some)) == {STAYS}
    kept = read_log(some)[:-1]
    assert [entry["action"] for entry in kept] == ["exclude", "retag", "retag", "remove"]
    assert [entry["session"] for entry in kept[:3]] == [
        f"sub-{STAYS}_visit-1_cond-rest_take-1",
        f"sub-{STAYS}_visit-1_cond-rest_take-1",
        None,
    ]
    assert kept[1]["to"] is None
    assert kept[0]["reason"] is kept[1]["reason"] is None
    assert kept[3] in before


def test_erase_plan_says_what_would_go_and_clears_only_what_was_left_over(some: Study) -> None:
    (some.folder / "my notes.txt").write_text(f"sub-{GONE} was late")
    before = content(some)
    found = erase.plan(some.folder, GONE)
    assert (found.runs, found.others, found.done) == (("001", "003", "004", "005"), ("my notes.txt",), False)
    assert (found.trainings, found.reproduce) == ((UNFINISHED,), True)
    assert found.reasons == (f"sub-{STAYS}_visit-1_cond-rest_take-1",)
    left_over = {path for path in before if ".partial" in str(path) or ".staged" in str(path)}
    assert len(left_over) == 2
    assert content(some) == {path: data for path, data in before.items() if path not in left_over}


def test_erase_finds_a_subject_who_is_left_in_the_log_only(some: Study) -> None:
    remove.run(some.folder, [], subject=GONE, reason="ill")
    erase.run(some.folder, GONE)
    assert speaks_of(some.folder, GONE) == []


def test_erase_of_a_number_spares_what_only_has_this_number_in_it(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", ["1", "2"], conditions=("rest",))
    with changing(study) as change:
        change.note("exclude", session="sub-2_visit-1_cond-rest_take-1", sha256="a" * 64, reason="visit 12")
    build_dataset.run(study.folder)
    write_run(study, "001", ["2"])
    before = session_path(study, Tags("2", "rest")).read_bytes()
    found = erase.run(study.folder, "1")
    assert (found.log_entries, found.runs, found.dataset) == (0, (), True)
    assert session_path(study, Tags("2", "rest")).read_bytes() == before
    assert len(read_log(study)) == 2


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX has them")
def test_erase_that_was_killed_leaves_no_trace_when_asked_again(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", [GONE, STAYS], conditions=("rest",))
    exclude.run(study.folder, STAYS, reason=f"talked to {GONE}")
    write_run(study, "001", [GONE, STAYS])
    left_parts(study.folder / "sets" / "mine.h5")
    script, imports = f"erase.run(folder, {GONE!r})", "from ecgkit.stages import erase"
    _, killed = killed_everywhere(study.folder, script, imports=imports, every=4)
    assert len(killed) > 5
    for folder in killed:
        try:
            erase.plan(folder, GONE)
        except StudyError:  # all of it counted already
            assert speaks_of(folder, GONE) == []
        else:
            erase.run(folder, GONE)
        assert speaks_of(folder, GONE) == []
        assert not [*folder.rglob(PART)]
        assert verify.run(folder).is_sound


def test_erase_of_nobody_is_refused(some: Study) -> None:
    with pytest.raises(StudyError, match="nothing of subject 'gone' in this study"):
        erase.run(some.folder, "gone")


def test_erase_is_done_whoever_has_a_damaged_file(some: Study) -> None:
    own, other = (session_path(some, Tags(who, "rest")) for who in (GONE, STAYS))
    for path in (own, other):
        path.write_bytes(path.read_bytes()[:3000])
    done = erase.run(some.folder, GONE)
    assert done.done
    assert own.stem in done.sessions
    assert not own.exists()
    assert other.exists()


def test_erase_takes_the_subjects_rows_out_of_labels(some: Study) -> None:
    some.labels_path.write_text(f'Subject;Group;Partner\n{GONE};a;\n{STAYS};"b ""c""";\nsub-{GONE};;x\n')
    assert erase.plan(some.folder, GONE).labels == 2
    done = erase.run(some.folder, GONE)
    assert (done.labels, done.others) == (2, ())
    assert some.labels_path.read_text() == f'subject\tgroup\tpartner\n{STAYS}\t"b ""c"""\tn/a\n'
    assert speaks_of(some.folder, GONE) == []


def test_erase_leaves_labels_of_others_as_they_are(some: Study) -> None:
    some.labels_path.write_text(f"Subject,Group\n{STAYS},b\n")
    assert erase.run(some.folder, GONE).labels == 0
    assert some.labels_path.read_text() == f"Subject,Group\n{STAYS},b\n"


@pytest.mark.parametrize(
    "text",
    [f"subject\tpartner\n{STAYS}\tsub-{GONE}\n", f'subject\tgroup\n"{GONE}\ta\n', f"{GONE},{STAYS}\n"],
    ids=["in another's row", "no table", "no labels"],
)
def test_erase_names_labels_that_it_can_not_put_right(some: Study, text: str) -> None:
    some.labels_path.write_text(text)
    done = erase.run(some.folder, GONE)
    assert (done.labels, done.others) == (0, ("labels.tsv",))
    assert some.labels_path.read_text() == text


def test_erase_finds_a_subject_who_is_in_the_labels_only(some: Study) -> None:
    erase.run(some.folder, GONE)
    some.labels_path.write_text(f"subject\tgroup\n{GONE}\ta\n")
    assert erase.run(some.folder, GONE).labels == 1
    assert speaks_of(some.folder, GONE) == []


def left_parts(target: Path) -> Path:
    """What an interrupted build of a data set leaves beside it."""
    folder = target.with_name(f".{target.name}.parts")
    folder.mkdir(parents=True)
    for name in (PART, ".lock", ".partial-0123456789abcdef.h5"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("name", ["dataset.h5", "other.h5"])
def test_erase_takes_the_windows_that_an_interrupted_build_left(some: Study, name: str) -> None:
    parts = left_parts(some.folder / name)
    assert [item.where for item in verify.run(some.folder).findings if "of a build" in item.text] == [
        parts.name
    ]
    assert erase.run(some.folder, GONE).parts == (parts.name,)
    assert not parts.exists()


def test_erase_takes_what_builds_left_in_folders_of_the_study(some: Study, tmp_path: Path) -> None:
    parts, outside = (
        left_parts(some.folder / "sets" / "a" / "mine.h5"),
        left_parts(tmp_path / "b" / "mine.h5"),
    )
    half_written = some.folder / "sets" / "a" / ".partial-0123456789abcdef.h5"
    half_written.touch()
    (some.folder / "linked").symlink_to(outside.parent)
    (some.folder / ".linked.h5.parts").symlink_to(outside)
    (parts / "notes.txt").write_text("mine")
    assert erase.run(some.folder, GONE).parts == ("sets/a/.mine.h5.parts",)
    assert [path.name for path in parts.iterdir()] == ["notes.txt"]
    assert not half_written.exists()
    assert len(list(outside.iterdir())) == 3


def test_erase_plan_lists_parts_and_leaves_them(some: Study) -> None:
    parts = [left_parts(some.folder / name) for name in ("sets/mine.h5", "dataset.h5")]
    assert erase.plan(some.folder, GONE).parts == (".dataset.h5.parts", "sets/.mine.h5.parts")
    for ask in (erase.plan, erase.run):  # of nobody: nothing is erased
        with pytest.raises(StudyError, match="nothing of subject 'gone'"):
            ask(some.folder, "gone")
    assert all((folder / PART).exists() for folder in parts)


@pytest.mark.parametrize("name", ["dataset.h5", "sets/mine.h5"])
def test_erase_beside_a_build_erases_nothing_and_says_so(some: Study, name: str) -> None:
    other = left_parts(some.folder / "other.h5")
    with parts_folder(some.folder / name) as parts:
        (parts / PART).touch()
        erase.plan(some.folder, GONE)  # may be looked at
        before = content(some)
        with pytest.raises(
            StudyError, match=r"is being built in this study; nothing was erased\. Wait until"
        ):
            erase.run(some.folder, GONE)
        assert content(some) == before
    assert (other / PART).exists()
    assert erase.run(some.folder, GONE).done
    assert speaks_of(some.folder, GONE) == []


def test_no_data_set_is_built_while_somebody_is_erased(some: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def read_while_another_builds(study: Study) -> tuple[tuple[SessionHeader, ...], dict[Path, StudyError]]:
        with pytest.raises(DatasetError, match=r"dataset\.h5: another ecgkit is building it") as error:
            build_dataset.run(study.folder)
        refused.append(error)
        return read_sound_headers(study)

    monkeypatch.setattr(erase, "read_sound_headers", read_while_another_builds)
    erase.run(some.folder, GONE)
    assert len(refused) == 1
    assert not some.dataset_path.exists()


def test_erase_takes_a_run_with_the_parts_in_it(some: Study) -> None:
    left_parts(some.runs_folder / "001" / "mine.h5")
    assert erase.run(some.folder, GONE).done
    assert not (some.runs_folder / "001").exists()


BUSY = {
    "a training": ("a training is under way", Path("runs", UNFINISHED, ".lock")),
    "a fit of a reproduction": (
        "reproduce is at work",
        Path("reproduce", "cells", ".fit-0123456789abcdef.lock"),
    ),
}


@pytest.mark.parametrize(("why", "lock"), BUSY.values(), ids=BUSY)
def test_erase_beside_a_training_erases_nothing_and_says_so(some: Study, why: str, lock: Path) -> None:
    with alone(some.folder / lock, wait_s=0):
        assert erase.plan(some.folder, GONE).trainings == (UNFINISHED,)  # may be looked at
        before = content(some)
        with pytest.raises(StudyError, match=f"{why} in this study; nothing was erased. Wait until that"):
            erase.run(some.folder, GONE)
        after = content(some)
    assert {path for path in before if path.suffix != ".lock"} == {p for p in after if p.suffix != ".lock"}
    assert all(before[path] == data for path, data in after.items())
    assert erase.run(some.folder, GONE).done
    assert [run.name for run in some.runs_folder.iterdir()] == ["002"]


def test_no_training_goes_on_while_somebody_is_erased(some: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def read_while_another_trains(study: Study) -> tuple[tuple[SessionHeader, ...], dict[Path, StudyError]]:
        key = UNFINISHED.removeprefix(".unfinished-")
        with (
            pytest.raises(TrainingError, match="the same training is under way") as error,
            unfinished(study.runs_folder, None, key),
        ):
            pass
        refused.append(error)
        return read_sound_headers(study)

    monkeypatch.setattr(erase, "read_sound_headers", read_while_another_trains)
    assert erase.run(some.folder, GONE).trainings == (UNFINISHED,)
    assert len(refused) == 1
    assert not (some.runs_folder / UNFINISHED).exists()


def test_erase_of_nobody_leaves_trainings_and_the_reproduction(some: Study) -> None:
    with pytest.raises(StudyError, match="nothing of subject 'gone'"):
        erase.run(some.folder, "gone")
    assert (some.runs_folder / UNFINISHED / "fits").is_dir()
    assert (some.folder / "reproduce" / "cells" / "one" / "logits.npz").is_file()


def test_erase_does_not_follow_links_of_a_reproduction(some: Study, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "logits.npz").write_bytes(f"sub-{GONE}".encode())
    (some.folder / "reproduce" / "linked").symlink_to(outside)
    linked = open_study(shutil.copytree(some.folder, tmp_path / "linked", symlinks=True))
    assert erase.run(some.folder, GONE).reproduce
    assert not (some.folder / "reproduce").exists()
    assert (outside / "logits.npz").is_file()
    shutil.rmtree(linked.folder / "reproduce")
    (linked.folder / "reproduce").symlink_to(outside)
    done = erase.run(linked.folder, GONE)
    assert (done.reproduce, done.others) == (False, ("reproduce",))
    assert (linked.folder / "reproduce" / "logits.npz").is_file()


def test_erasure_as_json_says_what_goes(some: Study) -> None:
    shown = erase.plan(some.folder, GONE).as_json()
    assert (shown["trainings"], shown["reproduce"]) == ((UNFINISHED,), True)


def test_remove_erase_prints_trainings_and_the_reproduction(
    some: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["remove", "--subject", GONE, "--erase", "--dry-run", "--study", str(some.folder)])
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert f"  runs/{UNFINISHED}, an interrupted training" in shown
    assert "  reproduce/, which has the outputs for everybody" in shown
