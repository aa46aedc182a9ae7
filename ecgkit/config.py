"""Settings, checked: the built-in ones are the paper's. Only stages and the program's edges use these.

A setting's value comes from, last wins: built-in, preset, protocol, study.yaml, config file, flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown
from ecgkit.records import condition_key
from ecgkit.settings import Settings, checked, read_yaml

# name -> what it sets instead of the built-in values
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {},
    "recommended": {"pipeline": {"scale": "window-percentile"}},
}


class PipelineConfig(Settings):
    """How a recorded ECG becomes windows (paper: section on preprocessing)."""

    fs: Annotated[float, Field(ge=20, le=2000, description="sampling rate of the windows, Hz")] = 100.0
    mains_hz: Annotated[float, Field(ge=40, le=70, description="mains frequency where it was recorded")] = (
        60.0
    )
    mains: Annotated[
        Literal["auto", "alias-notch", "none"],
        Field(description="how mains is removed; auto: by the resampler's stop band, else by a notch"),
    ] = "auto"
    mains_lines: Annotated[
        int, Field(ge=1, le=20, description="mains and its multiples to notch, where they are kept")
    ] = 1
    high_pass_hz: Annotated[float, Field(gt=0, le=5, description="zero-phase high-pass, Hz")] = 0.5
    high_pass_order: Annotated[
        int, Field(ge=1, le=8, description="Butterworth order, before the return pass")
    ] = 5
    low_pass_hz: Annotated[
        float | None, Field(gt=0, le=1000, description="zero-phase low-pass, Hz; none: the resampler's alone")
    ] = None
    polarity: Annotated[
        Literal["as-recorded", "upright"],
        Field(description="upright: turn leads whose QRS points down (electrodes changed over)"),
    ] = "as-recorded"
    scale: Annotated[
        Literal["recording", "recording-percentile", "window", "window-percentile", "none"],
        Field(description="brought to 0-1: the recording or each window; percentiles let tips out"),
    ] = "recording"
    window_s: Annotated[float, Field(gt=0, le=600, description="length of a window, seconds")] = 3.0
    stride_s: Annotated[
        float | None, Field(gt=0, le=600, description="from window to window; none: window_s")
    ] = None
    r_peak_at_s: Annotated[
        float | None,
        Field(ge=0, le=600, description="one window for each beat, its R peak so far in, s; none: by time"),
    ] = None
    min_quality: Annotated[
        Literal["doubtful", "accept"] | None,
        Field(description="leave windows of less quality out of the data set; none: keep all"),
    ] = None

    @model_validator(mode="after")
    def _pass_band(self) -> PipelineConfig:
        if self.low_pass_hz is not None and not self.high_pass_hz < self.low_pass_hz < self.fs / 2:
            raise ValueError(
                f"low_pass_hz is {self.low_pass_hz:g}, expected over high_pass_hz, {self.high_pass_hz:g}, "
                f"and under half of fs, {self.fs / 2:g}"
            )
        return self


class SessionsConfig(Settings):
    """Which sessions of a study go into a data set; all that are not excluded, if nothing is said.

    Conditions may be asked for as people write them ("Deep breathing"); they become keys.
    """

    subjects: Annotated[tuple[str, ...] | None, Field(min_length=1, description="only these")] = None
    conditions: Annotated[tuple[str, ...] | None, Field(min_length=1, description="only these")] = None
    visits: Annotated[tuple[int, ...] | None, Field(min_length=1, description="only these")] = None
    verdict: Annotated[
        Literal["warn", "pass"] | None,
        Field(description="leave out sessions whose verdict is worse (ecgkit status); none: keep all"),
    ] = None

    @field_validator("conditions")
    @classmethod
    def _as_keys(cls, conditions: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if conditions is None else tuple(map(condition_key, conditions))


class SplitConfig(Settings):
    """How windows are dealt to training and test; the seed is part of the data set."""

    seed: Annotated[int, Field(ge=0, lt=2**32, description="seed of every random split")] = 0
    n_folds: Annotated[
        int, Field(ge=2, le=100, description="folds of leave-subjects-out, open-set, blocked and paper-kfold")
    ] = 5
    test_share: Annotated[float, Field(gt=0, lt=1, description="test share of the paper's split")] = 0.3
    gap_s: Annotated[float, Field(ge=0, le=3600, description="left out between blocks, seconds")] = 3.0


class AugmentationConfig(Settings):
    """How far training windows are varied, each anew in each epoch; 0 leaves a variation out.

    Heights are in units of the windows: of their height, 0 to 1, where they are scaled.
    """

    amplitude: Annotated[float, Field(ge=0, le=9, description="factor from 1/(1 + a) to 1 + a")] = 0.0
    baseline: Annotated[float, Field(ge=0, le=100, description="most height of a slow wave")] = 0.0
    noise: Annotated[float, Field(ge=0, le=100, description="most SD of white noise")] = 0.0
    mains: Annotated[float, Field(ge=0, le=100, description="most amplitude of a mains sine")] = 0.0
    time_stretch: Annotated[float, Field(ge=0, le=1, description="factor from 1/(1 + s) to 1 + s")] = 0.0
    lead_inversion: Annotated[float, Field(ge=0, le=1, description="probability to turn a window over")] = 0.0


class TrainConfig(Settings):
    """How DT4ECG is trained (paper: training details; our decisions where it is silent)."""

    task: Annotated[
        Literal["both", "subject", "condition"], Field(description="what one network learns; both: dual task")
    ] = "both"
    backbone: Annotated[str, Field(description="name of the backbone")] = "resnet"
    attention: Annotated[str, Field(description="name of the attention module")] = "sca"
    balancing: Annotated[str, Field(description="how the two losses are weighed")] = "gradnorm"
    epochs: Annotated[int, Field(ge=1, le=100_000, description="passes over the training windows")] = 50
    batch_size: Annotated[int, Field(ge=2, le=65_536, description="windows a step")] = 16
    learning_rate: Annotated[float, Field(gt=0, le=10, description="Adam's")] = 0.001
    schedule: Annotated[str, Field(description="course of the learning rate")] = "constant"
    class_weights: Annotated[
        Literal["none", "balanced"], Field(description="balanced: as if all classes were equally frequent")
    ] = "none"
    augmentation: AugmentationConfig = AugmentationConfig()
    validation: Annotated[
        bool,
        Field(description="hold windows of the training back and keep the epoch that does best on them"),
    ] = False
    seed: Annotated[int, Field(ge=0, lt=2**32, description="seed of weights and batches")] = 0
    threads: Annotated[int, Field(ge=1, le=1024, description="CPU threads of one training")] = 1
    device: Annotated[str, Field(description="cpu, cuda, cuda:1 …; auto: cuda where there is one")] = "auto"
    precision: Annotated[
        Literal["float32", "mixed"], Field(description="mixed: bfloat16 where it is safe")
    ] = "float32"

    @model_validator(mode="before")
    @classmethod
    def _one_task_needs_no_balancing(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("task") in ("subject", "condition"):
            return {"balancing": "single-task", **values}
        return values


class Config(Settings):
    """Everything that a config file may set."""

    preset: Annotated[Literal["paper", "recommended"], Field(description="what the rest starts from")] = (
        "paper"
    )
    sessions: SessionsConfig = SessionsConfig()
    pipeline: PipelineConfig = PipelineConfig()
    splits: SplitConfig = SplitConfig()
    train: TrainConfig = TrainConfig()


def load_config(path: Path | None = None, *layers: Mapping[str, Any]) -> Config:
    """Merge a config file with further layers over the built-in values.

    None means not given; the text "none" unsets what a layer below has set, where that can be unset.

    Parameters
    ----------
    path
        YAML file, or None.
    layers
        ``section -> {name: value}``, and ``"preset" -> name``; the first goes under the file, the others over
        it in order, a preset under all of them.

    Raises
    ------
    ConfigError
        A name is unknown or a value out of range; the message names the field and what was expected.
    """
    under, *over = layers or ({},)
    given = (under, read_yaml(path) if path else {}, *over)
    preset = next((layer["preset"] for layer in reversed(given) if layer.get("preset") is not None), "paper")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ConfigError(f"{path or 'settings'}: {unknown('preset', str(preset), PRESETS)}")
    merged: dict[str, Any] = {}
    for layer in (PRESETS[preset], *given):
        for section, values in layer.items():
            if section == "preset":
                continue
            if not isinstance(values, Mapping):
                raise ConfigError(f"{path}: section {section!r}: expected names and values, got {values!r}")
            _lay_over(merged.setdefault(section, {}), values)
    return checked(Config, {"preset": preset, **merged}, where=str(path or "settings"))


def _lay_over(under: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Let values replace those of a layer below; None changes nothing, groups of settings are merged."""
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(under.get(name), Mapping):
            group = dict(under[name])
            _lay_over(group, value)
            under[name] = group
        elif value is not None:
            under[name] = value
