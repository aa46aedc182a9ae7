from pathlib import Path

import pytest

from ecgkit.errors import ProtocolError
from ecgkit.protocol.model import (
    MEASURES,
    Check,
    Condition,
    Lead,
    MarkerRule,
    Protocol,
    load_protocol,
    protocols_folder,
    shipped_protocols,
)

OWN = """
name: own
title: One state
lead: {name: II}
mains_hz: 50
fs_hz: 500
conditions:
  sitting: {label: Sitting, duration_s: 60, least_duration_s: 30}
"""


@pytest.mark.parametrize("name", ["dt4ecg", "ewing", "bsl-l05", "rest"])
def test_every_shipped_protocol_follows_the_schema(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert protocol.reference is not None
    for condition in protocol.conditions.values():
        assert condition.label
        assert condition.description
        assert condition.markers
    assert all(check.source for c in protocol.conditions.values() for check in c.checks)


def test_shipped_protocols_are_these() -> None:
    assert list(shipped_protocols()) == ["bsl-l05", "dt4ecg", "ewing", "rest"]


def test_every_field_and_measure_is_in_the_docs() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "protocols.md").read_text(encoding="utf-8")
    fields = {name for model in (Protocol, Condition, MarkerRule, Check, Lead) for name in model.model_fields}
    assert {name for name in {*fields, *MEASURES, *shipped_protocols()} if f"`{name}`" not in page} == set()


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
        ("duration_s: 60, ", "", r"conditions.sitting.duration_s: missing \(line 8\)"),
        (
            "label: Sitting",
            "label: Sitting, delay: 3",
            r"conditions.sitting.delay: not a setting.*\(line 8\)",
        ),
        ("least_duration_s: 30", "least_duration_s: 90", "least_duration_s 90 is more than duration_s 60"),
        ("duration_s: 60", "duration_s: .inf", "finite"),
        ("fs_hz: 500", "fs_hz: 500\nleast_fs_hz: 600", "least_fs_hz 600 is more than fs_hz 500"),
        ("fs_hz: 500", "fs_hz: 500\nsegments: [standing]", "segments: unknown condition 'standing'"),
        ("fs_hz: 500", "fs_hz: 500\nsubject_pattern: '(a+)+'", r"\+ after a group is not accepted"),
        (
            "label: Sitting",
            "label: Sitting, markers: [{text: sit, until: stand, duration_s: 3}]",
            r"markers.0: .*give at most one.*\(line 8\)",
        ),
        ("label: Sitting", "label: Sitting, markers: [{text: '(a|a)*'}]", r"markers.0.text: .*after a group"),
        (
            "label: Sitting",
            "label: Sitting, checks: [{measure: pulse, pass_range: [1, 2], source: me}]",
            "unknown measure 'pulse'; known are: above_rest_bpm",
        ),
        (
            "label: Sitting",
            "label: Sitting, checks: [{measure: edr_hz, pass_range: [2, 1], source: me}]",
            "pass_range from 2 to 1",
        ),
        (
            "label: Sitting",
            "label: a, checks: [{measure: edr_hz, pass_range: [1, 2], warn_range: [1.5, 3], source: me}]",
            "expected a wider range",
        ),
        (
            "label: Sitting",
            "label: Sitting, checks: [{measure: edr_hz, pass_range: [1, 2]}]",
            "source: missing",
        ),
        (
            "label: Sitting",
            "label: Sitting, checks: [{measure: above_rest_bpm, pass_range: [1, 2], source: me}]",
            "compare with rest, but no condition has reference",
        ),
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


def test_load_protocol_refuses_two_references(tmp_path: Path) -> None:
    text = OWN.replace("{label", "{reference: true, label") + OWN.splitlines()[-1].replace(
        "sitting: {", "standing: {reference: true, "
    )
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ProtocolError, match="at most one condition, got sitting, standing"):
        load_protocol(str(tmp_path / "own.yaml"))


def test_load_protocol_names_the_line_of_each_problem(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN.replace("mains_hz: 50", "mains_hz: 5").replace("title:", "titel:"))
    with pytest.raises(ProtocolError, match=r"\(lines 2, 5, 3\)$"):
        load_protocol(str(tmp_path / "own.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("a: !!python/object/apply:os.system [echo]\n", "not valid YAML"),
        ("[" * 100_000, "nested more than 20 deep"),
        ("name: " + "x" * 1_100_000, "expected at most 1000000"),
        ("- a\n", "expected a mapping"),
        ("", "name: missing"),
        ("\0", "not valid YAML"),
    ],
)
def test_load_protocol_refuses_hostile_yaml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ProtocolError, match=message):
        load_protocol(str(tmp_path / "own.yaml"))


def test_check_subject_follows_the_pattern(tmp_path: Path) -> None:
    load_protocol("dt4ecg").check_subject("S07")
    (tmp_path / "own.yaml").write_text(OWN + "subject_pattern: 'S\\d{2}'\n")
    protocol = load_protocol(str(tmp_path / "own.yaml"))
    protocol.check_subject("S07")
    with pytest.raises(ProtocolError, match="subject id '7', expected one that matches"):
        protocol.check_subject("7")


def test_marker_rule_starts_by_text_and_style() -> None:
    rule = MarkerRule(text="rest", style="flag")
    assert rule.starts("Rest", "flag")
    assert not rule.starts("Rest", "defl")
    assert MarkerRule(text="rest", style="scr").starts("rest", "scr ")


def test_condition_key_takes_other_spellings() -> None:
    for text in ("deep_breathing", "Deep Breathing", "DEEP-breathing", " deep  breathing "):
        assert load_protocol("dt4ecg").condition_key(text) == "deep_breathing"
    with pytest.raises(ProtocolError, match=r"unknown condition 'rst'.*Did you mean 'rest'"):
        load_protocol("dt4ecg").condition_key("Rst")


def test_rate_warnings_are_for_rates_below_the_least() -> None:
    rest = load_protocol("rest")
    assert rest.least_fs_hz == 250
    assert rest.rate_warnings(250) == ()
    assert rest.rate_warnings(125) == ("125 Hz; the protocol wants at least 250 Hz",)
