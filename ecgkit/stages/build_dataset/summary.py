"""What a build says about itself when it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgkit.analysis.quality import VERDICTS
from ecgkit.config import Config
from ecgkit.dataset.part import PartFile
from ecgkit.dataset.write import Part, label_of
from ecgkit.splits import find_scheme
from ecgkit.splits.claims import unexpected
from ecgkit.splits.leakage import Leak, describe_leaks
from ecgkit.stages.build_dataset.choose import LeftOut

MANY = 0.2  # of a session's windows; the shipped protocols warn from there on as well


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """What `ecgkit build-dataset` made.

    Attributes
    ----------
    qualities
        ``verdict -> windows`` of the data set.
    leaks
        ``scheme -> what its folds give away``, of the schemes in the file.
    n_excluded, n_too_poor
        Windows that are not in it, since they touch an excluded span or are below `pipeline.min_quality`.
    n_resumed
        Sessions that an earlier, interrupted build had cut.
    excluded, not_chosen
        ``session -> reason``: sessions that are excluded as a whole, or were not asked for.
    left_out
        ``session -> why``: sessions that gave no window.
    turned
        Sessions in which a lead was turned upright.
    own_labels
        Names of the user's own labels in it.
    """

    path: Path
    n_windows: int
    shape: tuple[int, ...]
    subjects: Mapping[str, int]
    conditions: Mapping[str, int]
    qualities: Mapping[str, int]
    n_excluded: int
    n_too_poor: int
    n_sessions: int
    n_resumed: int
    leaks: Mapping[str, tuple[Leak, ...]]
    sha256: str
    simulated: bool
    mains: tuple[str, ...]
    excluded: Mapping[str, LeftOut]
    not_chosen: Mapping[str, LeftOut]
    left_out: Mapping[str, LeftOut]
    turned: tuple[str, ...]
    own_labels: tuple[str, ...]
    warnings: tuple[str, ...]
    config: Config

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "dataset": str(self.path),
            "windows": self.n_windows,
            "shape": list(self.shape),
            "windows_by_subject": self.subjects,
            "windows_by_condition": self.conditions,
            "windows_by_quality": self.qualities,
            "windows_excluded": self.n_excluded,
            "windows_below_min_quality": self.n_too_poor,
            "sessions": self.n_sessions,
            "sessions_resumed": self.n_resumed,
            "turned": list(self.turned),
            "own_labels": list(self.own_labels),
            "splits": list(self.leaks),
            "leaks": {name: describe_leaks(found) for name, found in self.leaks.items()},
            "content_sha256": self.sha256,
            "simulated": self.simulated,
            "mains": list(self.mains),
            **{
                name: {key: out["reason"] for key, out in getattr(self, name).items()}
                for name in ("excluded", "not_chosen", "left_out")
            },
            "warnings": list(self.warnings),
            "config": self.config.model_dump(include={"preset", "sessions", "pipeline", "splits"}),
        }


def counted(parts: Sequence[Part], files: Mapping[str, PartFile]) -> dict[str, Any]:
    """Count what is in a data set: the fields of `BuildSummary` that are numbers of windows or sessions."""
    quality = sum(
        (np.bincount(part.columns["quality"], minlength=len(VERDICTS)) for part in parts),
        np.zeros(len(VERDICTS), dtype=np.int64),
    )
    by: dict[str, Counter[str]] = {"subject": Counter(), "condition": Counter()}
    for part in parts:
        for column, count in by.items():
            count[label_of(part, column)] += len(part.windows)
    n_windows = by["subject"].total()
    return {
        "n_windows": n_windows,
        "shape": (n_windows, *parts[0].windows.shape[1:]),
        "subjects": dict(sorted(by["subject"].items())),
        "conditions": dict(sorted(by["condition"].items())),
        "qualities": dict(zip(VERDICTS, quality.tolist(), strict=True)),
        "n_excluded": sum(file.about["n_excluded"] for file in files.values()),
        "n_too_poor": sum(file.about["n_too_poor"] for file in files.values()),
        "n_sessions": len(parts),
        "simulated": any(part.simulated for part in parts),
        "turned": tuple(key for key, file in files.items() if file.about["turned"]),
        "mains": tuple(sorted({file.about["mains"] for file in files.values()})),
    }


def warnings_of(
    parts: Sequence[Part], files: Mapping[str, PartFile], leaks: Mapping[str, Sequence[Leak]]
) -> Iterator[str]:
    """Say what should be known before a model is trained on these windows."""
    for column in ("subject", "condition"):
        if len({label_of(part, column) for part in parts}) == 1:
            label = label_of(parts[0], column)
            yield f"all windows are of one {column}: {label}; nothing can be told apart by it"
    names = Counter(part.channels for part in parts)
    if len(names) > 1:
        listed = "; ".join(f"{' + '.join(channels)} ({count} sessions)" for channels, count in names.items())
        yield f"the ECG was taken from channels of different names: {listed}. Is it the same lead?"
    poor = [
        part.tags.key for part in parts if np.mean(part.columns["quality"] == VERDICTS.index("reject")) > MANY
    ]
    if poor:
        yield (
            f"in {len(poor)} sessions many windows are of quality 'reject' (an electrode off?): "
            f"{_some(poor)}. They are kept; --min-quality doubtful leaves them out"
        )
    said: dict[str, list[str]] = {}
    for key, file in files.items():
        for sentence in file.about["warnings"]:
            said.setdefault(sentence, []).append(key)
    yield from (f"{sentence} ({len(keys)} sessions: {_some(keys)})" for sentence, keys in said.items())
    for name, found in leaks.items():
        yield from unexpected(find_scheme(name), found)


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (" …" if len(keys) > 3 else "")
