from pathlib import Path

import pytest

from ecgkit.errors import ConfigError
from ecgkit.protocol.model import load_protocol
from ecgkit.stages.ingest.asked import Asked, read_asked
from ecgkit.stages.ingest.plan import Fault, Row

DT4ECG = load_protocol("dt4ecg")
PATTERN = "S{subject}_{condition}_v{visit}.acq"


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_read_asked_of_one_file(tmp_path: Path) -> None:
    file = tmp_path / "a.acq"
    asked = Asked((file,), said={"subject": "07", "condition": "rest", "visit": "2", "start": "0:30"})
    assert read_asked(asked, DT4ECG).rows == (Row(file, "07", "rest", 2, 1, 30.0),)
    assert asked.is_single
    by_markers = Asked((file, tmp_path / "b.acq"), from_markers=True, said={"subject": "07", "take": "3"})
    assert [(row.condition, row.take) for row in read_asked(by_markers, DT4ECG).rows] == [(None, 3)] * 2
    assert not by_markers.is_single


def test_read_asked_of_a_table_keeps_the_faults_of_its_rows(tmp_path: Path) -> None:
    table = tmp_path / "sessions.csv"
    table.write_text(
        "file,subject,condition,start,take\n"
        "a.acq,07,rest,1:00,2\n"
        "b.acq,,rest,,\n"
        "c.acq,07,,,\n"
        "d.acq,07,rest,1:99,\n"
        ",07,rest,,\n"
        "e.acq,07,rest,,x\n"
    )
    first, *others = read_asked(Asked(table=table, said={"visit": "2"}), DT4ECG).rows
    assert first == Row(tmp_path / "a.acq", "07", "rest", 2, 2, 60.0, where="sessions.csv, line 2")
    faults = [(fault.where, str(fault.error)) for fault in others if isinstance(fault, Fault)]
    for number, ((where, message), expected) in enumerate(
        zip(
            faults,
            (
                "no subject",
                "no condition is named; --from-markers",
                "time '1:99'",
                "no file is named",
                "take 'x'",
            ),
            strict=True,
        ),
        start=3,
    ):
        assert where == f"sessions.csv, line {number}"
        assert expected in message
    by_markers = read_asked(Asked(table=table, from_markers=True), DT4ECG).rows
    assert by_markers[2] == Row(tmp_path / "c.acq", "07", None, where="sessions.csv, line 4")
    table.write_text("file,subject\n")
    with pytest.raises(ConfigError, match="no rows below"):
        read_asked(Asked(table=table, from_markers=True), DT4ECG)
    table.write_text("file,subject,start\na.acq,07,0:30\n")
    (fault,) = read_asked(Asked(table=table, from_markers=True), DT4ECG).rows
    assert isinstance(fault, Fault)
    assert "a start or stop without a condition" in str(fault.error)


def test_read_asked_of_a_pattern_names_what_does_not_match(tmp_path: Path) -> None:
    folder = files(
        tmp_path, "S07_rest_v1.acq", "S07_rst_v1.acq", "README.txt", ".hidden", "deeper/S08_rest_v1.acq"
    )
    named = read_asked(Asked((folder,), pattern=PATTERN), DT4ECG)
    assert named.rows == (Row(folder / "S07_rest_v1.acq", "07", "rest"),)
    assert named.skipped == (folder / "S07_rst_v1.acq", folder / "README.txt")
    named = read_asked(Asked((folder,), pattern="{*}/S{subject}_{condition}_{*}"), DT4ECG)
    assert named.rows == (Row(folder / "deeper" / "S08_rest_v1.acq", "08", "rest"),)
    file = folder / "deeper" / "S08_rest_v1.acq"
    assert read_asked(Asked((file,), pattern=PATTERN), DT4ECG).rows == (Row(file, "08", "rest"),)
    said = Asked((file,), pattern="S{subject}_rest_v1.acq", said={"condition": "exercise", "visit": "3"})
    assert read_asked(said, DT4ECG).rows == (Row(file, "08", "exercise", 3),)


def test_read_asked_of_a_pattern_that_matches_nothing_shows_names(tmp_path: Path) -> None:
    folder = files(tmp_path, "a.acq", "b.acq", "c.acq", "d.acq")
    with pytest.raises(ConfigError) as refused:
        read_asked(Asked((folder,), pattern=PATTERN), DT4ECG)
    assert str(refused.value) == (
        f"no file matches the pattern '{PATTERN}'; there are a.acq, b.acq, c.acq, …. A condition is one of "
        "rest, exercise, deep_breathing"
    )
    with pytest.raises(ConfigError, match="there are no files"):
        read_asked(Asked((files(folder, "e/.x") / "e",), pattern=PATTERN), DT4ECG)


def test_read_asked_keeps_a_name_that_can_be_read_in_two_ways_as_a_fault(tmp_path: Path) -> None:
    folder = files(tmp_path, "071_rest.acq")
    (fault,) = read_asked(Asked((folder,), pattern="{subject}{visit}_{condition}.acq"), DT4ECG).rows
    assert isinstance(fault, Fault)
    assert "can be read as 07, rest, 1 or 0, rest, 71" in str(fault.error)


A, B = Path("a.acq"), Path("b.acq")
TABLE = Path("t.csv")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked(), "nothing to ingest"),
        (Asked((A,), table=TABLE), "--table names the files"),
        (Asked(table=TABLE, pattern=PATTERN), "--table and --pattern"),
        (Asked((A,), said={"condition": "rest"}), "whose recording is it"),
        (Asked((A,), said={"subject": "07"}), "in which condition"),
        (Asked((A, B), said={"subject": "07", "condition": "rest"}), "several FILEs"),
        (Asked((A, B), from_markers=True), "no subject is named"),
        (
            Asked((A,), from_markers=True, said={"subject": "07", "condition": "rest"}),
            "both say the condition",
        ),
        (
            Asked((A,), from_markers=True, said={"subject": "07", "start": "1"}),
            "--start and --stop are of one FILE",
        ),
        (Asked(table=TABLE, said={"stop": "1"}), "--start and --stop are of one FILE"),
        (Asked((A,), pattern=PATTERN, said={"subject": "07"}), "says the subject, and so does --subject"),
        (Asked((A,), pattern=PATTERN, from_markers=True), r"expected one of \{condition\} in it"),
        (Asked((A,), pattern="{subject}.acq"), r"expected one of \{condition\} in it"),
        (Asked((A,), pattern="{condition}.acq"), r"without \{subject\}"),
    ],
)
def test_read_asked_refuses_what_does_not_go_together(asked: Asked, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_asked(asked, DT4ECG)


def test_read_asked_of_a_folder_needs_a_pattern_or_a_bids_data_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a folder, expected a recording; give --pattern"):
        read_asked(Asked((tmp_path,), said={"subject": "07", "condition": "rest"}), DT4ECG)
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    with pytest.raises(ConfigError, match="a BIDS data set says itself what is what"):
        read_asked(Asked((tmp_path,), said={"subject": "07"}), DT4ECG)
