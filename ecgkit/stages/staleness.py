"""Whether a data set still is what its study would give."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ecgkit.dataset.read import Dataset
from ecgkit.exclusions import Exclusion
from ecgkit.records import Tags
from ecgkit.study.folder import is_study, open_study
from ecgkit.study.session_file import read_headers

CHOSEN_BY = ("subject", "condition", "visit")
NOT_CHOSEN = "not chosen: "  # how the reason begins why a session that could be in a data set was not to be


def origin(span_s: tuple[float, float] | None, excluded: Sequence[Exclusion]) -> dict[str, Any]:
    """Return which part of its source a session is, and what of it is excluded; seconds, plain values."""
    part: dict[str, Any] = {}
    if span_s is not None:
        part["span_s"] = list(span_s)
    if excluded:
        part["excluded_s"] = [[span.start_s, span.stop_or_none_s] for span in excluded]
    return part


def not_asked_for(tag: str, value: str | int) -> str:
    """Return the reason why sessions of this subject, condition or visit are not in a data set."""
    return f"{NOT_CHOSEN}{tag} {value} was not asked for"


def stale(data: Dataset) -> list[str]:
    """Say in a sentence how the study that a data set lies in has changed since; nothing if it has not.

    Sessions are compared by their tags, the hashes of their sources, which part of these they are and what
    of it is excluded. What happens to sessions that were not to be in it does not count. A data set that
    lies elsewhere is not compared.
    """
    folder = data.path.parent
    if not is_study(folder):
        return []
    reasons = {key: source["reason"] for key, source in data.left_out.items()}
    headers = {header.tags.key: header for header in read_headers(open_study(folder))}
    not_asked = {key for key, header in headers.items() if _not_asked_for(header.tags, reasons.values())}
    gone = {key for key, reason in reasons.items() if reason.startswith(NOT_CHOSEN)} - headers.keys()
    now = {
        key: _identity({"sha256": header.sha256, **origin(header.span_s, header.excluded)})
        for key, header in headers.items()
    }
    then = {key: _identity(source) for key, source in [*data.sources.items(), *data.left_out.items()]}
    compared = (now.keys() | then.keys()) - not_asked - gone
    changed = sorted(key for key in compared if now.get(key) != then.get(key))
    if not changed:
        return []
    named = ", ".join(changed[:3]) + (" …" if len(changed) > 3 else "")
    chosen = any(reason.startswith(NOT_CHOSEN) for reason in reasons.values())
    return [
        f"the study has changed since {data.path} was built ({len(changed)} sessions added, replaced, "
        f"excluded or removed: {named}); build it again with: ecgkit build-dataset"
        + (", choosing the same sessions" if chosen else "")
    ]


def _not_asked_for(tags: Tags, reasons: Collection[str]) -> bool:
    return any(not_asked_for(tag, getattr(tags, tag)) in reasons for tag in CHOSEN_BY)


def _identity(source: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(source.get(name) for name in ("sha256", "span_s", "excluded_s"))
