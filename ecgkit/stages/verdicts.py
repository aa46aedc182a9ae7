"""Whether the sessions of a study are what their tags say."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from ecgkit.protocol.compliance import Compliance, judge_visit
from ecgkit.protocol.model import Protocol
from ecgkit.records import Tags
from ecgkit.study.session_file import SessionHeader


def judge_sessions(protocol: Protocol, headers: Iterable[SessionHeader]) -> dict[str, Compliance]:
    """Judge sessions by what was measured of them, those of a visit together; key of the tags -> verdict.

    Sessions that are excluded, or of a condition that the protocol does not have, are not judged and are no
    reference for others.
    """
    judged: dict[str, Compliance] = {}
    known = [h for h in headers if not h.is_excluded and h.tags.condition in protocol.conditions]
    for _, visit in groupby(sorted(known, key=_visit_order), key=lambda header: _visit(header.tags)):
        sessions = list(visit)
        verdicts = judge_visit(protocol, [(h.tags.condition, h.measures) for h in sessions])
        judged |= {h.tags.key: verdict for h, verdict in zip(sessions, verdicts, strict=True)}
    return judged


def _visit(tags: Tags) -> tuple[str, int]:
    return tags.subject, tags.visit


def _visit_order(header: SessionHeader) -> tuple[str, int, Tags]:
    return *_visit(header.tags), header.tags
