"""Many sessions in one call: from tables, names, markers and times; conflicts, faults, options."""

from __future__ import annotations

import csv
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ecgkit.errors import ConfigError, ReadError, StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.protocol.model import load_protocol
from ecgkit.readers.options import AS_STATED
from ecgkit.records import Tags
from ecgkit.simulate.acq_writer import AcqChannel, AcqMarker, write_acq
from ecgkit.stages.ingest import IngestOptions, call, place, run_all
from ecgkit.stages.ingest.asked import Asked
from ecgkit.stages.ingest.plan import FileFacts, Placed
from ecgkit.stages.ingest.prepare import FileTask, SessionTask, TakeOptions, look_at, prepare
from ecgkit.stages.ingest.summary import IngestSummary
from ecgkit.study.changing import read_log
from ecgkit.study.folder import open_study, read_participants
from ecgkit.study.kept import Keep
from ecgkit.study.pseudonym import pseudonym
from ecgkit.study.session_file import read_headers, read_observations, read_session, write_session

FS = 250.0
RATES_BPM = {"rest": 60.0, "exercise": 120.0, "deep_breathing": 75.0}
SECONDS = 20.0
PATTERN = "S{subject}_{condition}.acq"
KEY = b"0123456789abcdef" * 2


def beats(condition: str, *, seed: int = 0, duration_s: float = SECONDS) -> np.ndarray:
    """Narrow beats with a little noise, mV."""
    t = np.arange(round(duration_s * FS)) / FS
    phase_s = (t % (60 / RATES_BPM[condition])) - 30 / RATES_BPM[condition]
    noise = np.random.default_rng(seed).normal(size=len(t)) * 0.002
    return np.exp(-(phase_s**2) / (2 * 0.012**2)) + noise


