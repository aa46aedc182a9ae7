from pathlib import Path

import pytest

from ecgkit.errors import ProtocolError
from ecgkit.protocol.model import load_protocol, protocols_folder, shipped_protocols

OWN = """
name: own
title: One state
lead: {name: II}
mains_hz: 50
fs_hz: 500
conditions:
  sitting: {label: Sitting, duration_s: 60, least_duration_s: 30}
"""


def test_every_shipped_protocol_follows_the_schema() -> None:
    assert "dt4ecg" in shipped_protocols()
    for name in shipped_protocols():
        assert load_protocol(name).name == name


def test_dt4ecg_is_the_papers() -> None:
    protocol = load_protocol("dt4ecg")
    assert list(protocol.conditions) == ["rest", "exercise", "deep_breathing"]
    assert protocol.mains_hz == 60
    assert protocol.condition("exercise").delay_s == 60
    assert protocol.condition("deep_breathing").breath_period_s == 10


def test_protocols_folder_is_the_checkouts() -> None:
    assert protocols_folder() == Path(__file__).resolve().parents[2] / "protocols"


def test_load_protocol_from_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    assert load_protocol(str(tmp_path / "own.yaml")).condition("sitting").label == "Sitting"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mains_hz: 50", "mains_hz: 500", r"mains_hz: .*less than or equal to 70 \(got 500\)"),
        ("title: One state", "titel: One state", "unknown setting 'titel'.*Did you mean 'title'"),
        ("sitting:", "../up:", "condition key '../up'"),
        ("duration_s: 60, ", "", "conditions.sitting.duration_s: missing"),
    ],
)
def test_load_protocol_names_the_wrong_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text(OWN.replace(old, new))
    with pytest.raises(ProtocolError, match=message):
        load_protocol(str(tmp_path / "own.yaml"))


def test_load_protocol_unknown_lists_the_shipped() -> None:
    with pytest.raises(ProtocolError, match=r"unknown protocol 'dt4egc'.*Did you mean 'dt4ecg'"):
        load_protocol("dt4egc")
    with pytest.raises(ProtocolError, match="can't be read"):
        load_protocol("none/here.yaml")


def test_condition_unknown_lists_the_keys() -> None:
    with pytest.raises(ProtocolError, match="known are: deep_breathing, exercise, rest"):
        load_protocol("dt4ecg").condition("running")
