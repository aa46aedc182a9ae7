from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from support.bids_files import REST, channel, full_session

from ecgkit.exclusions import Exclusion
from ecgkit.exports.bids_session import Task, by_rate, write_session
from ecgkit.records import Recording, Session

STEM = "sub-01_ses-2_task-deepbreathing_run-3"
TASK = Task("deepbreathing", "deep_breathing", "Deep breathing", "Paced.")


def plain_session(*names: str) -> Session:
    channels = tuple(channel(index, np.arange(9.0), name=name) for index, name in enumerate(names))
    recording = Recording(Path("a"), "acq", "a", 250.0, channels)
    return full_session(recording=recording, ecg=(0,), leads=("X",), respiration=None, excluded=())


def sidecar(folder: Path, table: Path) -> dict:
    return json.loads((folder / table).with_suffix("").with_suffix(".json").read_text(encoding="utf-8"))


def test_write_session_names_files_by_tags(tmp_path: Path) -> None:
    tables = write_session(tmp_path, full_session(), TASK)
    assert [table.as_posix() for table in tables] == [
        f"sub-01/ses-2/beh/{STEM}_recording-{rate}_physio.tsv.gz"
        for rate in ("250Hz", "62p5Hz", "0p333333Hz")
    ]
    others = {path.name for path in (tmp_path / "sub-01/ses-2/beh").iterdir()} - {t.name for t in tables}
    assert others == {
        f"{STEM}_events.tsv",
        f"{STEM}_events.json",
        *(table.name.replace(".tsv.gz", ".json") for table in tables),
    }


def test_write_session_of_one_rate_has_one_table_and_no_recording_label(tmp_path: Path) -> None:
    (table,) = write_session(tmp_path, plain_session("ECG"), TASK)
    assert table.name == f"{STEM}_physio.tsv.gz"
    assert not list(tmp_path.rglob("*_events.*"))  # there were none


def test_write_session_says_what_bids_wants(tmp_path: Path) -> None:
    tables = write_session(tmp_path, full_session(), TASK)
    said = sidecar(tmp_path, tables[0])
    assert (said["SamplingFrequency"], said["StartTime"], said["PhysioType"]) == (250.0, 0.0, "generic")
    assert (said["TaskName"], said["TaskDescription"]) == ("deep_breathing", "Paced.")
    assert said["Columns"] == ["ecg_lead_i", "ecg_lead_ii", "ecg_lead_i_2"]
    column = said["ecg_lead_ii"]
    assert (column["LongName"], column["Units"]) == ("ECG, Lead II", "µV")
    assert column["Description"] == "ECG, lead II"
    assert column["EcgkitChannel"] == {
        "index": 1,
        "number": 6,
        "name": "ECG, Lead II",
        "unit": "µV",
        "dtype": "float32",
        "samples": 400,
        "scale": 1.0,
        "offset": 0.0,
        "stored": "values",
    }
    breathing = sidecar(tmp_path, tables[1])
    assert breathing["rsp"]["Description"] == "Respiration"
    assert breathing["rsp"]["Units"] == "n/a"  # none is known
    assert breathing["so_fine"]["Units"] == "n/a"  # raw samples have none
    assert sidecar(tmp_path, tables[2])["channel"]["LongName"] == "channel without a name"


def test_write_session_names_each_column_once(tmp_path: Path) -> None:
    (table,) = write_session(tmp_path, plain_session("ECG", "ecg", "ECG 2", "(ECG)", "µ"), TASK)
    assert sidecar(tmp_path, table)["Columns"] == ["ecg", "ecg_2", "ecg_2_2", "ecg_3", "channel"]


def test_write_session_lists_events_by_time(tmp_path: Path) -> None:
    write_session(tmp_path, full_session(), TASK)
    lines = next(tmp_path.rglob("*_events.tsv")).read_text(encoding="utf-8").splitlines()
    assert [line.split("\t") for line in lines] == [
        ["onset", "duration", "trial_type", "sample", "style", "channel", "text", "reason"],
        ["0.0", "n/a", "apnd", "0", "apnd", "n/a", "n/a", "n/a"],
        ["0.1", "0.25", "excluded", "n/a", "n/a", "n/a", "n/a", "moved"],
        ["0.6", "n/a", 'start "now"', "300", "scr ", "1", 'start "now"', "n/a"],
        ["0.8", "n/a", "marker", "400", "n/a", "n/a", "n/a", "n/a"],
        ["1.0", "n/a", "excluded", "n/a", "n/a", "n/a", "n/a", "fell asleep"],
    ]


def test_write_session_keeps_tabs_and_line_ends_out_of_events(tmp_path: Path) -> None:
    session = full_session(excluded=(Exclusion(0.1, 0.2, "moved\tand\nspoke\x00"),))
    write_session(tmp_path, session, TASK)
    lines = next(tmp_path.rglob("*_events.tsv")).read_text(encoding="utf-8").splitlines()
    assert {line.count("\t") for line in lines} == {7}
    assert lines[2].endswith("\tmoved and spoke")


def test_write_session_says_of_the_source_only_what_the_session_keeps(tmp_path: Path) -> None:
    bare = sidecar(tmp_path, write_session(tmp_path, full_session(), REST)[0])["EcgkitSession"]
    assert not {"source_name", "journal"} & set(bare)
    kept = sidecar(tmp_path, write_session(tmp_path, full_session(source_name="Jo.acq"), REST)[0])
    assert kept["EcgkitSession"]["source_name"] == "Jo.acq"


def test_by_rate_tells_close_rates_apart() -> None:
    rates = (1000.0, 1000.00001, 1000.0)
    channels = [channel(index, np.empty(0), fs=fs) for index, fs in enumerate(rates)]
    assert {label: [c.index for c in group] for label, group in by_rate(channels).items()} == {
        "1000Hz": [0, 2],
        "1000Hzn2": [1],
    }
