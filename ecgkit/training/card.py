"""The card of a run: what must be known to apply its network. Read without trust, and without torch.

It is `run.json` in a run folder, and travels inside a network that was exported.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import ecgkit
from ecgkit.errors import ConfigError, RunError
from ecgkit.models.spec import ModelSpec

FORMAT = "ecgkit-run"
FORMAT_VERSION = 1
CARD_FILE = "run.json"
MOST_LEVELS = 20
MAX_CARD_BYTES = 16_000_000
MAX_FS = 1_000_000.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RunCard:
    """What must be known to apply a network to a new recording, and where it came from.

    Attributes
    ----------
    spec
        The network.
    fs
        Sampling rate of the windows, Hz; their length is `spec.n_samples`.
    lead_names, subject_labels, condition_labels
        Names in the order of the leads and of the heads' outputs; no labels of a task without a head.
    pipeline
        The preprocessing's settings, as the data set has them.
    dataset_sha256
        Hash of the data set that it was trained on.
    split
        Name of the split that it was trained under, such as "paper" or "all".
    seed
        Seed of the training.
    training
        The training's settings.
    simulated
        Whether the data were simulated.
    versions
        Of ecgkit and what it computes with: `ecgkit.training.weights.current_versions`.

    Raises
    ------
    RunError
        A value has the wrong type or does not fit the others.
    """

    spec: ModelSpec
    fs: float
    lead_names: tuple[str, ...]
    subject_labels: tuple[str, ...]
    condition_labels: tuple[str, ...]
    pipeline: Mapping[str, Any]
    dataset_sha256: str
    split: str
    seed: int
    training: Mapping[str, Any]
    simulated: bool
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        _check_names("lead_names", self.lead_names, self.spec.n_leads)
        _check_names("subject_labels", self.subject_labels, self.spec.n_subjects)
        _check_names("condition_labels", self.condition_labels, self.spec.n_conditions)
        if type(self.fs) not in (int, float) or not 0 < self.fs <= MAX_FS:
            _refuse("fs", self.fs, f"a rate in Hz above 0, at most {MAX_FS:g}")
        if not isinstance(self.dataset_sha256, str) or not _SHA256.fullmatch(self.dataset_sha256):
            _refuse("dataset_sha256", self.dataset_sha256, "64 hexadecimal digits")
        for name, kind in (("split", str), ("seed", int), ("simulated", bool)):
            if type(getattr(self, name)) is not kind:
                _refuse(name, getattr(self, name), kind.__name__)
        for name in ("pipeline", "training", "versions"):
            value = getattr(self, name)
            if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
                _refuse(name, value, "a mapping of names to values")


def card_content(card: RunCard) -> dict[str, Any]:
    """Return a card as plain values, with the format's name and version."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(card)}


def _is_deeper(content: object, most: int) -> bool:
    """Tell whether values lie deeper than so many levels: JSON reads more than copying bears."""
    level: list[object] = [content]
    for _ in range(most):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return any(isinstance(value, dict | list) for value in level)


def card_of(content: dict[str, Any], *, where: str) -> RunCard:
    """Check plain values from anywhere, and make a card of them.

    Parameters
    ----------
    content
        What `card_content` gives, read back from JSON.
    where
        The file, for errors.

    Raises
    ------
    RunError
        Another format or version, or a field is missing, unknown, of the wrong type or out of bounds.
    """
    _check_format(content, where)
    if _is_deeper(content, MOST_LEVELS):
        raise RunError(
            f"{where}: more than {MOST_LEVELS} levels of values; is this the card of an ecgkit run?"
        )
    fields = {name: value for name, value in content.items() if name not in ("format", "format_version")}
    try:
        _check_fields(RunCard, fields, "run")
        spec = fields.pop("spec")
        _check_fields(ModelSpec, spec, "spec")
        return RunCard(spec=ModelSpec(**_with_tuples(spec)), **_with_tuples(fields))
    except (ConfigError, RunError) as error:
        raise RunError(f"{where}: {error}") from error


def json_text(content: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return plain values as JSON: ASCII, names sorted, so that the same values give the same text."""
    return json.dumps(content, indent=indent, sort_keys=True, allow_nan=False)


def json_object(text: str, *, where: str) -> dict[str, Any]:
    """Read a JSON object from anywhere: no name twice, and no number that is none.

    Raises
    ------
    RunError
        It is something else.
    """
    try:
        content = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError) as error:
        raise RunError(
            f"{where}: not a JSON text ({error}); take the run folder from its source again"
        ) from error
    if not isinstance(content, dict):
        raise RunError(f"{where}: expected a JSON object, got {type(content).__name__}")
    return content


def read_json_file(path: Path, limit: int = MAX_CARD_BYTES) -> dict[str, Any]:
    """Read a JSON object from a file of a run folder.

    Raises
    ------
    RunError
        It can't be read, is larger than `limit` bytes, or holds something else.
    """
    refuse_link_out(path)
    raw = read_bytes(path, limit)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RunError(
            f"{path}: not a JSON text ({error}); take the run folder from its source again"
        ) from error
    return json_object(text, where=str(path))


def read_bytes(path: Path, limit: int, *, expected: str = "the folder of an ecgkit run") -> bytes:
    """Read a whole file, but not more than `limit` bytes, whatever its size is said to be.

    Raises
    ------
    RunError
        It is not there, no ordinary file (to read a pipe is to wait for ever), or larger.
    """
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: a folder, a device or a pipe; expected {expected}")
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise RunError(f"{path}: can't be read ({error.strerror}); expected {expected}") from error
    if len(raw) > limit:
        raise RunError(f"{path}: more than {limit} bytes, too large for what the run's network needs")
    return raw


def refuse_link_out(path: Path) -> None:
    """Refuse a file of a run folder that is a link to another folder: it may be nobody's but the owner's.

    Raises
    ------
    RunError
        It is one.
    """
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise RunError(f"{path}: a link to another folder; put the file itself here")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        repeated, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{repeated[:80]!r} stands there twice")
    return content


def _check_format(content: Mapping[str, Any], where: str) -> None:
    found, version = content.get("format"), content.get("format_version")
    if found != FORMAT:
        raise RunError(
            f"{where}: format {found!r}, expected {FORMAT!r}; is this the folder of an ecgkit run?"
        )
    if version != FORMAT_VERSION:
        raise RunError(
            f"{where}: format version {version!r}, this ecgkit ({ecgkit.__version__}) reads "
            f"{FORMAT_VERSION}; install the ecgkit that wrote it, or train again"
        )


def _check_fields(record: type[Any], content: object, what: str) -> None:
    expected = {field.name for field in dataclasses.fields(record)}
    if not isinstance(content, dict):
        raise RunError(f"{what}: expected an object, got {type(content).__name__}")
    if content.keys() != expected:
        missing, extra = sorted(expected - content.keys()), sorted(content.keys() - expected)
        raise RunError(f"{what}: fields missing: {missing}, not expected: {extra}")


def _with_tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _check_names(field: str, names: object, n: int) -> None:
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        _refuse(field, names, "names in a list")
    if len(names) != n or len(set(names)) != n:
        _refuse(field, names, f"{n} different names, as the network has outputs or leads")


def _refuse(field: str, got: object, expected: str) -> NoReturn:
    text = repr(got)
    raise RunError(f"{field}: got {text[:80]}{'…' if len(text) > 80 else ''}, expected {expected}")
