"""``ecgkit ingest`` as a user runs it, and as a careless one does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ecgkit.cli import ecgkit, main
from ecgkit.errors import EcgkitError
from ecgkit.simulate.acq_writer import AcqChannel, write_acq
from ecgkit.stages.simulate import SimulatedFile

FS = 250.0
BEATS = np.exp(-(((np.arange(20 * 250) / FS % 0.8) - 0.4) ** 2) / (2 * 0.012**2))


def acq(path: Path, *names: str, samples: np.ndarray = BEATS, fs: float = FS) -> Path:
    write_acq(path, [AcqChannel(samples, name, "mV") for name in names or ("ECG",)], fs=fs)
    return path


def run(*args: object) -> Result:
    return CliRunner().invoke(ecgkit, ["ingest", *map(str, args)])


def exit_code(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["ingest", *map(str, args)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def refused(*args: object) -> str:
    """Run a call that must fail on purpose; return its message."""
    error = run(*args).exception
    assert isinstance(error, EcgkitError), error
    message = str(error)
    assert not message.endswith("..")
    assert message.count(str(args[0])) <= 2
    return message


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tags(study: Path, subject: str = "77", condition: str = "rest") -> list[str]:
    return ["--subject", subject, "--condition", condition, "--study", str(study)]


def test_ingest_prints_what_it_took_and_what_comes_next(
    simulated_files: tuple[SimulatedFile, ...], tmp_path: Path
) -> None:
    file = simulated_files[0]
    result = run(file.path, *tags(tmp_path / "study", file.subject, file.condition))
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert (
        lines[0] == f"sub-{file.subject}_visit-1_cond-{file.condition}_take-1: ingested (SIMULATED recording)"
    )
    assert lines[1] == "ECG ECG - ECG100C (its name says 'ECG')"
    assert lines[2] == "respiration Respiration - RSP100C"
    assert lines[3] == "duration 30.0 s at 1000 Hz"
    assert lines[4].endswith("beats/min on average")
    assert lines[-1].startswith("Next: ecgkit status --study ")
    assert result.stderr == ""  # its length is a matter of the verdict


def test_ingest_json_is_one_document_of_ascii(tmp_path: Path) -> None:
    file = acq(tmp_path / "a.acq", "ECG µ")
    result = run(file, *tags(tmp_path / "é"), "--json")
    shown = json.loads(result.stdout)
    assert result.stdout.isascii()
    assert (shown["session"], shown["outcome"]) == ("sub-77_visit-1_cond-rest_take-1", "ingested")
    assert (shown["channels"], shown["study"]) == (["ECG µ"], str(tmp_path / "é"))
    assert shown["heart_rate_bpm"] == pytest.approx(75, abs=0.5)
    assert json.loads(run(file, *tags(tmp_path / "é"), "--json").stdout)["outcome"] == "already there"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--subject", "../x"], "subject id '../x': expected 1 to 32 letters and digits"),
        (["--subject", "a/b"], "subject id 'a/b'"),
        (["--subject", ""], "subject id ''"),
        (["--subject", "é"], "subject id 'é'"),
        (["--subject", "07\n"], r"subject id '07\n'"),
        (["--subject", "x" * 33], "expected 1 to 32"),
        (["--condition", "rst"], "known are: deep_breathing, exercise, rest. Did you mean 'rest'?"),
        (["--condition", "../rest"], "condition '../rest'"),
        (["--visit", "0"], "visit 0: expected a number from 1 to 9999"),
        (["--visit", "-1"], "visit -1"),
        (["--take", "99999999999999999999"], "take 99999999999999999999"),
        (
            ["--protocol", "dt4ekg"],
            "unknown protocol 'dt4ekg'; known are: bsl-l05, dt4ecg, ewing, rest. Did you mean 'dt4ecg'?",
        ),
        (["--protocol", ""], "unknown protocol ''"),
        (["--protocol", "none.yaml"], "none.yaml: can't be read"),
        (["--channel", "EGC"], "unknown channel 'EGC'; known are: ECG"),
        (["--channel", "7"], "unknown channel '7'"),
        (["--channel", "²"], "unknown channel '²'"),
        (["--channel", ""], "unknown channel ''"),
    ],
)
def test_ingest_refuses_what_it_can_not_tag(tmp_path: Path, options: list[str], message: str) -> None:
    file = acq(tmp_path / "a.acq")
    assert message in refused(file, *tags(tmp_path / "study"), *options)
    assert not (tmp_path / "study").exists()


def test_ingest_refuses_what_is_no_recording(tmp_path: Path) -> None:
    study, folder = tmp_path / "study", tmp_path / "folder"
    folder.mkdir()
    (folder / "empty.acq").touch()
    (folder / "text.acq").write_text("time,mV\n0,0.1\n", encoding="utf-8")
    for file, message in (
        (folder / "none.acq", "no such file"),
        (folder, "a folder, expected a recording"),
        (folder / "empty.acq", "empty (0 bytes)"),
        (folder / "text.acq", "not a recording of a format that ecgkit reads"),
        (
            acq(folder / "a.acq", "Resp"),
            "a.acq: no channel is named like an ECG; give one with --channel NAME",
        ),
        (acq(folder / "b.acq", "ECG", "EKG 2"), "b.acq: 2 channels are named like an ECG"),
        (acq(folder / "c.acq", samples=np.full(5000, np.nan)), "not one sample is a number"),
        (acq(folder / "d.acq", samples=np.zeros(5000)), "flat from start to end"),
        (acq(folder / "e.acq", samples=np.zeros(0)), "not one sample is a number (0 samples)"),
    ):
        assert message in refused(file, *tags(study))
    assert not study.exists()


def test_ingest_refuses_a_file_cut_anywhere_before_its_markers(tmp_path: Path) -> None:
    whole = acq(tmp_path / "a.acq").read_bytes()
    end = whole.index(BEATS.tobytes()) + BEATS.nbytes
    for size in (1, 6, 200, 2414, 2500, 4282, 4290, end - BEATS.nbytes, end - BEATS.nbytes // 2, end - 1):
        (tmp_path / "cut.acq").write_bytes(whole[:size])
        assert "cut.acq" in refused(tmp_path / "cut.acq", *tags(tmp_path / "study"))
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    "text",
    ["a: [", "- 1", "name: x\nconditions: {}\n", "\0", "a: &a [*a]", "name: !!python/object:os.system x", ""],
)
def test_ingest_refuses_a_broken_protocol(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    file = acq(tmp_path / "a.acq")
    assert "mine.yaml: " in refused(file, *tags(tmp_path / "study"), "--protocol", tmp_path / "mine.yaml")
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("study.yaml", b"format_version: '9.0'\n", "study format version '9.0'"),
        ("study.yaml", b"\xff\xfe\x00", "can't be read as a YAML text file"),
        (
            "study.yaml",
            b"format_version: '1.0'\nname: a\nprotocol: my\n",
            "study.yaml: unknown protocol 'my'",
        ),
        ("study.yaml", b"format_version: '1.0'\nname: \"\\0\"\nprotocol: dt4ecg\n", "control characters"),
        ("participants.tsv", bytes(range(256)), "can't be read as UTF-8 text"),
        ("participants.tsv", b"participant_id,age\nsub-01,3\n", "line 1: expected column names"),
        ("participants.tsv", b"participant_id\t../x\nsub-01\t3\n", "line 1: expected column names"),
        (
            "participants.tsv",
            b"participant_id\tage\n\nsub-01\t\x00\n",
            "line 3: expected participant_id and one value",
        ),
        ("participants.tsv", b"participant_id\nsub-01\n01\n", "line 3: participant '01' for the second time"),
        ("sessions/sub-01_visit-1_cond-rest_take-1.h5", b"", "damaged, or not a whole ecgkit-session file"),
        ("sessions/sub-01_visit-1_cond-rest_take-1.h5", b"text", "make it anew"),
        ("sessions/sub-mine.h5", None, "rename it back, or ingest the recording anew"),
    ],
)
def test_ingest_leaves_a_damaged_study_as_it_is(
    study: Path, tmp_path: Path, name: str, text: bytes | None, message: str
) -> None:
    if text is None:
        shutil.copy(study / "sessions/sub-01_visit-1_cond-rest_take-1.h5", study / name)
    else:
        (study / name).write_bytes(text)
    before = content(study)
    assert message in refused(acq(tmp_path / "a.acq"), *tags(study))
    assert content(study) == before


@pytest.mark.parametrize("where", ["study.yaml", "participants.tsv", "sessions"])
def test_ingest_does_not_put_up_with_a_folder_for_a_file(study: Path, tmp_path: Path, where: str) -> None:
    if (study / where).is_dir():
        shutil.rmtree(study / where)
        (study / where).touch()
    else:
        (study / where).unlink()
        (study / where).mkdir()
    before = content(study)
    with pytest.raises(SystemExit, match="2"):
        main(["ingest", str(acq(tmp_path / "a.acq")), *tags(study)])
    assert content(study) == before


def test_ingest_into_a_file_or_over_a_link_to_nowhere(tmp_path: Path) -> None:
    file = acq(tmp_path / "a.acq")
    assert "a file is in the way" in refused(file, *tags(file))
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.yaml").symlink_to(tmp_path / "disk-that-is-away" / "study.yaml")
    assert "a folder, or a link to nowhere" in refused(file, *tags(tmp_path / "study"))


@pytest.mark.parametrize("name", ["with space", "q\"uo'te", "new\nline", "-dash", "x" * 200, "é\x1b[31m"])
def test_ingest_takes_any_name_of_file_and_folder(tmp_path: Path, name: str) -> None:
    file = acq(tmp_path / f"{name}.acq")
    result = run(*tags(tmp_path / name), "--", file)
    assert result.exit_code == 0, result.exception
    assert "\x1b" not in result.output
    status = CliRunner().invoke(ecgkit, ["status", "--study", str(tmp_path / name), "--json"])
    assert len(json.loads(status.stdout)["sessions"]) == 1


def test_ingest_ends_with_2_and_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["ingest", str(acq(tmp_path / "a.acq")), *tags(tmp_path / "study", condition="rst")])
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: ")
    assert shown.err.count("\n") == 1


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two recordings and one that is not there."""
    for subject in ("07", "08"):
        acq(tmp_path / f"S{subject}_rest.acq", samples=BEATS + int(subject))
    path = tmp_path / "sessions.csv"
    path.write_text("file,subject,condition\nS07_rest.acq,07,rest\nS08_rest.acq,08,rest\nnone.acq,09,rest\n")
    return path


