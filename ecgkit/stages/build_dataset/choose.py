"""Which sessions of a study go into its data set, and of each other one why it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecgkit.config import SessionsConfig
from ecgkit.errors import ConfigError, DatasetError
from ecgkit.lookup import unknown
from ecgkit.protocol.compliance import Compliance
from ecgkit.protocol.model import Protocol
from ecgkit.readers.ecg_channel import LEADS
from ecgkit.stages.staleness import origin
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.study.folder import Study
from ecgkit.study.rules import unknown_subject
from ecgkit.study.session_file import SessionHeader

LeftOut = dict[str, Any]  # "sha256" of the session's source, the "reason", and which part of the source it is
WORSE = {"warn": ("fail",), "pass": ("fail", "warn")}  # verdict that is asked for -> verdicts that are not
SHOWN = 3
NOT_CHOSEN = "not chosen: "  # how the reason begins why a session that could be in a data set was not to be


@dataclass(frozen=True, slots=True)
class Choice:
    """The sessions of a data set, and those that are not in it.

    Attributes
    ----------
    kept
        In order of tags.
    leads
        What the leads are called.
    excluded
        ``session -> why``: excluded as a whole (`ecgkit exclude`).
    not_chosen
        ``session -> why``: not asked for, or not by its verdict.
    left_out
        ``session -> why``: asked for, but of other leads than most.
    warnings
        What to know of the choice; one sentence each.
    """

    kept: tuple[SessionHeader, ...]
    leads: tuple[str, ...]
    excluded: dict[str, LeftOut]
    not_chosen: dict[str, LeftOut]
    left_out: dict[str, LeftOut]
    warnings: tuple[str, ...]


def choose(
    study: Study, protocol: Protocol, headers: Sequence[SessionHeader], wanted: SessionsConfig
) -> Choice:
    """Choose sessions by tags, verdict and leads; nothing but their headers is read.

    Parameters
    ----------
    headers
        Of all sessions of the study: a session is judged by the others of its visit, chosen or not.

    Raises
    ------
    ConfigError
        A subject, condition or visit is asked for that the study does not have.
    DatasetError
        No session is left, or as many have some leads as have others.
    """
    if not headers:
        raise DatasetError(
            f"{study.folder}: the study is empty. Take recordings in first: "
            "ecgkit ingest FILE --subject ID --condition KEY"
        )
    excluded = {
        header.tags.key: left_out(header, f"excluded: {'; '.join(e.reason for e in header.excluded)}")
        for header in headers
        if header.is_excluded
    }
    by_tags = _not_asked_for(headers, _asked_tags(study, headers, wanted), but=excluded)
    judged = judge_sessions(protocol, headers) if wanted.verdict else {}
    asked = [h for h in sorted(headers, key=lambda h: h.tags) if h.tags.key not in excluded | by_tags]
    by_verdict = _of_worse_verdict(asked, judged, WORSE[wanted.verdict]) if wanted.verdict else {}
    good = [header for header in asked if header.tags.key not in by_verdict]
    if not good:
        raise DatasetError(_none_left(study, wanted, len(excluded), len(by_tags), len(by_verdict)))
    kept, leads, of_others = _same_leads(good, protocol)
    return Choice(
        kept=tuple(kept),
        leads=leads,
        excluded=excluded,
        not_chosen=by_tags | by_verdict,
        left_out=of_others,
        warnings=tuple(_not_judged(kept, judged, wanted)),
    )


def left_out(header: SessionHeader, reason: str) -> LeftOut:
    """Return what is kept of a session that is not in the data set."""
    return {"sha256": header.sha256, "reason": reason, **origin(header.span_s, header.excluded)}


def _asked_tags(
    study: Study, headers: Sequence[SessionHeader], wanted: SessionsConfig
) -> dict[str, set[str | int]]:
    """Return tag -> the values that are asked for, of the tags of which any are; refuse unknown ones."""
    subjects, conditions, visits = (
        {getattr(header.tags, name) for header in headers} for name in ("subject", "condition", "visit")
    )
    asked: dict[str, set[str | int]] = {}
    if wanted.subjects is not None:
        asked["subject"] = {*wanted.subjects}
        _refuse(study, asked["subject"] - subjects, lambda name: unknown_subject(name, subjects))
    if wanted.conditions is not None:
        asked["condition"] = {*wanted.conditions}
        _refuse(study, asked["condition"] - conditions, lambda key: unknown("condition", key, conditions))
    if wanted.visits is not None:
        asked["visit"] = {*wanted.visits}
        known = ", ".join(map(str, sorted(visits)))
        _refuse(study, asked["visit"] - visits, lambda visit: f"no visit {visit}; there are: {known}")
    return asked


def _refuse(study: Study, strangers: set[str | int], says: Callable[[str], str]) -> None:
    if strangers:
        raise ConfigError(f"{study.folder}: {says(str(min(strangers)))}")


def _not_asked_for(
    headers: Sequence[SessionHeader], asked: Mapping[str, set[str | int]], *, but: Mapping[str, LeftOut]
) -> dict[str, LeftOut]:
    """Return the sessions of other tags than those that are asked for."""
    found = {}
    for header in headers:
        other = [name for name, values in asked.items() if getattr(header.tags, name) not in values]
        if other and header.tags.key not in but:
            reason = f"{NOT_CHOSEN}{other[0]} {getattr(header.tags, other[0])} was not asked for"
            found[header.tags.key] = left_out(header, reason)
    return found


def _of_worse_verdict(
    headers: Sequence[SessionHeader], judged: Mapping[str, Compliance], worse: Sequence[str]
) -> dict[str, LeftOut]:
    """Return the sessions that are no good by their verdict, or look like those of another condition."""
    found = {}
    for header in headers:
        own = judged.get(header.tags.key)
        if own is not None and (own.verdict in worse or own.looks_like is not None):
            found[header.tags.key] = left_out(header, f"{NOT_CHOSEN}its verdict is {own.text}")
    return found


def _none_left(
    study: Study, wanted: SessionsConfig, n_excluded: int, n_by_tags: int, n_by_verdict: int
) -> str:
    """Say what has taken every session out."""
    if not (n_by_tags or n_by_verdict):
        return f"{study.folder}: all {n_excluded} sessions are excluded; ecgkit include takes one back"
    tags = [
        f"{name} {', '.join(map(str, values))}"
        for name in ("subjects", "conditions", "visits")
        if (values := getattr(wanted, name)) is not None
    ]
    counts = {
        "excluded": n_excluded,
        f"not asked for ({'; '.join(tags)})": n_by_tags,
        f"by their verdict ({wanted.verdict} or better was asked for)": n_by_verdict,
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{study.folder}: no session is left for the data set: {said}. ecgkit status shows what is there"


def _not_judged(
    headers: Sequence[SessionHeader], judged: Mapping[str, Compliance], wanted: SessionsConfig
) -> Iterator[str]:
    """Say which sessions are kept though nobody knows their verdict."""
    keys = [header.tags.key for header in headers]
    unknown_ones = [key for key in keys if key not in judged or judged[key].verdict == "not judged"]
    if wanted.verdict and unknown_ones:
        listed = ", ".join(unknown_ones[:SHOWN]) + (" …" if len(unknown_ones) > SHOWN else "")
        yield (
            f"{len(unknown_ones)} of the sessions could not be judged: {listed}. They are kept; ecgkit "
            "exclude takes one out"
        )


def _same_leads(
    headers: Sequence[SessionHeader], protocol: Protocol
) -> tuple[list[SessionHeader], tuple[str, ...], dict[str, LeftOut]]:
    """Keep the sessions of the leads that most have; return them, the leads' names, and who is left out.

    One lead is called as the protocol says unless every session says which standard lead it is; a channel's
    name that is none says nothing of the lead.

    Raises
    ------
    DatasetError
        As many sessions have some leads as have others.
    """
    named = [h.leads if len(h.leads) > 1 or set(h.leads) & set(LEADS) else () for h in headers]
    known = Counter(filter(None, named)).most_common(2)
    usual = known[0][0] if known else ()
    if len(known) > 1 and known[0][1] == known[1][1]:
        listed = [", ".join(leads) for leads, _ in known]
        raise DatasetError(
            f"{known[0][1]} sessions have the leads {listed[0]}, as many have {listed[1]}: "
            "ingest all with the same --leads, in the same order"
        )
    kept, others = [], {}
    for header, leads in zip(headers, named, strict=True):
        if leads == usual or (not leads and len(usual) < 2):
            kept.append(header)
            continue
        reason = f"its leads are {', '.join(header.leads)}, the others' {', '.join(usual)}"
        others[header.tags.key] = left_out(header, f"{reason}; ingest it with --leads")
    all_say = () not in named
    return kept, usual if all_say else (protocol.lead.name,), others
