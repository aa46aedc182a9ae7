"""Which sessions an ingest is to make: rows as a lab gives them, placed in their files; conflicts."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ecgkit.errors import ConfigError, EcgkitError, StudyError
from ecgkit.protocol.model import Protocol
from ecgkit.protocol.tag import TaggedSpan
from ecgkit.records import Tags
from ecgkit.study.pseudonym import canonical_id
from ecgkit.study.rules import Span, look_alikes, overlap
from ecgkit.study.spreadsheet import parse_number

TIME = re.compile(r"\d{1,7}(:\d{1,2}){0,2}([.,]\d{1,9})?", re.ASCII)

Stamp = tuple[tuple[int, int], ...]  # bytes and time of change of each file of a recording
Failure = EcgkitError | OSError | ImportError  # of one recording: the others go on


@dataclass(frozen=True, slots=True)
class Row:
    """A recording and what a lab says of it, before anybody has looked into the file.

    Attributes
    ----------
    condition
        As it was given; None to have the recording's markers say it.
    take
        The first one, where markers say the conditions.
    start_s, stop_s
        Which part of the file; None is its start, or its end.
    where
        The table's line or the like, for messages.
    warnings
        What to know of it, one sentence each; kept with the session, so without names of files or people.
    """

    file: Path
    subject: str
    condition: str | None
    visit: int = 1
    take: int = 1
    start_s: float | None = None
    stop_s: float | None = None
    where: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def by_markers(self) -> bool:
        """Whether the recording's markers say the conditions."""
        return self.condition is None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What must be known of a file before its sessions can be planned.

    Attributes
    ----------
    spans
        What its markers say.
    exported_from
        Hash of the recording that ecgkit exported it from, "" for other files.
    """

    sha256: str
    stamp: Stamp
    duration_s: float
    spans: tuple[TaggedSpan, ...] = ()
    exported_from: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """One session to be: its tags, and which samples it is, its file and the part of that."""

    file: Path
    tags: Tags
    source: FileFacts
    span_s: Span | None = None
    where: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it: the file, and where it was named."""
        return f"{self.file.name} ({self.where})" if self.where else self.file.name


@dataclass(frozen=True, slots=True)
class Fault:
    """A recording that can't be taken in, and why.

    Attributes
    ----------
    refused
        Whether the study or the plan is against it.
    subject
        Of a table's line that was to go by markers: whose takes can't be counted on from it.
    """

    file: Path
    where: str
    error: Failure
    tags: Tags | None = None
    refused: bool = False
    subject: str | None = None


Plan = list[Placed | Fault]


def make_row(file: Path, values: Mapping[str, str], *, where: str = "") -> Row:
    """Return the row that texts say: subject, condition, visit, take, start, stop, as far as they are there.

    Raises
    ------
    ConfigError
        There is no subject, or a text is no number or time.
    """
    if "subject" not in values:
        raise ConfigError(f"{file}: no subject is named; expected an id, such as 07")
    return Row(
        file=file,
        subject=values["subject"],
        condition=values.get("condition"),
        visit=parse_number(values.get("visit", "1"), "visit"),
        take=parse_number(values.get("take", "1"), "take"),
        start_s=parse_time_s(values["start"]) if "start" in values else None,
        stop_s=parse_time_s(values["stop"]) if "stop" in values else None,
        where=where,
    )


def parse_time_s(text: str) -> float:
    """Return the seconds that a time of the form 90, 1:30 or 0:01:30 says, with fractions if wanted.

    Raises
    ------
    ConfigError
        It is no such time.

    Examples
    --------
    >>> parse_time_s("1:30.25"), parse_time_s("1:00:00"), parse_time_s("90,5")
    (90.25, 3600.0, 90.5)
    """
    parts = text.strip().replace(",", ".").split(":")
    if not TIME.fullmatch(text.strip()) or any(Decimal(part) >= 60 for part in parts[1:]):
        raise ConfigError(f"time {text!r}: expected seconds, mm:ss or h:mm:ss, such as 90, 1:30 or 0:01:30.5")
    seconds = Decimal(0)
    for part in parts:
        seconds = 60 * seconds + Decimal(part)
    return float(seconds)


def place_rows(
    rows: Iterable[Row | Fault], facts: Mapping[tuple[Path, bool], FileFacts | Failure], protocol: Protocol
) -> Plan:
    """Return the sessions that rows make, each with its part of the file, and what is wrong where none is.

    Takes by markers go on from file to file. Behind a file that fails they would be others once it is put
    right, so files behind it, of the same subject and visit, are refused.

    Parameters
    ----------
    facts
        What was found in a file, by its path and whether its markers counted.
    """
    used: dict[tuple[str, int, str], int] = {}
    failed: dict[tuple[str, int | None], str] = {}  # a visit of None: whichever
    plan: Plan = []
    for row in rows:
        if isinstance(row, Fault):
            plan.append(row)
            if row.subject is not None:
                failed.setdefault((canonical_id(row.subject), None), row.file.name)
            continue
        who = canonical_id(row.subject)
        before = failed.get((who, row.visit)) or failed.get((who, None))
        if row.by_markers and before:
            why = (
                f"takes would shift: they are counted from file to file, and {before} comes first and failed"
            )
            found: Plan = [Fault(row.file, row.where, StudyError(f"{row.file}: {why}"), refused=True)]
        else:
            found = _place_row(row, facts[row.file, row.by_markers], protocol, used)
        if row.by_markers and any(isinstance(session, Fault) for session in found):
            failed.setdefault((who, row.visit), row.file.name)
        plan += found
    return plan