def test_ingest_of_a_table_shows_one_summary_and_ends_with_1(table: Path, tmp_path: Path) -> None:
    result = run("--table", table, "--study", tmp_path / "study", "--jobs", 1)
    assert [line.replace(str(tmp_path), "…") for line in result.stdout.splitlines()] == [
        "…/study: 2 ingested, 1 failed",
        "  sub-07_visit-1_cond-rest_take-1: fail: duration 20 s, expected at least 162",
        "  sub-08_visit-1_cond-rest_take-1: fail: duration 20 s, expected at least 162",
        "  failed: none.acq, sessions.csv, line 4: …/none.acq: no such file; check the name and the folder "
        "you are in",
        "Next: put this right and run the same command again; what is in stays as it is.",
    ]
    again = run("--table", table, "--study", tmp_path / "study", "--jobs", 1)
    assert again.stdout.splitlines()[0] == f"{tmp_path / 'study'}: 2 already there, 1 failed"
    assert exit_code("--table", table, "--study", tmp_path / "study", "--jobs", 1) == 1
    assert exit_code("--table", table, "--study", tmp_path / "none", "--jobs", 1, "--dry-run") == 1


def test_ingest_dry_run_shows_the_plan_and_writes_nothing(table: Path, tmp_path: Path) -> None:
    before = content(tmp_path)
    result = run("--table", table, "--study", tmp_path / "study", "--jobs", 1, "--dry-run")
    assert "sub-07_visit-1_cond-rest_take-1" in result.stdout.replace("\n", "")
    last = result.stdout.splitlines()[-1]
    assert last == f"{tmp_path / 'study'}: 2 new, 1 failed. Nothing was written: this was a dry run."
    shown = json.loads(run("--table", table, "--study", tmp_path / "study", "--dry-run", "--json").stdout)
    assert (shown["dry_run"], shown["counts"]) == (True, {"new": 2, "failed": 1})
    assert content(tmp_path) == before
    assert not (tmp_path / "study").exists()


