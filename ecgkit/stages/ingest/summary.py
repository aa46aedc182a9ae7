"""What an ingest did, or would do: for people and for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ecgkit.exclusions import Exclusion
from ecgkit.protocol.compliance import Compliance
from ecgkit.records import Tags
from ecgkit.stages.ingest.place import Decision
from ecgkit.stages.ingest.plan import Failure, Fault, Placed
from ecgkit.stages.ingest.prepare import Prepared
from ecgkit.study.rules import Span
from ecgkit.study.session_file import SessionHeader

# what becomes of a session, in the order in which a summary counts; the first two of a dry run
Outcome = Literal["new", "replaces", "ingested", "replaced", "already there", "refused", "failed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
NOT_IN = ("refused", "failed")


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What became of one session, or of a recording of which no session could be planned.

    Attributes
    ----------
    where
        The table's line or the like.
    error
        Why it was refused or failed.
    prepared
        How it was read; None where it was not.
    replaced
        Other sessions whose place it takes; they are no more.
    excluded
        What is not to be used of it, as older sessions of its samples, or an export, say.
    compliance
        The verdict; None where it is not judged.
    """

    file: Path
    where: str
    tags: Tags | None
    outcome: Outcome
    span_s: Span | None = None
    error: Failure | None = None
    prepared: Prepared | None = None
    header: SessionHeader | None = None
    replaced: tuple[SessionHeader, ...] = ()
    excluded: tuple[Exclusion, ...] = ()
    compliance: Compliance | None = None

    @property
    def replaced_text(self) -> str:
        """Which sessions it takes the place of, and what becomes of their exclusions; "" for none."""
        if self.tags is None or not self.replaced:
            return ""
        text = f"{self.tags.key}: in place of {', '.join(old.tags.key for old in self.replaced)}"
        before = sum(len(old.excluded) for old in self.replaced)
        return f"{text}; exclusions: {before} before, {len(self.excluded)} now" if before else text

    @property
    def name(self) -> str:
        """What messages call it: its tags, the file, and where that was named."""
        where = f"{self.file.name}, {self.where}" if self.where else self.file.name
        return where if self.tags is None else f"{self.tags.key} ({where})"

    @property
    def error_text(self) -> str:
        """Why it was refused or failed, "" where it was not."""
        if isinstance(self.error, OSError) and self.error.strerror:
            where = f"{self.error.filename}: " if self.error.filename else ""
            return f"{where}{self.error.strerror}"
        return "" if self.error is None else str(self.error)

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        content: dict[str, Any] = {
            "file": str(self.file),
            "where": self.where,
            "session": None if self.tags is None else self.tags.key,
            "outcome": self.outcome,
            "error": self.error_text or None,
            "span_s": None if self.span_s is None else list(self.span_s),
            "replaced": [_replaced_json(old) for old in self.replaced],
            "excluded": [item.as_json() for item in self.excluded],
        }
        if self.prepared is not None:
            content |= {
                "channels": list(self.prepared.channels),
                "channel_reason": self.prepared.reason,
                "respiration": self.prepared.respiration,
            }
        if self.header is not None:
            content |= _header_json(self.header)
        if self.compliance is not None:
            content["compliance"] = self.compliance.as_json()
        return content


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What a call did, or with `dry_run` would do.

    Attributes
    ----------
    skipped
        Files that the pattern does not match.
    verdicts
        Of all sessions of the visits that the call put something into, by the key of their tags.
    """

    study: Path
    sessions: tuple[SessionSummary, ...]
    skipped: tuple[Path, ...] = ()
    verdicts: Mapping[str, Compliance] | None = None
    dry_run: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many sessions had each outcome, and how many files were skipped; only what there is."""
        found = Counter(session.outcome for session in self.sessions)
        counts = {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}
        return counts | ({"skipped": len(self.skipped)} if self.skipped else {})

    @property
    def left_out(self) -> tuple[SessionSummary, ...]:
        """What was refused or failed."""
        return tuple(session for session in self.sessions if session.outcome in NOT_IN)

    @property
    def doubtful(self) -> dict[str, Compliance]:
        """The verdicts that are not pass: warn, fail, not judged."""
        return {key: verdict for key, verdict in (self.verdicts or {}).items() if verdict.verdict != "pass"}

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "study": str(self.study),
            "dry_run": self.dry_run,
            "counts": self.counts,
            "sessions": [session.as_json() for session in self.sessions],
            "skipped": [str(path) for path in self.skipped],
            "doubtful": {key: verdict.as_json() for key, verdict in self.doubtful.items()},
        }

    def one_as_json(self) -> dict[str, Any]:
        """Return the summary of a call for one session as plain values."""
        return {"study": str(self.study), "dry_run": self.dry_run, **self.sessions[0].as_json()}


def left_out(fault: Fault) -> SessionSummary:
    """Return what became of a recording that is not taken in."""
    return SessionSummary(
        file=fault.file,
        where=fault.where,
        tags=fault.tags,
        outcome="refused" if fault.refused else "failed",
        error=fault.error,
    )


def taken(
    placed: Placed, outcome: Outcome, prepared: Prepared, header: SessionHeader | None, decision: Decision
) -> SessionSummary:
    """Return what became of a session that was taken in, or would be."""
    itself = placed.tags, placed.source.sha256, placed.span_s
    return SessionSummary(
        file=placed.file,
        where=placed.where,
        tags=placed.tags,
        outcome=outcome,
        span_s=placed.span_s,
        prepared=prepared,
        header=header,
        replaced=tuple(old for old in decision.old if (old.tags, old.sha256, old.span_s) != itself),
        excluded=(decision.excluded or ()) if header is None else header.excluded,
    )


def _replaced_json(old: SessionHeader) -> dict[str, Any]:
    return {
        "session": old.tags.key,
        "sha256": old.sha256,
        "span_s": None if old.span_s is None else list(old.span_s),
        "excluded": [item.as_json() for item in old.excluded],
    }


def _header_json(header: SessionHeader) -> dict[str, Any]:
    return {
        "leads": list(header.leads),
        "fs": header.fs,
        "duration_s": header.duration_s,
        "heart_rate_bpm": header.heart_rate_bpm,
        "sha256": header.sha256,
        "simulated": header.simulated,
        "lost": list(header.lost),
        "warnings": list(header.warnings),
    }