def _place_row(
    row: Row, source: FileFacts | Failure, protocol: Protocol, used: dict[tuple[str, int, str], int]
) -> Plan:
    """Return the sessions of a row: one, or as many as its markers say.

    Parameters
    ----------
    used
        The highest take so far of (subject, visit, condition) by markers, which is brought up to date.
    """
    if not isinstance(source, FileFacts):
        return [Fault(row.file, row.where, source)]
    tags: Tags | None = None
    found: Plan = []
    try:
        for span in (
            source.spans if row.condition is None else [_asked_span(row, protocol, source.duration_s)]
        ):
            who = canonical_id(row.subject), row.visit, span.condition
            take = max(row.take, used.get(who, 0) + 1) if row.by_markers else row.take
            tags = Tags(row.subject, span.condition, row.visit, take)
            protocol.check_subject(row.subject)
            span_s = _part(row.file, span.start_s, span.stop_s, source.duration_s)
            found.append(Placed(row.file, tags, source, span_s, row.where, span.warnings))
            if row.by_markers:
                used[who] = take
    except EcgkitError as error:
        return [Fault(row.file, row.where, error, tags)]
    return found


def _asked_span(row: Row, protocol: Protocol, duration_s: float) -> TaggedSpan:
    """Return the part of a file, and its condition, that a row names."""
    start_s = 0.0 if row.start_s is None else row.start_s
    stop_s = duration_s if row.stop_s is None else row.stop_s
    key = protocol.condition_key(row.condition or "")
    return TaggedSpan(key, row.take, start_s, stop_s, row.where, row.warnings)


def _part(file: Path, start_s: float, stop_s: float, duration_s: float) -> Span | None:
    """Return from and to in a file of this length, None for all of it.

    Raises
    ------
    ConfigError
        There is no such part of the file.
    """
    if (start_s, stop_s) == (0, duration_s):
        return None
    if not 0 <= start_s < stop_s <= duration_s:
        raise ConfigError(
            f"{file}: from {start_s:.10g} s to {stop_s:.10g} s asked for; expected a start before "
            f"the stop, both within the {duration_s:.10g} s that the file has"
        )
    return start_s, stop_s


def refuse_conflicts(plan: Sequence[Placed | Fault], *, known_subjects: Iterable[str]) -> Plan:
    """Replace sessions of one plan that can't all be by faults; each names another one.

    Parameters
    ----------
    known_subjects
        Ids that the study has; other spellings of these are left to be refused there.
    """
    placed = {place: session for place, session in enumerate(plan) if isinstance(session, Placed)}
    result = list(plan)
    for place, sentence in _conflicts(placed, set(known_subjects)).items():
        session = placed[place]
        error = StudyError(f"{session.name}, {session.tags.key}: {sentence}")
        result[place] = Fault(session.file, session.where, error, session.tags, refused=True)
    return result


def _conflicts(placed: Mapping[int, Placed], known_subjects: set[str]) -> dict[int, str]:
    """Return what is wrong with sessions of one plan that can't all be, by their place in it."""
    found: dict[int, str] = {}
    by_tags, by_file = defaultdict(list), defaultdict(list)
    for place, session in placed.items():
        by_tags[session.tags].append(place)
        by_file[session.source.sha256].append(place)
    for places in by_tags.values():
        _conflict(found, placed, places, "the same tags are given to")
    for places in by_file.values():
        ordered = sorted(places, key=lambda place: placed[place].span_s or (0.0, math.inf))
        longest = ordered[0]
        for place in ordered[1:]:
            if overlap(placed[longest].span_s, placed[place].span_s):
                _conflict(found, placed, [longest, place], "the same samples are given to")
            longest = max(longest, place, key=lambda at: (placed[at].span_s or (0.0, math.inf))[1])
    return found | _spellings(placed, known_subjects)


def _conflict(found: dict[int, str], placed: Mapping[int, Placed], places: Sequence[int], how: str) -> None:
    """Note that each of these is in conflict with another of them."""
    if len(places) < 2:
        return
    for place in places:
        other = places[0] if place != places[0] else places[1]
        session = placed[other]
        found.setdefault(place, f"{how} {session.name}, {session.tags.key}; put one of them right")


def _spellings(placed: Mapping[int, Placed], known: set[str]) -> dict[int, str]:
    """Find ids of the plan that differ by case or leading zeros only, where the study does not know one."""
    ids = {session.tags.subject for session in placed.values()}
    settled = {canonical_id(subject) for subject in known}
    alike = {who: group for group in look_alikes(ids) for who in group if canonical_id(who) not in settled}
    return {
        place: f"ids {' and '.join(map(repr, alike[who]))} differ by case or leading zeros only; use one"
        for place, session in placed.items()
        if (who := session.tags.subject) in alike
    }
