"""Which sessions an ingest is to make: rows as a lab gives them, sessions as they are planned, conflicts."""

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
from ecgkit.study.rules import look_alikes

TIME = re.compile(r"\d{1,7}(:\d{1,2}){0,2}([.,]\d{1,9})?", re.ASCII)
NUMBER = re.compile(r"-?\d{1,30}(\.0*)?", re.ASCII)  # spreadsheets write 1.0 where a column has empty cells

Span = tuple[float, float]
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
    """

    file: Path
    subject: str
    condition: str | None
    visit: int = 1
    take: int = 1
    start_s: float | None = None
    stop_s: float | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """One session to be.

    Attributes
    ----------
    start_s, stop_s
        Which part of the file; None is its start, or its end.
    where
        The table's line or the like, for messages.
    warnings
        What to know of it, one sentence each; kept with the session.
    """

    file: Path
    tags: Tags
    start_s: float | None = None
    stop_s: float | None = None
    where: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it: the file, and where it was named."""
        return f"{self.file.name} ({self.where})" if self.where else self.file.name

    def span_in(self, duration_s: float) -> Span | None:
        """Return from and to in a file of this length, None for all of it.

        Raises
        ------
        ConfigError
            There is no such part of the file.
        """
        if self.start_s is None and self.stop_s is None:
            return None
        start_s = 0.0 if self.start_s is None else self.start_s
        stop_s = duration_s if self.stop_s is None else self.stop_s
        if not 0 <= start_s < stop_s <= duration_s:
            raise ConfigError(
                f"{self.file}: from {start_s:.10g} s to {stop_s:.10g} s asked for; expected a start before "
                f"the stop, both within the {duration_s:.10g} s that the file has"
            )
        return None if (start_s, stop_s) == (0, duration_s) else (start_s, stop_s)


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


def parse_number(text: str, name: str) -> int:
    """Return a visit or a take; leading zeros make no difference.

    Raises
    ------
    ConfigError
        It is no whole number.
    """
    if not NUMBER.fullmatch(text.strip()):
        raise ConfigError(f"{name} {text!r}: expected a whole number, such as 1")
    return int(text.strip().partition(".")[0])


def condition_key(text: str, protocol: Protocol) -> str:
    """Return the key that a condition goes by, whatever its case, with - or spaces for _.

    Raises
    ------
    ProtocolError
        The protocol has no such condition.
    """
    key = re.sub(r"[-\s]+", "_", text.strip()).casefold()
    protocol.condition(key)
    return key


def plan_row(
    row: Row | PlannedSession,
    protocol: Protocol,
    spans: Sequence[TaggedSpan],
    used: dict[tuple[str, int, str], int],
) -> tuple[PlannedSession, ...]:
    """Return the sessions of a row: one, or as many as its markers say.

    Parameters
    ----------
    spans
        What the recording's markers say; not looked at where the row names the condition.
    used
        The highest take so far of (subject, visit, condition) by markers, which is brought up to date:
        takes go on from file to file.

    Raises
    ------
    ProtocolError, StudyError
        The protocol knows no such condition or subject, or they are no tags.
    """
    if isinstance(row, PlannedSession):
        protocol.check_subject(row.tags.subject)
        protocol.condition(row.tags.condition)
        return (row,)
    if row.condition is not None:
        tags = Tags(row.subject, condition_key(row.condition, protocol), row.visit, row.take)
        protocol.check_subject(row.subject)
        return (PlannedSession(row.file, tags, row.start_s, row.stop_s, row.where),)
    planned = []
    for span in spans:
        who = row.subject, row.visit, span.condition
        take = used[who] = max(row.take, used.get(who, 0) + 1)
        tags = Tags(row.subject, span.condition, row.visit, take)
        planned.append(
            PlannedSession(row.file, tags, span.start_s, span.stop_s, row.where, warnings=span.warnings)
        )
    protocol.check_subject(row.subject)
    return tuple(planned)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What must be known of a file before its sessions can be planned; spans are what its markers say."""

    sha256: str
    stamp: Stamp
    duration_s: float
    spans: tuple[TaggedSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """A planned session, and which samples it is: its file, and the part of it."""

    planned: PlannedSession
    source: FileFacts
    span_s: Span | None


@dataclass(frozen=True, slots=True)
class Fault:
    """A recording that can't be taken in, and why; `refused` is what the study or the plan is against."""

    file: Path
    where: str
    error: Failure
    tags: Tags | None = None
    refused: bool = False


def place_row(
    row: Row | PlannedSession | Fault,
    source: FileFacts | Failure,
    protocol: Protocol,
    used: dict[tuple[str, int, str], int],
) -> list[Placed | Fault]:
    """Return the sessions of a row, each with its part of the file, and what is wrong where there is none.

    Parameters
    ----------
    used
        As `plan_row` takes it.
    """
    if isinstance(row, Fault):
        return [row]
    tags = row.tags if isinstance(row, PlannedSession) else None
    if not isinstance(source, FileFacts):
        return [Fault(row.file, row.where, source, tags)]
    try:
        planned = plan_row(row, protocol, source.spans, used)
    except EcgkitError as error:
        return [Fault(row.file, row.where, error, tags)]
    found: list[Placed | Fault] = []
    for session in planned:
        try:
            found.append(Placed(session, source, session.span_in(source.duration_s)))
        except ConfigError as error:
            found.append(Fault(session.file, session.where, error, session.tags))
    return found


def overlap(one: Span | None, other: Span | None) -> bool:
    """Tell whether two parts of one file have samples in common; None is all of it."""
    (start, stop), (other_start, other_stop) = (span or (0.0, math.inf) for span in (one, other))
    return start < other_stop and other_start < stop


def refuse_conflicts(
    plan: Sequence[Placed | Fault], *, known_subjects: Iterable[str]
) -> list[Placed | Fault]:
    """Replace sessions of one plan that can't all be by faults; each names another one.

    Parameters
    ----------
    known_subjects
        Ids that the study has; other spellings of these are left to be refused there.
    """
    placed = {place: session for place, session in enumerate(plan) if isinstance(session, Placed)}
    result = list(plan)
    for place, sentence in _conflicts(placed, set(known_subjects)).items():
        planned = placed[place].planned
        error = StudyError(f"{planned.name}, {planned.tags.key}: {sentence}")
        result[place] = Fault(planned.file, planned.where, error, planned.tags, refused=True)
    return result


def _conflicts(placed: Mapping[int, Placed], known_subjects: set[str]) -> dict[int, str]:
    """Return what is wrong with sessions of one plan that can't all be, by their place in it."""
    found: dict[int, str] = {}
    by_tags, by_file = defaultdict(list), defaultdict(list)
    for place, session in placed.items():
        by_tags[session.planned.tags].append(place)
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
        session = placed[other].planned
        found.setdefault(place, f"{how} {session.name}, {session.tags.key}; put one of them right")


def _spellings(placed: Mapping[int, Placed], known: set[str]) -> dict[int, str]:
    """Find ids of the plan that differ by case or leading zeros only, where the study does not know one."""
    ids = {session.planned.tags.subject for session in placed.values()}
    settled = {canonical_id(subject) for subject in known}
    alike = {who: group for group in look_alikes(ids) for who in group if canonical_id(who) not in settled}
    return {
        place: f"ids {' and '.join(map(repr, alike[who]))} differ by case or leading zeros only; use one"
        for place, session in placed.items()
        if (who := session.planned.tags.subject) in alike
    }
