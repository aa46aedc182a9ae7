"""Calibrations survive the file, and nothing of a file is believed."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calibrations import calibration, threshold

from ecgkit.errors import RunError
from ecgkit.training.calibration_file import MAX_BYTES, Calibration, from_json, read, write


def leaves(content: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Places of all values that hold no others."""
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    inner = [leaf for name, value in items for leaf in leaves(value, (*place, name))]
    return inner or [place]


def changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    content = copy.deepcopy(content)
    inner = content
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return content


def plain() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(calibration().as_json()))
    return content


def test_calibration_survives_the_file(tmp_path: Path) -> None:
    write(tmp_path / "calibration.json", calibration())
    assert read(tmp_path / "calibration.json") == calibration()
    empty = dataclasses.replace(calibration(), tasks={}, thresholds=(), mated_scheme="", missing=("none",))
    write(tmp_path / "calibration.json", empty)
    assert read(tmp_path / "calibration.json") == empty


def test_calibration_file_needs_no_torch() -> None:
    code = "import sys; import ecgkit.training.calibration_file; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_calibration_gives_temperatures_and_thresholds() -> None:
    found = calibration()
    assert (found.temperature("subject"), found.temperature("condition")) == (1.5, 2.5)
    assert dataclasses.replace(found, tasks={}).temperature("subject") == 1.0
    rows = {n: found.threshold(n, 0.05) for n in (1, 4, 5, 9, 10**6)}
    assert {n: row and row.n_windows for n, row in rows.items()} == {1: 1, 4: 1, 5: 5, 9: 5, 10**6: 5}
    assert found.threshold(1, 0.01) is None
    assert found.threshold(0, 0.05) is None


@pytest.mark.parametrize("value", [None, -1, "text", [], {}, 1e30, 10**400, True], ids=repr)
def test_calibration_file_is_read_or_refused_whatever_a_value_is(value: Any) -> None:
    for place in leaves(plain()):
        content = changed(plain(), place, value)
        with contextlib.suppress(RunError):
            found = from_json(content)
            assert from_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        (("format",), "ecgkit-run", "format 'ecgkit-run' version 1, this ecgkit reads 'ecgkit-calibration'"),
        (("format_version",), 2, "version 2"),
        (("tasks", "condition", "temperature"), 0, r"TaskCalibration.temperature: got 0, expected a number"),
        (("tasks", "condition", "temperature"), float("nan"), "temperature"),
        (("tasks", "mood"), {}, "calibrations under subject and condition"),
        (("thresholds", 0, "fpir"), 1.5, "Threshold.fpir: got 1.5, expected a number from 0 to 1"),
        (("thresholds", 0, "n_windows"), True, "Threshold.n_windows: got True"),
        (("thresholds", 0, "fnir_low"), None, "Threshold.fnir_low: got None"),
        (("thresholds", 1), dataclasses.asdict(threshold()), "ascending"),
        (("thresholds", 0, "surprise"), 1, "expected the fields"),
        (("thresholds",), [{}] * 1001, "a list of at most 1000"),
        (("dataset_sha256",), "0" * 63, "64 hexadecimal digits"),
        (("surprise",), 1, "expected the fields"),
    ],
)
def test_calibration_file_says_which_value_is_wrong(place: tuple[Any, ...], value: Any, match: str) -> None:
    with pytest.raises(RunError, match=match):
        from_json(changed(plain(), place, value))


@pytest.mark.parametrize("content", [None, 3, [], "x", {}])
def test_calibration_file_refuses_other_things(content: object) -> None:
    with pytest.raises(RunError, match="calibration"):
        from_json(content)


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_calibration_file_refuses_any_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "calibration.json"
    path.write_bytes(raw)
    with pytest.raises(RunError, match=r"calibration\.json"):
        read(path)


def test_calibration_file_refuses_what_is_cut_missing_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    with pytest.raises(RunError, match="can't be read"):
        read(path)
    write(path, calibration())
    whole = path.read_text()
    for text in (whole[: len(whole) // 2], whole.replace("1.5", "NaN"), "[" * 100_000):
        path.write_text(text)
        with pytest.raises(RunError, match=r"calibration\.json"):
            read(path)
    path.write_text(whole + " " * MAX_BYTES)
    with pytest.raises(RunError, match="more than"):
        read(path)


def test_calibration_can_not_be_made_of_what_a_file_may_not_hold() -> None:
    with pytest.raises(RunError, match="mated_scheme"):
        dataclasses.replace(calibration(), mated_scheme=3)
    with pytest.raises(RunError, match="simulated"):
        Calibration({}, (), 0, "", 0, (), "0" * 64, simulated=1)  # type: ignore[arg-type]
