"""What there is to look at in a study: which sessions are not what they should be, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import StudyError
from ecgkit.protocol.compliance import CheckResult, Compliance
from ecgkit.protocol.model import MEASURES, Protocol
from ecgkit.records import Tags
from ecgkit.report.study import STATES, Point, State
from ecgkit.study.session_file import SessionHeader


@dataclass(frozen=True, slots=True)
class Seen:
    """A session and what is to be said of it.

    Attributes
    ----------
    compliance
        None where it is excluded, or of a condition that the protocol does not have.
    """

    header: SessionHeader
    compliance: Compliance | None

    @property
    def state(self) -> State:
        """How it is, in one word."""
        if self.header.is_excluded:
            return "excluded"
        if self.compliance is None or self.compliance.verdict == "not judged":
            return "unjudged"
        if self.compliance.looks_like is not None:
            return "other"
        if self.compliance.verdict == "fail":
            return "fail"
        if self.compliance.verdict == "warn":
            return "warn"
        return "noted" if self.header.warnings else "ok"

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.header.is_excluded:
            return "; ".join(f"excluded: {item.reason}" for item in self.header.excluded)
        if self.compliance is None:
            return f"not judged: the protocol has no condition {self.header.tags.condition}"
        return self.compliance.text

    @property
    def notes(self) -> tuple[str, ...]:
        """What else is to be known: spans that are excluded, warnings of the signal."""
        spans = [item for item in self.header.excluded if not item.is_whole]
        return (*(f"excluded {item.span_text}: {item.reason}" for item in spans), *self.header.warnings)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        header = self.header
        return {
            "session": header.tags.key,
            "subject": header.tags.subject,
            "condition": header.tags.condition,
            "visit": header.tags.visit,
            "take": header.tags.take,
            "duration_s": header.duration_s,
            "heart_rate_bpm": header.heart_rate_bpm,
            "simulated": header.simulated,
            "state": self.state,
            "compliance": None if self.compliance is None else self.compliance.as_json(),
            "excluded": [item.as_json() for item in header.excluded],
            "lost": list(header.lost),
            "warnings": list(header.warnings),
        }


def session_points(protocol: Protocol, row: Mapping[str, tuple[Seen, ...]]) -> Iterator[Point]:
    """Yield what is to be looked at in one visit of one subject."""
    for cell in row.values():
        for seen in cell:
            if seen.state != "ok":
                key = seen.header.tags.key
                who, text = name_of(protocol, seen.header.tags), "; ".join(_reasons(protocol, seen, row))
                yield Point(seen.state, key, who, text, tuple(_kinds(protocol, seen)), _command(seen, row))


def missing_point(protocol: Protocol, subject: str, visit: int, condition: str) -> Point:
    """Say that a session is missing, and how to take it in."""
    label = protocol.conditions[condition].label
    command = f"ecgkit ingest FILE --subject {subject} --condition {condition}{_option('visit', visit)}"
    who = f"subject {subject}{more('visit', visit)}"
    return Point("missing", "", who, f"{label} is missing", (label,), command)


def damaged_point(path: Path, error: StudyError) -> Point:
    """Say that a session file can't be read."""
    text = str(error).removeprefix(f"{path}: ")
    return Point("fail", "", f"file {path.name}", text, ("a damaged file",))


def worst_first(points: Iterable[Point]) -> tuple[Point, ...]:
    """Sort what is to be looked at: by state, then by how much is wrong; swapped sessions stay together."""
    order = {state: i for i, state in enumerate(STATES)}
    return tuple(sorted(points, key=lambda p: (order[p.state], 0 if p.state == "other" else -len(p.kinds))))


def name_of(protocol: Protocol, tags: Tags) -> str:
    """Return what people call a session."""
    known = protocol.conditions
    label = known[tags.condition].label if tags.condition in known else tags.condition
    return f"subject {tags.subject}, {label}{more('visit', tags.visit)}{more('take', tags.take)}"


def _kinds(protocol: Protocol, seen: Seen) -> Iterator[str]:
    """Name what is wrong, in a few words each."""
    if seen.compliance is not None:
        if seen.compliance.looks_like is not None:
            yield f"looks like {protocol.conditions[seen.compliance.looks_like].label}"
        yield from (_what(check) for check in seen.compliance.checks if _is_wrong(check))
    if seen.header.warnings:
        yield "a warning of the signal"


def _is_wrong(check: CheckResult) -> bool:
    return check.counts and check.verdict in ("warn", "fail")


def _what(check: CheckResult) -> str:
    return MEASURES.get(check.measure, ("duration", "s"))[0]


def _reasons(protocol: Protocol, seen: Seen, row: Mapping[str, tuple[Seen, ...]]) -> Iterator[str]:
    """Say what is wrong with a session; remarks stay out, and of notes it is said that there are some."""
    own = seen.compliance
    if own is None or own.verdict == "not judged":
        yield seen.sentence
    else:
        if own.looks_like is not None:
            yield f"looks like {protocol.conditions[own.looks_like].label}{_swapped_with(own, row)}"
        yield from (check.text for check in own.checks if _is_wrong(check))
    if seen.state == "noted":
        yield from seen.notes
    elif seen.notes:
        yield f"and {len(seen.notes)} note{'s' * (len(seen.notes) > 1)} on the signal"


def _swapped_with(own: Compliance, row: Mapping[str, tuple[Seen, ...]]) -> str:
    """Say which session of the visit looks like this one's condition, where this one looks like its."""
    partner = _partner(own, row)
    return "" if partner is None else f", perhaps swapped with {partner.key}"


def _partner(own: Compliance, row: Mapping[str, tuple[Seen, ...]]) -> Tags | None:
    for other in row[own.looks_like or own.condition]:
        if other.compliance is not None and other.compliance.looks_like == own.condition:
            return other.header.tags
    return None


def _command(seen: Seen, row: Mapping[str, tuple[Seen, ...]]) -> str:
    """Say what to do about a session, "" where looking is enough."""
    tags, own = seen.header.tags, seen.compliance
    if seen.state == "fail":
        return f'ecgkit exclude {tags.key} --reason "…"'
    if own is None or own.looks_like is None:
        return ""
    retag = f"ecgkit retag {tags.key} --condition {own.looks_like}"
    partner, taken = _partner(own, row), {other.header.tags.take for other in row[own.looks_like]}
    if partner is not None and partner.take == tags.take:
        order = list(row)
        is_first = order.index(own.condition) < order.index(own.looks_like)
        return f"{retag} --swap" if is_first else ""  # both commands would undo each other
    return f"{retag} --take {max(taken) + 1}" if tags.take in taken else retag


def more(name: str, number: int) -> str:
    """Name a visit or a take after a comma, "" for the first."""
    return f", {name} {number}" if number > 1 else ""


def _option(name: str, number: int) -> str:
    return f" --{name} {number}" if number > 1 else ""
