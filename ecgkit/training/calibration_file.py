"""What a run's out-of-fold outputs say of its probabilities, and from where on an answer is "unknown".

calibration.json of a run folder; the same content travels inside an ONNX file. It needs no torch. A file may
come from anywhere: all of it is checked.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ecgkit.errors import RunError
from ecgkit.files import write_text
from ecgkit.training.card import read_json_file

FORMAT = "ecgkit-calibration"
FORMAT_VERSION = 1
CALIBRATION_FILE = "calibration.json"
TASKS = ("subject", "condition")
MAX_BYTES = 1_000_000
MAX_ROWS = 1000  # of each kind
MAX_TEXT = 2000
MAX_COUNT = 10**12
MAX_NLL = 1e9
TEMPERATURES = (1e-3, 1e3)
_SHA256 = re.compile(r"[0-9a-f]{64}")

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Bin:
    """Windows whose answers had much the same probability.

    Attributes
    ----------
    n
        Windows.
    probability, accuracy
        Mean probability of the answers, and the share of them that was right.
    """

    n: int
    probability: float
    accuracy: float

    def __post_init__(self) -> None:
        _check_count(self, "n", at_least=1)
        _check_shares(self, "probability", "accuracy")


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far probabilities can be believed; less is better.

    Attributes
    ----------
    nll
        Mean negative log-likelihood of the true class, nats.
    brier
        Mean squared distance of the probabilities from the truth, summed over classes, 0 to 2.
    ece
        Expected calibration error over `bins`.
    bins
        Of equal mass, by ascending probability.
    """

    nll: float
    brier: float
    ece: float
    bins: tuple[Bin, ...]

    def __post_init__(self) -> None:
        _check_number(self, "nll", 0, MAX_NLL)
        _check_number(self, "brier", 0, 2)
        _check_shares(self, "ece")
        _check_records(self, "bins", Bin)


@dataclass(frozen=True, slots=True)
class Fused:
    """How far the probabilities of answers over several windows can be believed.

    Attributes
    ----------
    n_windows
        Consecutive windows of a session, fused by the mean of their calibrated log-probabilities.
    n
        Answers.
    probability, accuracy
        Mean probability of the answers, and the share of them that was right.
    ece
        Expected calibration error.
    """

    n_windows: int
    n: int
    probability: float
    accuracy: float
    ece: float

    def __post_init__(self) -> None:
        _check_count(self, "n_windows", at_least=1)
        _check_count(self, "n", at_least=1)
        _check_shares(self, "probability", "accuracy", "ece")