def test_ingest_by_pattern_names_what_is_skipped(table: Path, tmp_path: Path) -> None:
    options = "--pattern", "S{subject}_{condition}.acq", "--study", tmp_path / "study", "--jobs", 1
    result = run(tmp_path, *options)
    assert result.exit_code == 0, result.exception
    first, *_, skipped, last = result.stdout.splitlines()
    assert first == f"{tmp_path / 'study'}: 2 ingested, 1 skipped"
    assert skipped == "  skipped, since their names do not match the pattern: sessions.csv"
    assert last.startswith("Next: ecgkit status")


def test_ingest_of_a_part_says_where_it_lies(tmp_path: Path) -> None:
    file = acq(tmp_path / "a.acq")
    result = run(file, *tags(tmp_path / "study"), "--start", "0:05", "--stop", "15")
    assert "duration 10.0 s at 250 Hz, seconds 5 to 15 of the file" in " ".join(result.stdout.split())
    assert "verdict fail: duration 10 s, expected at least 162" in " ".join(result.stdout.split())
    assert "within the 20 s that the file has" in refused(file, *tags(tmp_path / "study"), "--stop", "1:00")
    again = run(file, *tags(tmp_path / "study"), "--start", "5", "--stop", "0:15", "--dry-run", "--json")
    assert json.loads(again.stdout)["outcome"] == "already there"


