from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from support.bids_files import REST

from ecgkit.exports.bids_dataset import About, write_dataset_files, write_scans

ABOUT = About(
    name="a study",
    protocol="Rest",
    source="",
    tasks=(REST,),
    simulated=False,
    columns=("sex", "age", "handedness", "group"),
    participants={
        "02": {"sex": "F", "age": "33", "group": "x"},
        "01": {"sex": "w", "age": "93", "handedness": "left", "group": ""},
        "03": {},
    },
)


def described(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_write_dataset_files_tells_who_took_part(tmp_path: Path) -> None:
    write_dataset_files(tmp_path, ABOUT, n_sessions=3)
    assert (tmp_path / "participants.tsv").read_text(encoding="utf-8") == (
        "participant_id\tsex\tage\thandedness\tgroup\n"
        "sub-01\tw\t89\tleft\tn/a\n"
        "sub-02\tF\t33\tn/a\tx\n"
        "sub-03\tn/a\tn/a\tn/a\tn/a\n"
    )
    columns = described(tmp_path, "participants.json")
    assert columns["sex"]["Levels"] == {"F": "female", "w": "w"}
    assert columns["handedness"]["Levels"] == {"left": "left-handed"}
    assert columns["age"]["Units"] == "year"
    assert all(column["Description"] for column in columns.values())


def test_write_dataset_files_describes_the_data_set(tmp_path: Path) -> None:
    write_dataset_files(tmp_path, ABOUT, n_sessions=3)
    bare = described(tmp_path, "dataset_description.json")
    assert (bare["Name"], bare["DatasetType"], bare["GeneratedBy"][0]["Name"]) == ("a study", "raw", "ecgkit")
    assert not {"Authors", "License"} & set(bare)
    write_dataset_files(tmp_path, replace(ABOUT, authors=("A", "B"), license="CC0"), n_sessions=3)
    full = described(tmp_path, "dataset_description.json")
    assert (full["Authors"], full["License"]) == (["A", "B"], "CC0")


def test_write_dataset_files_says_that_data_are_simulated(tmp_path: Path) -> None:
    write_dataset_files(tmp_path, replace(ABOUT, simulated=True), n_sessions=3)
    assert described(tmp_path, "dataset_description.json")["Name"] == "a study (SIMULATED)"
    assert "SIMULATED" in (tmp_path / "README").read_text(encoding="utf-8")
    write_dataset_files(tmp_path, ABOUT, n_sessions=3)
    readme = (tmp_path / "README").read_text(encoding="utf-8")
    assert "SIMULATED" not in readme
    assert "3 participants in 3 sessions" in " ".join(readme.split())


def test_write_scans_gives_times_in_utc_or_of_the_place(tmp_path: Path) -> None:
    visit = Path("sub-01", "ses-2")
    (tmp_path / visit).mkdir(parents=True)
    noon = datetime(2024, 3, 1, 12, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=2)))
    tables = {visit / "beh" / "b": noon, visit / "beh" / "a": noon.replace(tzinfo=None)}
    write_scans(tmp_path, tables, {"sub": "01", "ses": "2", "task": "rest"})
    assert (tmp_path / visit / "sub-01_ses-2_scans.tsv").read_text(encoding="utf-8") == (
        "filename\tacq_time\nbeh/a\t2024-03-01T12:00:00.500000\nbeh/b\t2024-03-01T10:00:00.500000Z\n"
    )
    assert noon.astimezone(UTC).hour == 10