def acq(path: Path, samples: np.ndarray, *markers: AcqMarker, journal: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = [AcqChannel(samples, "ECG", "mV"), AcqChannel(samples[::-1].copy(), "Resp", "Volts")]
    write_acq(path, channels, fs=FS, markers=list(markers), journal=journal)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of two subjects in three conditions, and a table of them. Read only."""
    folder = tmp_path_factory.mktemp("files")
    with (folder / "sessions.csv").open("w", newline="", encoding="utf-8") as text:
        rows = csv.writer(text)
        rows.writerow(("file", "subject", "condition"))
        for seed, subject in enumerate(("01", "02")):
            for condition in RATES_BPM:
                acq(folder / f"S{subject}_{condition}.acq", beats(condition, seed=seed))
                rows.writerow((f"S{subject}_{condition}.acq", subject, condition))
    return folder


def take(study: Path, asked: Asked, **options: object) -> IngestSummary:
    return run_all(asked, study_folder=study, options=IngestOptions(**{"jobs": 1, **options}))


def table(path: Path, *rows: str) -> Asked:
    path.write_text("\n".join(("file,subject,condition,visit,take,start,stop", *rows)), encoding="utf-8")
    return Asked(table=path)


def outcomes(summary: IngestSummary) -> list[str]:
    return [session.outcome for session in summary.sessions]


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "study.yaml"  # which has the folder's name
    }


def samples(study: Path) -> dict[str, list[np.ndarray]]:
    sessions = [read_session(path) for path in open_study(study).session_paths()]
    return {s.tags.key: [channel.read_raw() for channel in s.recording.channels] for s in sessions}


def test_run_all_takes_the_same_by_table_by_name_and_by_markers(files: Path, tmp_path: Path) -> None:
    summary = take(tmp_path / "table", Asked(table=files / "sessions.csv"))
    assert summary.counts == {"ingested": 6}
    assert sorted(read_participants(open_study(tmp_path / "table"))) == ["01", "02"]
    take(tmp_path / "names", Asked((files,), pattern=PATTERN))
    assert content(tmp_path / "names") == content(tmp_path / "table")
    pause = np.zeros(500)
    for seed, subject in enumerate(("01", "02")):
        whole, markers = [pause], []
        for condition in RATES_BPM:
            label = condition.replace("_", " ")
            markers.append(AcqMarker(sum(map(len, whole)), f"{label} start"))
            whole.append(beats(condition, seed=seed))
            markers.append(AcqMarker(sum(map(len, whole)), f"{label} stop"))
            whole.append(pause)
        file = acq(tmp_path / f"{subject}.acq", np.concatenate(whole), *markers)
        summary = take(tmp_path / "markers", Asked((file,), from_markers=True, said={"subject": subject}))
        assert summary.counts == {"ingested": 3}
    expected, found = samples(tmp_path / "table"), samples(tmp_path / "markers")
    assert found.keys() == expected.keys()
    for key in expected:
        np.testing.assert_array_equal(found[key][0], expected[key][0])
    starts_s = [header.span_s for header in read_headers(open_study(tmp_path / "markers"))][:3]
    assert starts_s == [(46, 66), (24, 44), (2, 22)]


def test_run_all_again_changes_nothing_and_looks_at_no_signal(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(tmp_path / "study", Asked(table=files / "sessions.csv"))
    before = content(tmp_path / "study")
    monkeypatch.setattr("ecgkit.stages.ingest.prepare.observe", None)
    summary = take(tmp_path / "study", Asked((files,), pattern=PATTERN))
    assert summary.counts == {"already there": 6, "skipped": 1}
    assert content(tmp_path / "study") == before


def test_run_all_side_by_side_makes_the_same_study(files: Path, tmp_path: Path) -> None:
    asked = Asked(table=files / "sessions.csv")
    take(tmp_path / "one", asked)
    take(tmp_path / "two", asked, jobs=2)
    with ThreadPoolExecutor(3) as threads:
        run_all(asked, study_folder=tmp_path / "threads", executor=threads)
    assert content(tmp_path / "one") == content(tmp_path / "two") == content(tmp_path / "threads")


def test_run_all_does_the_rest_when_some_fail(files: Path, tmp_path: Path) -> None:
    flat = acq(tmp_path / "flat.acq", np.zeros(5000))
    asked = table(
        tmp_path / "t.csv",
        f"{files}/S01_rest.acq,01,Rest,,,,",
        f"{flat},01,exercise,,,,",
        "none.acq,01,deep-breathing,,,,",
        f"{files}/S02_rest.acq,02,rst,,,,",
        f"{files}/S02_rest.acq,02,rest,,,0:05,0:21",
        f"{files}/S02_exercise.acq,02,exercise,,,0:05,0:15",
    )
    summary = take(tmp_path / "study", asked)
    assert outcomes(summary) == ["ingested", "failed", "failed", "failed", "failed", "ingested"]
    for session, message in zip(
        summary.left_out,
        ("flat from start", "no such file", "unknown condition 'rst'", "within the 20 s"),
        strict=True,
    ):
        assert message in str(session.error)
    assert [session.where for session in summary.left_out] == [f"t.csv, line {n}" for n in (3, 4, 5, 6)]
    session = read_session(tmp_path / "study" / "sessions" / "sub-02_visit-1_cond-exercise_take-1.h5")
    assert (session.span_s, session.recording.duration_s) == ((5, 15), 10)
    assert sorted(summary.verdicts or {}) == [s.tags.key for s in summary.sessions if s.tags and s.header]


def test_run_all_refuses_conflicts_before_anything_is_written(files: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.acq"
    copy.write_bytes((files / "S01_rest.acq").read_bytes())
    asked = table(
        tmp_path / "t.csv",
        f"{files}/S01_rest.acq,01,rest,,,,",
        "copy.acq,02,rest,,,0:01,0:10",
        f"{files}/S02_exercise.acq,02,exercise,,,,",
        f"{files}/S01_exercise.acq,02,exercise,,,,",
        f"{files}/S02_deep_breathing.acq,02,deep_breathing,,,,",
    )
    summary = take(tmp_path / "study", asked)
    assert outcomes(summary) == ["refused", "refused", "refused", "refused", "ingested"]
    assert "the same samples are given to copy.acq (t.csv, line 3)" in str(summary.sessions[0].error)
    assert "the same tags are given to S02_exercise.acq (t.csv, line 4)" in str(summary.sessions[3].error)


def test_run_all_of_nothing_that_can_be_taken_leaves_no_folder(tmp_path: Path) -> None:
    summary = take(tmp_path / "study", table(tmp_path / "t.csv", "none.acq,01,rest,,,,"))
    assert outcomes(summary) == ["failed"]
    assert not (tmp_path / "study").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    take(tmp_path / "mine", table(tmp_path / "t.csv", "none.acq,01,rest,,,,"))
    assert content(tmp_path / "mine") == {"notes.txt": b""}


def test_run_all_dry_says_what_would_be_and_writes_nothing(files: Path, tmp_path: Path) -> None:
    asked, study = Asked(table=files / "sessions.csv"), tmp_path / "study"
    assert take(study, asked, dry_run=True).counts == {"new": 6}
    assert not study.exists()
    take(study, Asked((files / "S01_rest.acq",), said={"subject": "01", "condition": "rest"}))
    take(study, Asked((files / "S01_exercise.acq",), said={"subject": "02", "condition": "rest"}))
    before = content(study)
    summary = take(study, asked, dry_run=True)
    assert summary.counts == {"new": 3, "already there": 1, "refused": 2}
    assert take(study, asked, dry_run=True, replace=True).counts == {"new": 3, "replaces": 3}
    other = IngestOptions(TakeOptions(keep=Keep(source_name=True)), dry_run=True, jobs=1)
    summary = run_all(asked, study_folder=study, options=other)
    assert "read in another way: the source's name is left out there, kept now" in str(
        summary.sessions[0].error
    )
    assert content(study) == before


def test_run_all_refuses_parts_of_a_file_that_is_in_then_replaces_and_logs(
    files: Path, tmp_path: Path
) -> None:
    file, study = files / "S01_rest.acq", tmp_path / "study"
    take(study, Asked((file,), said={"subject": "01", "condition": "rest"}))
    parts = table(tmp_path / "t.csv", f"{file},01,rest,,,0,10", f"{file},01,rest,,2,10,20")
    summary = take(study, parts)
    rest = Tags("01", "rest")
    assert [str(session.error) for session in summary.sessions] == [
        f"{study}: {rest.key} is there already, from all of this very file, now from seconds 0 to 10. To "
        "replace it: --replace",
        f"{study}: this very file is in the study as {rest.key}, seconds 10 to 20 of it overlap that and are "
        "now tagged sub-01_visit-1_cond-rest_take-2. If the new tags are the right ones, repeat with "
        "--replace",
    ]
    whole = read_headers(open_study(study))[0]
    assert outcomes(take(study, parts, replace=True)) == ["replaced", "ingested"]
    assert [header.span_s for header in read_headers(open_study(study))] == [(0, 10), (10, 20)]
    (entry,) = read_log(open_study(study))
    assert (entry["action"], entry["session"], entry["to"]) == ("replace", rest.key, rest.key)
    assert entry["sha256"] == entry["new_sha256"] == whole.sha256
    assert outcomes(take(study, parts)) == ["already there"] * 2
    with pytest.raises(
        StudyError, match=r"seconds 0 to 10 of this very file are in the study as .*, all of it"
    ):
        take(study, Asked((file,), said={"subject": "01", "condition": "rest", "take": "3"}))
    assert outcomes(take(study, parts, replace=True)) == ["replaced"] * 2
    assert len(read_log(open_study(study))) == 1  # nothing was new


def test_run_all_with_swapped_labels_put_right_keeps_exclusions(files: Path, tmp_path: Path) -> None:
    study, table_file = tmp_path / "study", tmp_path / "t.csv"
    rest, run = f"{files}/S01_rest.acq,01,", f"{files}/S01_exercise.acq,01,"
    take(study, table(table_file, f"{rest}exercise,,,,", f"{run}rest,,,,"))
    excluded = (Exclusion(2.0, 4.0, "coughed"),)
    for header in read_headers(open_study(study)):
        session = dataclasses.replace(read_session(header.path), excluded=excluded)
        part = tmp_path / header.path.name
        write_session(part, session, read_observations(header.path))
        part.replace(header.path)
    asked = table(table_file, f"{rest}rest,,,,", f"{run}exercise,,,,")
    assert outcomes(take(study, asked)) == ["refused", "refused"]
    assert outcomes(take(study, asked, replace=True)) == ["replaced", "ingested"]
    headers = read_headers(open_study(study))
    assert [(header.tags.condition, header.excluded) for header in headers] == [
        ("exercise", excluded),
        ("rest", excluded),
    ]
    assert headers[0].heart_rate_bpm == pytest.approx(120, abs=1)


class Heard:
    """Remembers the notes on progress."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []

    def start(self, task: str, total: int) -> None:
        self.notes.append((task, str(total)))

    def advance(self, task: str, note: str = "") -> None:
        self.notes.append((task, note))


def test_run_all_takes_the_reference_of_a_visit_first_and_hashes_a_file_once(
    files: Path, tmp_path: Path
) -> None:
    run, rest = files / "S01_exercise.acq", files / "S02_rest.acq"
    asked = table(
        tmp_path / "t.csv", f"{run},01,exercise,,,0,10", f"{rest},02,rest,,,,", f"{run},01,rest,,,10,20"
    )
    heard = Heard()
    run_all(asked, study_folder=tmp_path / "study", options=IngestOptions(jobs=1), progress=heard)
    assert heard.notes == [
        ("look at files", "2"),
        ("look at files", run.name),
        ("look at files", rest.name),
        ("ingest", "3"),
        ("ingest", "sub-01_visit-1_cond-rest_take-1"),
        ("ingest", "sub-01_visit-1_cond-exercise_take-1"),
        ("ingest", "sub-02_visit-1_cond-rest_take-1"),
    ]


def test_run_all_strict_refuses_what_fails_the_protocol(files: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "name: mine\ntitle: mine\nlead: {name: I}\nmains_hz: 50\nfs_hz: 250\nconditions:\n"
        "  rest: {label: Rest, duration_s: 20, least_duration_s: 10, reference: true}\n"
        "  exercise:\n    label: Run\n    duration_s: 20\n    least_duration_s: 10\n"
        "    checks: [{measure: above_rest_bpm, pass_range: [10, null], source: ours}]\n"
    )
    rows = (
        f"{files}/S02_rest.acq,01,exercise,,,,",  # no exercise, by the rest that is further down
        f"{files}/S01_rest.acq,01,rest,,,,",
        f"{files}/S02_exercise.acq,02,exercise,,,,",
    )
    asked = table(tmp_path / "t.csv", *rows)
    strict = take(tmp_path / "study", asked, strict=True, protocol=str(mine))
    assert outcomes(strict) == ["refused", "ingested", "ingested"]
    assert "fail: mean heart rate above the subject's rest" in str(strict.sessions[0].error)
    assert "refused by --strict" in str(strict.sessions[0].error)
    summary = take(tmp_path / "study", asked)
    assert outcomes(summary) == ["ingested", "already there", "already there"]
    assert list(summary.doubtful) == [f"sub-{who}_visit-1_cond-exercise_take-1" for who in ("01", "02")]
    assert summary.sessions[2].compliance is not None
    assert summary.sessions[2].compliance.verdict == "not judged"


def exclude_in(study: Path, condition: str, *spans: Exclusion, tmp: Path) -> None:
    """Let these be what is excluded of subject 01's session."""
    path = study / "sessions" / f"{Tags('01', condition).key}.h5"
    session = dataclasses.replace(read_session(path), excluded=spans)
    write_session(tmp / path.name, session, read_observations(path))
    (tmp / path.name).replace(path)


END = float("inf")


@pytest.fixture
def cut(files: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A study of three sessions of one file, each with something excluded, and the file."""
    file, study = files / "S01_rest.acq", tmp_path / "study"
    parts = {"rest": "0,6", "exercise": "6,13", "deep_breathing": "13,20"}
    take(study, table(tmp_path / "cut.csv", *(f"{file},01,{key},,,{at}" for key, at in parts.items())))
    exclude_in(study, "rest", Exclusion(1.5, 2.5, "coughed"), Exclusion(5.0, END, "spoke"), tmp=tmp_path)
    exclude_in(study, "exercise", Exclusion(0.0, END, "cable"), tmp=tmp_path)
    return study, file


def test_run_all_replace_lists_what_is_no_more_and_keeps_what_was_excluded(
    cut: tuple[Path, Path], tmp_path: Path
) -> None:
    study, file = cut
    whole = Asked((file,), said={"subject": "01", "condition": "deep_breathing"})
    excluded = (
        Exclusion(1.5, 2.5, "coughed"),
        Exclusion(5.0, 6.0, "spoke"),
        Exclusion(6.0, 13.0, "cable"),
    )
    for dry_run in (True, False):
        (session,) = take(study, whole, replace=True, dry_run=dry_run).sessions
        assert session.excluded == excluded
        assert sorted((old.tags.condition, old.span_s) for old in session.replaced) == [
            ("deep_breathing", (13, 20)),
            ("exercise", (6, 13)),
            ("rest", (0, 6)),
        ]
        assert session.replaced_text.endswith("exclusions: 3 before, 3 now")
        shown = json.loads(json.dumps(session.as_json(), allow_nan=False))
        assert [old["span_s"] for old in shown["replaced"]] == [[13, 20], [6, 13], [0, 6]]
        assert {"start_s": 5.0, "stop_s": None, "reason": "spoke"} in shown["replaced"][2]["excluded"]
        assert shown["excluded"][1] == {"start_s": 5.0, "stop_s": 6.0, "reason": "spoke"}
    (header,) = read_headers(open_study(study))
    assert (header.span_s, header.excluded) == (None, excluded)
    assert take(study, whole, replace=True).sessions[0].replaced == ()  # itself, anew


def test_run_all_replace_moves_edges_and_keeps_what_was_excluded(
    cut: tuple[Path, Path], tmp_path: Path
) -> None:
    study, file = cut
    moved = table(
        tmp_path / "moved.csv",
        f"{file},01,rest,,,2,6.1",
        f"{file},01,exercise,,,6.1,13.2",
        f"{file},01,deep_breathing,,,13.2,20",
    )
    summary = take(study, moved, replace=True)
    assert [[old.tags.condition for old in session.replaced] for session in summary.sessions] == [
        ["rest", "exercise"],
        ["deep_breathing"],
        [],  # gone by then
    ]
    assert {h.tags.condition: h.excluded for h in read_headers(open_study(study))} == {
        # the end of rest, and all of exercise, in the tags' own sessions; 0.1 s of exercise in rest now
        "rest": (Exclusion(0.0, 0.5, "coughed"), Exclusion(3.0, END, "spoke"), Exclusion(4.0, END, "cable")),
        "exercise": (Exclusion(0.0, END, "cable"),),
        "deep_breathing": (),
    }


def test_run_all_replace_by_another_file_says_that_exclusions_are_gone(
    cut: tuple[Path, Path], files: Path
) -> None:
    other = Asked((files / "S02_rest.acq",), said={"subject": "01", "condition": "rest"})
    (session,) = take(cut[0], other, replace=True).sessions
    key = Tags("01", "rest").key
    assert session.replaced_text == f"{key}: in place of {key}; exclusions: 2 before, 0 now"


def test_run_all_by_markers_waits_for_a_file_that_failed_lest_takes_shift(
    files: Path, tmp_path: Path
) -> None:
    made = [
        acq(tmp_path / f"{name}.acq", beats("rest", seed=seed), AcqMarker(0, "rest start"))
        for seed, name in enumerate("abc")
    ]
    whole, study = made[0].read_bytes(), tmp_path / "study"
    made[0].write_bytes(whole[:3000])
    asked = Asked(tuple(made), from_markers=True, said={"subject": "07"})
    summary = take(study, asked)
    assert outcomes(summary) == ["failed", "refused", "refused"]
    for session in summary.sessions[1:]:
        assert str(session.error) == (
            f"{session.file}: takes would shift: they are counted from file to file, and a.acq comes first "
            "and failed"
        )
    rows = ("a.acq,07,,,,,", "b.acq,08,,,,,", "c.acq,07,,2,,,", f"{files}/S01_rest.acq,07,rest,3,,,")
    others = dataclasses.replace(table(tmp_path / "t.csv", *rows), from_markers=True)
    assert outcomes(take(tmp_path / "others", others)) == ["failed", "ingested", "ingested", "ingested"]
    made[0].write_bytes(whole)
    assert outcomes(take(study, asked)) == ["ingested"] * 3
    assert outcomes(take(tmp_path / "others", others)) == ["ingested", *["already there"] * 3]


def test_run_all_strict_refuses_what_looks_like_another_condition_also_dry(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    check = "{measure: heart_rate_bpm, source: ours"
    mine.write_text(
        "name: mine\ntitle: mine\nlead: {name: I}\nmains_hz: 50\nfs_hz: 250\nconditions:\n"
        "  rest:\n    label: Rest\n    duration_s: 20\n    least_duration_s: 10\n    reference: true\n"
        f"    checks: [{check}, pass_range: [40, 100]}}]\n"
        "  exercise:\n    label: Run\n    duration_s: 20\n    least_duration_s: 10\n"
        f"    checks: [{check}, pass_range: [100, null], warn_range: [50, null]}}]\n"
    )
    acq(tmp_path / "S01_exercise.acq", beats("rest"))
    acq(tmp_path / "S02_exercise.acq", beats("exercise"))
    asked = Asked((tmp_path,), pattern="S{subject}_{condition}.acq")
    study = tmp_path / "study"
    before = sorted(tmp_path.rglob("*"))
    dry, done = (
        take(study, asked, strict=True, dry_run=dry_run, protocol=str(mine)) for dry_run in (True, False)
    )
    for summary, taken in ((dry, "new"), (done, "ingested")):
        assert outcomes(summary) == ["refused", taken]
        assert str(summary.sessions[0].error) == (
            "sub-01_visit-1_cond-exercise_take-1: warn: mean heart rate 60 beats/min, expected at least 100; "
            "looks like Rest; refused by --strict"
        )
        assert before == sorted(path for path in tmp_path.rglob("*") if study not in (path, *path.parents))
    assert len(read_headers(open_study(study))) == 1
    assert outcomes(take(study, asked, strict=True, dry_run=True)) == ["refused", "already there"]


def test_run_all_leaves_out_what_identifies_anyone_unless_it_is_asked_for(tmp_path: Path) -> None:
    start = AcqMarker(0, "Jane Roe", style="apnd", created=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC))
    file = acq(tmp_path / "Jane.acq", beats("rest"), start, journal="Jane, born 1970")
    asked = Asked((file,), said={"subject": "01", "condition": "rest"})
    take(tmp_path / "without", asked)
    assert b"Jane" not in b"".join(content(tmp_path / "without").values())
    keep = Keep(source_name=True, dates=True, journal=True, marker_texts=True)
    options = IngestOptions(TakeOptions(keep=keep))
    run_all(asked, study_folder=tmp_path / "with", options=options)
    (path,) = open_study(tmp_path / "with").session_paths()
    session = read_session(path)
    assert (session.source_name, session.recording.journal) == ("Jane.acq", "Jane, born 1970")
    assert session.recording.markers[0].text == "Jane Roe"
    assert session.recording.start_time == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    with pytest.raises(StudyError, match="the source's name is left out there, kept now"):
        run_all(asked, study_folder=tmp_path / "without", options=options)
    with pytest.raises(StudyError, match="the source's name is kept there, left out now"):
        take(tmp_path / "with", asked)
    assert run_all(asked, study_folder=tmp_path / "with", options=options).counts == {"already there": 1}


def test_run_all_with_pseudonyms_keeps_no_id_that_was_given(files: Path, tmp_path: Path) -> None:
    key, study = tmp_path / "key", tmp_path / "study"
    key.write_bytes(KEY)
    asked = table(tmp_path / "t.csv", f"{files}/S01_rest.acq,Roe7,rest,,,,")
    summary = take(study, asked, key_file=key)
    made = pseudonym("Roe7", KEY)
    assert [path.name for path in open_study(study).session_paths()] == [f"{Tags(made, 'rest').key}.h5"]
    assert summary.sessions[0].tags == Tags(made, "rest")
    everything = b"".join(content(study).values()) + (study / "study.yaml").read_bytes()
    assert b"roe7" not in everything.lower()
    assert KEY not in everything
    again = table(tmp_path / "t.csv", f"{files}/S01_rest.acq,0roe7,rest,,,,")
    assert outcomes(take(study, again, key_file=key)) == ["already there"]
    with pytest.raises(StudyError, match="the study has pseudonyms"):
        take(study, asked)
    with pytest.raises(ConfigError, match="--pseudonymise: names of files"):
        take(study, asked, key_file=key, take=TakeOptions(keep=Keep(source_name=True)))
    key.write_bytes(KEY[::-1])
    with pytest.raises(StudyError, match="made with another key"):
        take(study, asked, key_file=key)


def test_run_all_with_pseudonyms_checks_the_given_id_and_finds_tags_given_twice(
    files: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY)
    rows = (f"{files}/S01_rest.acq,7,rest,,,,", f"{files}/S02_rest.acq,07,rest,,,,", "none.acq,x y,rest,,,,")
    rows += (f"{files}/S02_exercise.acq,x y,rest,,,,",)
    summary = take(tmp_path / "study", table(tmp_path / "t.csv", *rows), key_file=key)
    assert outcomes(summary) == ["refused", "refused", "failed", "failed"]
    assert "the same tags are given to" in str(summary.sessions[0].error)
    assert "subject id 'x y'" in str(summary.sessions[3].error)


def test_prepare_refuses_a_file_that_changes_meanwhile(files: Path, tmp_path: Path) -> None:
    facts = look_at(FileTask(files / "S01_rest.acq", AS_STATED, None))
    assert isinstance(facts, FileFacts)
    other = dataclasses.replace(facts, stamp=((1, 2),))
    placed = Placed(files / "S01_rest.acq", Tags("01", "rest"), other)
    task = SessionTask(placed, TakeOptions(), load_protocol("dt4ecg"))
    found = prepare(task)
    assert isinstance(found, ReadError)
    assert "was changed while it was read" in str(found)


def test_known_sessions_read_each_header_once(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    read_header = place.read_header
    monkeypatch.setattr(place, "read_header", lambda path: read.append(path) or read_header(path))
    take(tmp_path / "study", Asked(table=files / "sessions.csv"))
    assert sorted(read) == list(open_study(tmp_path / "study").session_paths())


def test_run_all_stops_when_the_disk_is_full(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "prepare", lambda task: OSError(28, "No space left on device"))
    summary = take(tmp_path / "study", Asked(table=files / "sessions.csv"))
    assert {session.outcome for session in summary.sessions} == {"failed"}
    assert all("no space left on the disk" in session.error_text for session in summary.sessions)
    assert not (tmp_path / "study").exists()


def test_summary_as_json_is_plain(files: Path, tmp_path: Path) -> None:
    asked = table(tmp_path / "t.csv", f"{files}/S01_rest.acq,01,rest,,,0,10", "none.acq,01,exercise,,,,")
    shown = json.loads(json.dumps(take(tmp_path / "study", asked).as_json(), allow_nan=False))
    first, second = shown["sessions"]
    assert shown["counts"] == {"ingested": 1, "failed": 1}
    assert (first["session"], first["span_s"]) == ("sub-01_visit-1_cond-rest_take-1", [0, 10])
    assert first["compliance"]["verdict"] == shown["doubtful"][first["session"]]["verdict"] == "fail"
    assert (second["session"], second["outcome"], second["where"]) == (None, "failed", "t.csv, line 3")
    assert "no such file" in second["error"]