@dataclass(frozen=True, slots=True)
class TaskCalibration:
    """The temperature of one head, and what its probabilities are worth without and with it.

    Attributes
    ----------
    scheme
        The split scheme whose out-of-fold outputs it comes from.
    temperature
        The outputs are divided by it before the softmax.
    n_windows, n_persons
        How many it was fitted on, and tested with: both on the same outputs.
    before, after
        With temperature 1, and with this one.
    fused
        With this one, over several windows; ascending.
    """

    scheme: str
    temperature: float
    n_windows: int
    n_persons: int
    before: Reliability
    after: Reliability
    fused: tuple[Fused, ...]

    def __post_init__(self) -> None:
        _check_text(self, "scheme")
        _check_number(self, "temperature", *TEMPERATURES)
        _check_count(self, "n_windows", at_least=1)
        _check_count(self, "n_persons", at_least=1)
        _check_record(self, "before", Reliability)
        _check_record(self, "after", Reliability)
        _check_records(self, "fused", Fused)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A probability under which an answer to "who is it?" is "unknown" (terms of ISO/IEC 19795-1).

    Attributes
    ----------
    n_windows
        For answers fused over so many windows.
    target
        The false-positive identification rate (FPIR) that was asked for.
    threshold
        Answers of a lower probability are "unknown"; above 1: all are.
    fpir
        Share of the non-mated scores (people who are not enrolled) that reach it; never over the target.
    fpir_new, fpir_new_low, fpir_new_high
        The same for people whose own scores had no part in the choice of the threshold, with a 95 %
        interval from resampled persons. None where there are too few scores for such a choice.
    n_non_mated, n_non_mated_persons
        How many scores, of how many people.
    fnir, fnir_low, fnir_high
        Share of the mated answers (enrolled people) that are "unknown" or another's, with the interval;
        None where there are none.
    n_mated, n_mated_persons
        How many answers, of how many people.
    """

    n_windows: int
    target: float
    threshold: float
    fpir: float
    fpir_new: float | None
    fpir_new_low: float | None
    fpir_new_high: float | None
    n_non_mated: int
    n_non_mated_persons: int
    fnir: float | None
    fnir_low: float | None
    fnir_high: float | None
    n_mated: int
    n_mated_persons: int

    def __post_init__(self) -> None:
        _check_count(self, "n_windows", at_least=1)
        _check_shares(self, "target", "fpir")
        _check_number(self, "threshold", 0, 2)
        for rate in ("fpir_new", "fnir"):
            names = (rate, f"{rate}_low", f"{rate}_high")
            if any(getattr(self, name) is not None for name in names):
                _check_shares(self, *names)
        for name in ("n_non_mated", "n_non_mated_persons"):
            _check_count(self, name, at_least=1)
        for name in ("n_mated", "n_mated_persons"):
            _check_count(self, name, at_least=0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a run's out-of-fold outputs say of its probabilities.

    Attributes
    ----------
    tasks
        ``"subject" | "condition" -> calibration``; a task that has none is not in it.
    thresholds
        For "unknown", by ascending number of windows, then by ascending target; none where there are no
        outputs for people who are not enrolled.
    n_enrolled
        People whom those who are not enrolled were compared with; the fewest of the folds, 0 where there
        are no thresholds.
    mated_scheme
        The scheme that the mated answers come from, "" where there are none.
    n_rejected
        Windows of quality "reject", which had no part in this.
    missing
        What can't be had, and why; a sentence each.
    dataset_sha256
        Hash of the data set that the run was trained on.
    simulated
        Whether the data were simulated.

    Raises
    ------
    RunError
        A value has the wrong type, is out of range or does not fit the others.
    """

    tasks: Mapping[str, TaskCalibration]
    thresholds: tuple[Threshold, ...]
    n_enrolled: int
    mated_scheme: str
    n_rejected: int
    missing: tuple[str, ...]
    dataset_sha256: str
    simulated: bool

    def __post_init__(self) -> None:
        if not set(self.tasks) <= set(TASKS):
            _refuse("tasks", self.tasks, f"calibrations under {' and '.join(TASKS)}")
        for name, task in self.tasks.items():
            if not isinstance(task, TaskCalibration):
                _refuse(f"tasks.{name}", task, "a calibration")
        _check_records(self, "thresholds", Threshold)
        order = [(row.n_windows, row.target) for row in self.thresholds]
        if order != sorted(set(order)):
            _refuse("thresholds", order, "one for each number of windows and target, ascending")
        _check_count(self, "n_enrolled", at_least=0)
        _check_count(self, "n_rejected", at_least=0)
        _check_text(self, "mated_scheme")
        _check_records(self, "missing", str)
        if not isinstance(self.dataset_sha256, str) or not _SHA256.fullmatch(self.dataset_sha256):
            _refuse("dataset_sha256", self.dataset_sha256, "64 hexadecimal digits")
        if type(self.simulated) is not bool:
            _refuse("simulated", self.simulated, "true or false")

    def temperature(self, task: str) -> float:
        """Return what the outputs of a task are divided by; 1 where it is not calibrated."""
        return self.tasks[task].temperature if task in self.tasks else 1.0

    def threshold(self, n_windows: int, target: float) -> Threshold | None:
        """Return the threshold for so many fused windows: the one stored for the most that are not more.

        None where no threshold is stored for this target and so few windows.
        """
        fitting = [row for row in self.thresholds if row.target == target and row.n_windows <= n_windows]
        return max(fitting, key=lambda row: row.n_windows, default=None)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, with format and version."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(self)}


def write(path: Path, calibration: Calibration) -> None:
    """Write a calibration as JSON, whole or not at all."""
    write_text(path, json.dumps(calibration.as_json(), indent=2, allow_nan=False) + "\n")


def read(path: Path) -> Calibration:
    """Read a calibration file, which may come from an untrusted source.

    Raises
    ------
    RunError
        It is missing, too large, damaged, or not a calibration of a known version.
    """
    content = read_json_file(path, MAX_BYTES)
    try:
        return from_json(content)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error


