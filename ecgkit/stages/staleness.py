"""Whether a data set still is what its study would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecgkit.dataset.read import Dataset
from ecgkit.exclusions import Exclusion
from ecgkit.records import Tags
from ecgkit.study.folder import is_study, open_study
from ecgkit.study.session_file import read_headers

CHOSEN_BY = {"subject": "subjects", "condition": "conditions", "visit": "visits"}  # tag -> name in the choice


def origin(span_s: tuple[float, float] | None, excluded: Sequence[Exclusion]) -> dict[str, Any]:
    """Return which part of its source a session is, and what of it is excluded; seconds, plain values."""
    part: dict[str, Any] = {}
    if span_s is not None:
        part["span_s"] = list(span_s)
    if excluded:
        part["excluded_s"] = [[span.start_s, span.stop_or_none_s] for span in excluded]
    return part


def stale(data: Dataset) -> list[str]:
    """Say in a sentence how the study that a data set lies in has changed since; nothing if it has not.

    Sessions are compared by their tags, the hashes of their sources, which part of these they are and what
    of it is excluded. What happens to sessions that were not asked for does not count, nor that one is gone
    which gave no window. A data set that lies elsewhere is not compared.
    """
    folder = data.path.parent
    if not is_study(folder):
        return []
    now = {
        header.tags.key: _identity({"sha256": header.sha256, **origin(header.span_s, header.excluded)})
        for header in read_headers(open_study(folder))
        if header.tags.key in data.sources or _is_asked_for(header.tags, data.choice)
    }
    then = {key: _identity(source) for key, source in [*data.sources.items(), *data.left_out.items()]}
    compared = now.keys() | data.sources.keys()
    changed = sorted(key for key in compared if now.get(key) != then.get(key))
    if not changed:
        return []
    named = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
    chosen = any(wanted is not None for wanted in data.choice.values())
    return [
        f"the study has changed since {data.path} was built ({len(changed)} sessions added, replaced, "
        f"excluded or removed: {named}); build it again with: ecgkit build-dataset"
        + (", choosing the same sessions" if chosen else "")
    ]


def _is_asked_for(tags: Tags, choice: Mapping[str, Any]) -> bool:
    """Tell whether a data set's choice takes in a session by its tags; None takes in all."""
    asked = {tag: choice.get(name) for tag, name in CHOSEN_BY.items()}
    return all(not isinstance(some, list) or getattr(tags, tag) in some for tag, some in asked.items())


def _identity(source: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(source.get(name) for name in ("sha256", "span_s", "excluded_s"))