def test_ingest_replace_names_what_is_no_more(table: Path, tmp_path: Path) -> None:
    run("--table", table, "--study", tmp_path / "study", "--jobs", 1)
    file = tmp_path / "S07_rest.acq"
    new, old = (f"sub-{who}_visit-1_cond-rest_take-1" for who in ("08", "07"))
    line = f"  {new}: in place of {new}, {old}"
    for option in ("--dry-run", "--replace"):
        result = run(file, *tags(tmp_path / "study", "08"), "--replace", option)
        assert line in result.stdout.splitlines()
    assert len(list((tmp_path / "study" / "sessions").iterdir())) == 1


def test_ingest_of_nothing_that_can_be_taken_in_ends_with_2(table: Path, tmp_path: Path) -> None:
    table.write_text("file,subject,condition\nnone.acq,09,rest\n")
    assert exit_code("--table", table, "--study", tmp_path / "study", "--jobs", 1) == 2
    for args, message in (
        ((), "nothing to ingest"),
        (("--table", table, "a.acq"), "give no FILE with it"),
        (("a.acq", "--subject", "07"), "in which condition?"),
        (("a.acq", "--condition", "rest"), "whose recording is it?"),
        (("a.acq", "--subject", "07", "--condition", "rest", "--start", "x"), "time 'x'"),
        (("--table", table, "--pseudonymise", tmp_path / "key"), "make one by: python"),
    ):
        error = run(*args, "--study", tmp_path / "study").exception
        assert isinstance(error, EcgkitError)
        assert message in str(error)
    assert not (tmp_path / "study").exists()
