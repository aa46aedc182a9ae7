"""The protocol file: YAML, checked. The shipped ones lie in ``protocols/``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from ecgkit.errors import ConfigError, ProtocolError
from ecgkit.lookup import unknown
from ecgkit.protocol.pattern import check_pattern, matches
from ecgkit.records import CONDITION_PATTERN, condition_key
from ecgkit.settings import Settings, checked, read_yaml

# What a check can judge: name -> what it is in words, its unit. docs/protocols.md says how each is measured.
MEASURES = {
    "heart_rate_bpm": ("mean heart rate", "beats/min"),
    "start_heart_rate_bpm": ("heart rate at the start", "beats/min"),
    "stop_heart_rate_bpm": ("heart rate at the end", "beats/min"),
    "change_bpm": ("change of heart rate from start to end", "beats/min"),
    "slope_bpm_per_min": ("slope of the heart rate", "beats/min per minute"),
    "above_rest_bpm": ("mean heart rate above the subject's rest", "beats/min"),
    "ratio_to_rest": ("mean heart rate over the subject's at rest", ""),
    "sdnn_ms": ("SDNN", "ms"),
    "rmssd_ms": ("RMSSD", "ms"),
    "breathing_hz": ("strongest rhythm of the heart rate", "Hz"),
    "breathing_share": ("share of the heart rate's power at 0.07 to 0.13 Hz", ""),
    "e_minus_i_bpm": ("E - I difference of the heart rate", "beats/min"),
    "e_to_i_ratio": ("E : I ratio", ""),
    "respiration_hz": ("breathing rate of the respiration channel", "Hz"),
    "edr_hz": ("breathing rate derived from the ECG", "Hz"),
    "quality_share": ("share of the recording with a usable ECG", ""),
}
OF_REST = ("above_rest_bpm", "ratio_to_rest")

Pattern = Annotated[str, AfterValidator(check_pattern)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Range = tuple[Number | None, Number | None]  # from, to, both included; None is open


class Lead(Settings):
    """Where the electrodes were: stored, not checked."""

    name: str
    description: str = ""


class MarkerRule(Settings):
    """Which marker starts a condition, and where the condition ends.

    It ends at the marker that `until` matches; or after `duration_s`, the condition's own by default; or,
    with `open_end`, where the next condition starts or the segment ends. `offset_s` moves the start.
    """

    text: Pattern
    style: str | None = None
    until: Pattern | None = None
    duration_s: Seconds | None = None
    open_end: bool = False
    offset_s: Annotated[float, Field(ge=-600, le=3600)] = 0.0

    @model_validator(mode="after")
    def _ends_in_one_way(self) -> MarkerRule:
        if (self.until is not None) + (self.duration_s is not None) + self.open_end > 1:
            raise ValueError("until, duration_s and open_end are three ways to end; give at most one")
        return self

    def starts(self, text: str, style: str) -> bool:
        """Tell whether a marker starts the condition."""
        return self.style in (None, style.strip()) and matches(self.text, text)


class Check(Settings):
    """What a number should be if subjects did what the protocol says.

    Within `pass_range` passes, else within `warn_range` warns, else fails. With `counts` false it is said
    and changes no verdict. Where the number that `yields_to` names could be measured, it can only warn.
    """

    measure: str
    pass_range: Range
    warn_range: Range | None = None
    counts: bool = True
    yields_to: str | None = None
    source: Annotated[str, Field(min_length=1)]

    @field_validator("measure", "yields_to")
    @classmethod
    def _is_known(cls, name: str | None) -> str | None:
        if name is not None and name not in MEASURES:
            raise ValueError(unknown("measure", name, MEASURES))
        return name

    @model_validator(mode="after")
    def _ranges_nest(self) -> Check:
        low, high = closed(self.pass_range)
        if low > high:
            raise ValueError(f"pass_range from {low:g} to {high:g}: the first is the lower one")
        if self.warn_range is not None:
            outer_low, outer_high = closed(self.warn_range)
            if outer_low > low or outer_high < high:
                raise ValueError("warn_range: expected a wider range than pass_range, around it")
        return self


class Condition(Settings):
    """One state that subjects are recorded in.

    `delay_s` is the time from the stimulus (the end of a run) to the start of the recording;
    `breath_period_s` the length of one breath where breathing is paced; `reference` says that the heart
    rates of the others are compared with this one's.
    """

    label: str
    description: str = ""
    duration_s: Seconds
    least_duration_s: Seconds
    delay_s: Annotated[float, Field(ge=0)] | None = None
    breath_period_s: Seconds | None = None
    reference: bool = False
    markers: tuple[MarkerRule, ...] = ()
    checks: tuple[Check, ...] = ()

    @model_validator(mode="after")
    def _least_is_less(self) -> Condition:
        if self.least_duration_s > self.duration_s:
            raise ValueError(
                f"least_duration_s {self.least_duration_s:g} is more than duration_s {self.duration_s:g}"
            )
        return self


class Protocol(Settings):
    """What a study records: conditions by key, electrodes, mains, and what to expect of the signal.

    `segments` are the conditions of a recording that was paused between them, in order, None for a segment
    that is none; `checks` are those of every condition.
    """

    name: str
    title: str
    source: str = ""
    lead: Lead
    electrodes: dict[str, str] = Field(default_factory=dict)
    mains_hz: Annotated[float, Field(ge=40, le=70)]
    fs_hz: Seconds
    least_fs_hz: Seconds | None = None
    subject_pattern: Pattern = "[a-z0-9]{1,32}"
    conditions: Annotated[dict[str, Condition], Field(min_length=1)]
    segments: tuple[str | None, ...] = ()
    checks: tuple[Check, ...] = ()

    @field_validator("conditions")
    @classmethod
    def _keys_are_plain(cls, conditions: dict[str, Condition]) -> dict[str, Condition]:
        for key in conditions:
            if not CONDITION_PATTERN.fullmatch(key):
                raise ValueError(f"condition key {key!r}: expected lower-case letters, digits and _")
        references = [key for key, condition in conditions.items() if condition.reference]
        if len(references) > 1:
            raise ValueError(f"reference: expected at most one condition, got {', '.join(references)}")
        return conditions

    @model_validator(mode="after")
    def _parts_fit(self) -> Protocol:
        for key in self.segments:
            if key is not None and key not in self.conditions:
                raise ValueError(f"segments: {unknown('condition', key, self.conditions)}")
        if self.least_fs_hz is not None and self.least_fs_hz > self.fs_hz:
            raise ValueError(f"least_fs_hz {self.least_fs_hz:g} is more than fs_hz {self.fs_hz:g}")
        checks = [check for condition in self.conditions.values() for check in condition.checks]
        if self.reference is None and any(check.measure in OF_REST for check in (*self.checks, *checks)):
            raise ValueError("checks compare with rest, but no condition has reference: true")
        return self

    @property
    def reference(self) -> str | None:
        """Key of the condition that heart rates are compared with, None where there is none."""
        return next((key for key, condition in self.conditions.items() if condition.reference), None)

    def condition(self, key: str) -> Condition:
        """Return a condition by key.

        Raises
        ------
        ProtocolError
            The protocol has no such condition; the message lists those it has.
        """
        if key not in self.conditions:
            raise ProtocolError(f"protocol {self.name}: {unknown('condition', key, self.conditions)}")
        return self.conditions[key]

    def condition_key(self, text: str) -> str:
        """Return the key that a condition goes by, whatever its case, with - or spaces for _.

        Raises
        ------
        ProtocolError
            The protocol has no such condition.
        """
        key = condition_key(text)
        self.condition(key)
        return key

    def rate_warnings(self, fs: float) -> tuple[str, ...]:
        """Say so if a sampling rate, Hz, is lower than the protocol wants."""
        if self.least_fs_hz is None or fs >= self.least_fs_hz:
            return ()
        return (f"{fs:g} Hz; the protocol wants at least {self.least_fs_hz:g} Hz",)

    def check_subject(self, subject: str) -> None:
        """Check a subject's id against the protocol's pattern.

        Raises
        ------
        ProtocolError
            The id does not match it.
        """
        if not matches(self.subject_pattern, subject):
            raise ProtocolError(
                f"protocol {self.name}: subject id {subject!r}, expected one that matches "
                f"{self.subject_pattern!r}"
            )


def closed(bounds: Range) -> tuple[float, float]:
    """Return a range with infinity for what is open."""
    low, high = bounds
    return -math.inf if low is None else low, math.inf if high is None else high


def load_protocol(name: str) -> Protocol:
    """Load a shipped protocol by name, or one of your own by the path of its YAML file.

    Raises
    ------
    ProtocolError
        There is no such protocol, or the file does not follow the schema; the message names fields and lines.
    """
    path = find_protocol(name)
    try:
        return checked(Protocol, read_yaml(path), where=str(path))
    except ConfigError as error:
        raise ProtocolError(f"{error}{_at_lines(path, error.__cause__)}") from error


def find_protocol(name: str) -> Path:
    """Return the file of a shipped protocol, or the path that was given, whether or not it is there.

    Raises
    ------
    ProtocolError
        No shipped protocol has this name, and it is not a path.
    """
    is_path = name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name
    path = Path(name) if is_path else shipped_protocols().get(name)
    if path is None:
        raise ProtocolError(
            f"{unknown('protocol', name, shipped_protocols())} A file of your own goes by its path: "
            "--protocol my.yaml"
        )
    return path


def shipped_protocols() -> dict[str, Path]:
    """Return the protocols that come with ecgkit: name -> file."""
    return {path.stem: path for path in sorted(protocols_folder().glob("*.yaml"))}


def protocols_folder() -> Path:
    """Return the folder of the shipped protocols.

    In a wheel it lies inside the package; in a checkout (editable install) beside it.
    """
    package = Path(__file__).parents[1]
    installed = package / "_protocols"
    return installed if installed.is_dir() else package.parent / "protocols"


def _at_lines(path: Path, cause: BaseException | None) -> str:
    """Say at which lines of a YAML file the fields are that were refused, "" for other errors."""
    if not isinstance(cause, ValidationError):
        return ""
    import yaml

    root = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)  # read and parsed once already
    if root is None:  # an empty file
        return ""
    lines = [str(_line(root, problem["loc"])) for problem in cause.errors()]
    return f" (line{'s' * (len(lines) > 1)} {', '.join(lines)})"


def _line(node: Any, place: Sequence[str | int]) -> int:
    """Return the line of the field, from 1, or of the part that it is missing from."""
    line: int = node.start_mark.line + 1
    for part in place:
        if isinstance(node.value, str):
            break
        if isinstance(part, int) and node.id == "sequence" and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            continue
        found = [pair for pair in node.value if node.id == "mapping" and pair[0].value == part]
        if not found:
            break
        key, node = found[-1]
        line = key.start_mark.line + 1
    return line
