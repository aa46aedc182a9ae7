from pathlib import Path

import pytest

from ecgkit.config import Config, load_config
from ecgkit.errors import ConfigError
from ecgkit.settings import MAX_YAML_BYTES, read_yaml


def test_config_defaults_are_the_papers() -> None:
    config = Config()
    assert (config.pipeline.fs, config.pipeline.window_s, config.pipeline.scale) == (100.0, 3.0, "recording")
    assert (config.pipeline.high_pass_hz, config.pipeline.mains_hz) == (0.5, 60.0)
    assert (config.train.epochs, config.train.batch_size, config.train.learning_rate) == (50, 16, 0.001)
    assert config.splits.test_share == 0.3


def test_load_config_last_layer_wins(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("pipeline: {mains_hz: 50, window_s: 10}\n")
    under = {"pipeline": {"mains_hz": 60.0, "fs": 200.0, "window_s": 3.0}}
    flags = {"pipeline": {"window_s": 30.0, "scale": None}}
    pipeline = load_config(file, under, flags).pipeline
    assert (pipeline.fs, pipeline.mains_hz, pipeline.window_s, pipeline.scale) == (200, 50, 30, "recording")


def test_load_config_preset_lies_under_everything_else(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("preset: recommended\npipeline: {fs: 200}\n")
    config = load_config(file)
    assert (config.preset, config.pipeline.scale, config.pipeline.fs) == (
        "recommended",
        "window-percentile",
        200,
    )
    assert load_config(file, {}, {"preset": "paper"}).pipeline.scale == "recording"
    assert load_config(file, {}, {"preset": None, "pipeline": {"scale": "none"}}).pipeline.scale == "none"


OPTIONAL = {"low_pass_hz": 40.0, "stride_s": 1.0, "r_peak_at_s": 0.5, "min_quality": "accept"}


@pytest.mark.parametrize("name", OPTIONAL)
def test_load_config_takes_the_word_none_for_what_need_not_be_set(tmp_path: Path, name: str) -> None:
    file = tmp_path / "my.yaml"
    for word in ("none", "None", "'none '"):
        file.write_text(f"pipeline: {{{name}: {word}}}\n")
        assert getattr(load_config(file).pipeline, name) is None


@pytest.mark.parametrize(("name", "value"), OPTIONAL.items())
def test_load_config_flag_of_none_unsets_what_the_file_sets(tmp_path: Path, name: str, value: object) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(f"pipeline: {{{name}: {value}}}\n")
    assert getattr(load_config(file, {}, {"pipeline": {name: None}}).pipeline, name) == value
    assert getattr(load_config(file, {}, {"pipeline": {name: "none"}}).pipeline, name) is None


def test_load_config_leaves_none_where_it_is_a_choice_and_refuses_it_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("pipeline: {mains: none, scale: none}\ntrain: {attention: none}\n")
    config = load_config(file)
    assert (config.pipeline.mains, config.pipeline.scale, config.train.attention) == ("none",) * 3
    file.write_text("pipeline: {window_s: none}\n")
    with pytest.raises(ConfigError, match=r"pipeline\.window_s: .*valid number.* \(got 'none'\)"):
        load_config(file)


def test_load_config_sessions_may_be_none_and_conditions_become_keys(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("sessions: {subjects: none, conditions: [Deep breathing, rest], visits: none}\n")
    sessions = load_config(file).sessions
    assert (sessions.subjects, sessions.conditions, sessions.visits) == (
        None,
        ("deep_breathing", "rest"),
        None,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset: best", "unknown preset 'best'; known are: paper, recommended"),
        ("preset: [paper]", "unknown preset"),
        ("sessions: {subjects: []}", "sessions.subjects"),
        ("pipeline: {windw_s: 3}", r"unknown setting 'pipeline.windw_s'; known are: fs, .*window_s"),
        ("pipeline: {window_s: -1}", r"pipeline\.window_s: .*greater than 0 \(got -1\)"),
        ("pipeline: 3", "expected names and values, got 3"),
        ("- a\n- b", "expected a mapping"),
        ("a: [1", "not valid YAML"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
    ],
)
def test_load_config_names_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(file)


def test_read_yaml_refuses_large_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("a: " + "x" * MAX_YAML_BYTES)
    with pytest.raises(ConfigError, match="expected at most"):
        read_yaml(tmp_path / "big.yaml")
    with pytest.raises(ConfigError, match="can't be read"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="can't be read"):
        read_yaml(tmp_path / "bytes.yaml")
