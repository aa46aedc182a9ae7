"""Whether a data set still is what its study would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecgkit.dataset.read import Dataset
from ecgkit.exclusions import Exclusion
from ecgkit.study.folder import is_study, open_study
from ecgkit.study.session_file import read_headers


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
    of it is excluded. A data set that lies elsewhere is not compared.
    """
    folder = data.path.parent
    if not is_study(folder):
        return []
    now = {
        header.tags.key: _identity({"sha256": header.sha256, **origin(header.span_s, header.excluded)})
        for header in read_headers(open_study(folder))
    }
    then = {key: _identity(source) for key, source in [*data.sources.items(), *data.left_out.items()]}
    changed = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
    if not changed:
        return []
    named = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
    return [
        f"the study has changed since {data.path} was built ({len(changed)} sessions added, replaced, "
        f"excluded or removed: {named}); build it again with: ecgkit build-dataset"
    ]


def _identity(source: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(source.get(name) for name in ("sha256", "span_s", "excluded_s"))