def from_json(content: object) -> Calibration:
    """Make a calibration of plain values, as `Calibration.as_json` gives them, without trusting them.

    Raises
    ------
    RunError
        A value is missing, unknown, of the wrong type or out of range; the message names it.
    """
    if not isinstance(content, Mapping):
        raise RunError(f"calibration: expected an object, got {type(content).__name__}")
    values = dict(content)
    found, version = values.pop("format", None), values.pop("format_version", None)
    if (found, version) != (FORMAT, FORMAT_VERSION):
        raise RunError(
            f"calibration: format {_shown(found)} version {_shown(version)}, this ecgkit reads {FORMAT!r} "
            f"version {FORMAT_VERSION}; install the ecgkit that wrote it, or train again"
        )
    return _calibration(values)


def _calibration(values: dict[str, Any]) -> Calibration:
    tasks = values.get("tasks")
    if not isinstance(tasks, dict) or not set(tasks) <= set(TASKS):
        _refuse("tasks", tasks, f"calibrations under {' and '.join(TASKS)}")
    values["tasks"] = {name: _task(task) for name, task in tasks.items()}
    values["thresholds"] = _rows(Threshold, values.get("thresholds"))
    if isinstance(values.get("missing"), list):
        values["missing"] = tuple(values["missing"])
    return _record(Calibration, values)


def _task(content: Any) -> TaskCalibration:
    values = dict(content) if isinstance(content, dict) else _refuse("tasks", content, "objects")
    for name in ("before", "after"):
        inner = values.get(name)
        inner = dict(inner) if isinstance(inner, dict) else _refuse(name, inner, "an object")
        values[name] = _record(Reliability, inner | {"bins": _rows(Bin, inner.get("bins"))})
    values["fused"] = _rows(Fused, values.get("fused"))
    return _record(TaskCalibration, values)


def _rows(record: type[Record], content: Any) -> tuple[Record, ...]:
    """Make records of a list of objects."""
    if not isinstance(content, list | tuple) or len(content) > MAX_ROWS:
        _refuse(record.__name__, content, f"a list of at most {MAX_ROWS}")
    return tuple(_record(record, row) for row in content)


def _record(record: type[Record], content: Any) -> Record:
    """Make a record of an object that has exactly its fields."""
    expected = {field.name for field in dataclasses.fields(record)}  # type: ignore[arg-type]
    if not isinstance(content, dict) or content.keys() != expected:
        names = sorted(map(str, content)) if isinstance(content, dict) else content
        _refuse(record.__name__, names, f"the fields {', '.join(sorted(expected))}")
    return record(**content)


def _check_number(record: object, name: str, low: float, high: float) -> None:
    value = getattr(record, name)
    if type(value) not in (int, float) or not low <= value <= high:
        _refuse(f"{type(record).__name__}.{name}", value, f"a number from {low:g} to {high:g}")


def _check_shares(record: object, *names: str) -> None:
    for name in names:
        _check_number(record, name, 0, 1)


def _check_count(record: object, name: str, *, at_least: int) -> None:
    value = getattr(record, name)
    if type(value) is not int or not at_least <= value <= MAX_COUNT:
        _refuse(f"{type(record).__name__}.{name}", value, f"a whole number from {at_least} to {MAX_COUNT:g}")


def _check_text(record: object, name: str) -> None:
    value = getattr(record, name)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        _refuse(f"{type(record).__name__}.{name}", value, f"a text of at most {MAX_TEXT} characters")


def _check_record(record: object, name: str, kind: type[object]) -> None:
    if not isinstance(getattr(record, name), kind):
        _refuse(f"{type(record).__name__}.{name}", getattr(record, name), kind.__name__)


def _check_records(record: object, name: str, kind: type[object]) -> None:
    value = getattr(record, name)
    if not isinstance(value, tuple) or len(value) > MAX_ROWS or not all(isinstance(v, kind) for v in value):
        _refuse(f"{type(record).__name__}.{name}", value, f"at most {MAX_ROWS} of {kind.__name__}")


def _shown(value: object) -> str:
    text = repr(value)
    return text[:80] + "…" * (len(text) > 80)


def _refuse(name: str, got: object, expected: str) -> NoReturn:
    raise RunError(f"calibration: {name}: got {_shown(got)}, expected {expected}")
