"""Did they do what the protocol says? Numbers of a session against the protocol's checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ecgkit.analysis.measures import Measures
from ecgkit.protocol.model import MEASURES, OF_REST, Check, Condition, Protocol, Range, closed

Verdict = Literal["pass", "warn", "fail", "not judged"]

LONG_ENOUGH = 0.9  # of the expected duration: who records three minutes by hand stops within some seconds
OWN_SOURCE = "duration_s and least_duration_s of the condition"
RANK: dict[Verdict, int] = {"not judged": 0, "pass": 1, "warn": 2, "fail": 3}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of one session.

    Attributes
    ----------
    measure
        Key of `MEASURES`, or "duration_s".
    value
        NaN where it could not be measured.
    counts
        Whether the verdict goes into the session's.
    text
        The verdict's reason in words, with the number and what was expected.
    """

    measure: str
    value: float
    verdict: Verdict
    pass_range: Range
    warn_range: Range | None
    counts: bool
    source: str
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return plain values; null where nothing could be measured."""
        return {
            "measure": self.measure,
            "value": self.value if math.isfinite(self.value) else None,
            "verdict": self.verdict,
            "pass_range": list(self.pass_range),
            "warn_range": None if self.warn_range is None else list(self.warn_range),
            "counts": self.counts,
            "source": self.source,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Compliance:
    """Whether a session is what its tags say.

    Attributes
    ----------
    verdict
        The worst of the checks that count; "not judged" where none of the condition's own could be.
    looks_like
        Key of the condition whose checks all pass while this one's do not, None where there is none. Where
        several fit equally, the first in the protocol's order; `text` names them all.
    text
        One sentence.
    """

    condition: str
    verdict: Verdict
    checks: tuple[CheckResult, ...]
    looks_like: str | None
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "condition": self.condition,
            "verdict": self.verdict,
            "looks_like": self.looks_like,
            "text": self.text,
            "checks": [check.as_json() for check in self.checks],
        }


def judge(
    protocol: Protocol, condition_key: str, measures: Measures, *, rest: Measures | None = None
) -> Compliance:
    """Judge a session by the checks of its condition, and see whether another condition fits better.

    Parameters
    ----------
    rest
        What was measured of the same subject in the protocol's reference condition, on the same visit; None
        where there is no such session, or one that can't be trusted itself.

    Raises
    ------
    ProtocolError
        The protocol has no such condition.
    """
    condition = protocol.condition(condition_key)
    own = _results(condition.checks, measures, rest)
    common = (_duration(condition, measures), *_results(protocol.checks, measures, rest))
    verdict = _worst((*common, *own))
    if RANK[verdict] < RANK["warn"] and condition.checks and _worst(own) == "not judged":
        verdict = "not judged"
    fitting = _that_fit(protocol, condition_key, measures, rest) if _worst(own) in ("warn", "fail") else []
    return Compliance(
        condition=condition_key,
        verdict=verdict,
        checks=(*common, *own),
        looks_like=fitting[0] if fitting else None,
        text=_sentence(protocol, verdict, (*common, *own), fitting),
    )


def judge_visit(protocol: Protocol, sessions: Sequence[tuple[str, Measures]]) -> tuple[Compliance, ...]:
    """Judge the sessions of one subject's visit, each given as its condition's key and its numbers.

    They are compared with the first session in the reference condition that passes by itself, else with the
    first that only warns and looks like no other: a recording with the wrong label, or one that was repeated,
    must not spoil the verdict of the others.
    """
    rest = _usable_rest(protocol, [measures for key, measures in sessions if key == protocol.reference])
    return tuple(
        judge(protocol, key, measures, rest=None if measures is rest else rest) for key, measures in sessions
    )


def _usable_rest(protocol: Protocol, rests: Sequence[Measures]) -> Measures | None:
    if protocol.reference is None:
        return None
    alone = [(judge(protocol, protocol.reference, measures), measures) for measures in rests]
    known = [(judged, m) for judged, m in alone if math.isfinite(m.rhythm.heart_rate_bpm)]
    good = [measures for judged, measures in known if judged.verdict == "pass"]
    fair = [m for judged, m in known if judged.verdict == "warn" and judged.looks_like is None]
    return next(iter((*good, *fair)), None)


# how each measure is taken from a session's numbers and those of the same subject at rest
VALUES: dict[str, Callable[[Measures, Measures | None], float]] = {
    "heart_rate_bpm": lambda session, _: session.rhythm.heart_rate_bpm,
    "start_heart_rate_bpm": lambda session, _: session.rhythm.start_heart_rate_bpm,
    "stop_heart_rate_bpm": lambda session, _: session.rhythm.stop_heart_rate_bpm,
    "change_bpm": lambda session, _: session.rhythm.stop_heart_rate_bpm - session.rhythm.start_heart_rate_bpm,
    "slope_bpm_per_min": lambda session, _: session.rhythm.slope_bpm_per_min,
    "above_rest_bpm": lambda session, rest: (
        math.nan if rest is None else session.rhythm.heart_rate_bpm - rest.rhythm.heart_rate_bpm
    ),
    "ratio_to_rest": lambda session, rest: (
        math.nan if rest is None else session.rhythm.heart_rate_bpm / rest.rhythm.heart_rate_bpm
    ),
    "sdnn_ms": lambda session, _: session.rhythm.sdnn_ms,
    "rmssd_ms": lambda session, _: session.rhythm.rmssd_ms,
    "breathing_hz": lambda session, _: session.rhythm.breathing_hz,
    "breathing_share": lambda session, _: session.rhythm.breathing_share,
    "e_minus_i_bpm": lambda session, _: session.rhythm.e_minus_i_bpm,
    "e_to_i_ratio": lambda session, _: session.rhythm.e_to_i_ratio,
    "respiration_hz": lambda session, _: session.respiration_hz,
    "edr_hz": lambda session, _: session.edr_hz,
    "quality_share": lambda session, _: session.quality_share,
}


def _results(checks: Sequence[Check], measures: Measures, rest: Measures | None) -> tuple[CheckResult, ...]:
    return tuple(_result(check, measures, rest) for check in checks)


def _result(check: Check, measures: Measures, rest: Measures | None) -> CheckResult:
    value = float(VALUES[check.measure](measures, rest))
    verdict = _verdict(value, check.pass_range, check.warn_range)
    better = check.yields_to
    if verdict == "fail" and better is not None and math.isfinite(VALUES[better](measures, rest)):
        verdict = "warn"
    what, unit = MEASURES[check.measure]
    return CheckResult(
        measure=check.measure,
        value=value,
        verdict=verdict,
        pass_range=check.pass_range,
        warn_range=check.warn_range,
        counts=check.counts,
        source=check.source,
        text=_words(what, unit, value, check.pass_range),
    )


def _duration(condition: Condition, measures: Measures) -> CheckResult:
    """Check the length, by what the condition itself says of it."""
    warn_range = (condition.least_duration_s, None)
    pass_range = (max(LONG_ENOUGH * condition.duration_s, condition.least_duration_s), None)
    return CheckResult(
        measure="duration_s",
        value=measures.duration_s,
        verdict=_verdict(measures.duration_s, pass_range, warn_range),
        pass_range=pass_range,
        warn_range=warn_range,
        counts=True,
        source=OWN_SOURCE,
        text=_words("duration", "s", measures.duration_s, pass_range),
    )


def _verdict(value: float, pass_range: Range, warn_range: Range | None) -> Verdict:
    if not math.isfinite(value):
        return "not judged"
    low, high = closed(pass_range)
    if low <= value <= high:
        return "pass"
    low, high = (math.inf, -math.inf) if warn_range is None else closed(warn_range)
    return "warn" if low <= value <= high else "fail"


def _worst(results: Sequence[CheckResult]) -> Verdict:
    judged = [result.verdict for result in results if result.counts]
    return max(judged, key=RANK.__getitem__, default="not judged")


def _that_fit(protocol: Protocol, labelled: str, measures: Measures, rest: Measures | None) -> list[str]:
    """Return the other conditions of whose own checks none warns or fails, and the most could be judged.

    Half of a condition's checks must have been judged. Duration and the checks of every condition do not tell
    conditions apart, and are left out.
    """
    judged = {}
    for key, condition in protocol.conditions.items():
        results = [result for result in _results(condition.checks, measures, rest) if result.counts]
        n_judged = sum(result.verdict != "not judged" for result in results)
        if key != labelled and _worst(results) == "pass" and 2 * n_judged >= len(results):
            judged[key] = n_judged
    return [key for key, number in judged.items() if number == max(judged.values())]


def _words(what: str, unit: str, value: float, pass_range: Range) -> str:
    """Say what was measured and what was expected."""
    if not math.isfinite(value):
        return f"{what} can't be told"
    low, high = ("" if bound is None else f"{bound:g}" for bound in pass_range)
    expected = f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
    shown = f"{value:.6g}"
    for digits in (5, 4, 3):  # as few as tell it from the bounds
        rounded = f"{float(f'{value:.{digits}g}'):g}"
        shown = shown if rounded in (low, high) else rounded
    return f"{what} {shown}{' ' + unit if unit else ''}" + (f", expected {expected}" if low or high else "")


def _sentence(
    protocol: Protocol, verdict: Verdict, results: Sequence[CheckResult], fitting: Sequence[str]
) -> str:
    """Say the verdict, what was wrong, what is only remarked, and what it looks like."""
    wrong = [result.text for result in results if result.counts and result.verdict in ("warn", "fail")]
    remarks = [result.text for result in results if not result.counts and result.verdict in ("warn", "fail")]
    unknown = [result.text for result in results if result.verdict == "not judged"]
    parts = wrong + [f"remark: {text}" for text in remarks]
    if any(result.verdict == "not judged" and result.measure in OF_REST for result in results):
        parts.append("not compared with rest, since there is no usable one on this visit")
    if verdict == "not judged":
        parts += unknown
    if fitting:
        parts.append(f"looks like {' or '.join(protocol.conditions[key].label for key in fitting)}")
    return f"{verdict}: {'; '.join(parts)}" if parts else verdict
