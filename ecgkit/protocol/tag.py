"""Which stretch of a recording is which condition: by its markers, or by the order of its segments."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ecgkit.errors import ProtocolError
from ecgkit.protocol.model import MarkerRule, Protocol
from ecgkit.protocol.pattern import matches
from ecgkit.records import Marker, Recording

TEXTS_SHOWN = 20
ROUNDING_S = 1e-6

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """A stretch of a recording in one condition.

    Attributes
    ----------
    take
        Counts the stretches of the same condition, from 1.
    reason
        Where start and end come from, without the markers' texts: these can name a person.
    warnings
        What to know before it is used; one sentence each.
    """

    condition: str
    take: int
    start_s: float
    stop_s: float
    reason: str
    warnings: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.stop_s - self.start_s


@dataclass(frozen=True, slots=True)
class _Start:
    """A marker, by its place among all, that starts a condition."""

    index: int
    marker_s: float
    condition: str
    rule: MarkerRule

    @property
    def begin_s(self) -> float:
        return max(self.marker_s + self.rule.offset_s, 0.0)


@dataclass(frozen=True, slots=True)
class _Stop:
    """Where a condition ends and why; `index` is that of the marker that ended it, if one did."""

    stop_s: float
    reason: str
    warnings: tuple[str, ...] = ()
    index: int | None = None


def tag_recording(protocol: Protocol, recording: Recording) -> tuple[TaggedSpan, ...]:
    """Tag a recording by its markers if one starts a condition, else by the order of its segments.

    Raises
    ------
    ProtocolError
        The protocol's rules do not fit the recording.
    """
    longest = max(recording.channels, key=lambda channel: channel.duration_s, default=None)
    edges = () if longest is None else recording.segments(longest)
    segments_s = [(start / longest.fs, stop / longest.fs) for start, stop in edges if longest is not None]
    if protocol.segments and not _starts(protocol, recording.markers):
        return tag_by_segments(protocol, segments_s)
    return tag_by_markers(protocol, recording.markers, duration_s=recording.duration_s, segments_s=segments_s)


def tag_by_markers(
    protocol: Protocol, markers: Iterable[Marker], *, duration_s: float, segments_s: Spans
) -> tuple[TaggedSpan, ...]:
    """Find the conditions of a recording by the protocol's rules for markers.

    Parameters
    ----------
    markers
        In any order.
    duration_s
        Length of the recording.
    segments_s
        Start and end of each stretch without a pause.

    Returns
    -------
    tuple
        In order of time; no two overlap.

    Raises
    ------
    ProtocolError
        No marker starts a condition; one starts two; a condition ends that did not start, does not end
        before the next one starts, or overlaps it.
    """
    ordered = sorted(markers, key=lambda marker: marker.time_s)
    starts = _starts(protocol, ordered)
    if not starts:
        raise _wrong(protocol, _nothing_found(protocol, ordered))
    spans: list[TaggedSpan] = []
    ended_by: set[int | None] = set()
    for start, following in itertools.zip_longest(starts, starts[1:]):
        if start.begin_s >= duration_s:
            continue
        stop = _find_stop(protocol, start, following, ordered, duration_s=duration_s, segments_s=segments_s)
        ended_by.add(stop.index)
        take = 1 + sum(span.condition == start.condition for span in spans)
        reason = f"from {_place(start)} {stop.reason}"
        spans.append(TaggedSpan(start.condition, take, start.begin_s, stop.stop_s, reason, stop.warnings))
    _refuse_lone_stops(protocol, ordered, ended_by | {s.index for s in starts}, duration_s=duration_s)
    lost = [start for start in starts if start.begin_s >= duration_s]
    if not spans:
        raise _wrong(
            protocol,
            f"{_place(lost[0])} starts {lost[0].condition}, after the end of the "
            f"recording at {duration_s:.3f} s; was the file cut?",
        )
    sentences = [f"{s.condition} starts after the end of the recording and is left out" for s in lost]
    spans[-1] = _with(spans[-1], sentences)
    return tuple(_with(span, _pauses(span, segments_s)) for span in spans)


def tag_by_segments(protocol: Protocol, segments_s: Spans) -> tuple[TaggedSpan, ...]:
    """Take the segments of a paused recording for the conditions that the protocol lists, in order.

    Raises
    ------
    ProtocolError
        The protocol lists no segments, or fewer than there are.
    """
    keys = protocol.segments
    lengths = ", ".join(f"{stop - start:.1f} s" for start, stop in segments_s)
    if not keys:
        raise _wrong(protocol, "it does not say which segment is which condition (segments)")
    if len(segments_s) > len(keys):
        raise _wrong(
            protocol,
            f"{len(segments_s)} segments ({lengths}), expected at most {len(keys)} "
            f"({_listed(keys)}). Name each stretch by --start and --stop",
        )
    spans: list[TaggedSpan] = []
    for number, (key, (start_s, stop_s)) in enumerate(zip(keys, segments_s, strict=False), 1):
        if key is not None:
            take = 1 + sum(span.condition == key for span in spans)
            reason = f"segment {number} of {len(segments_s)}"
            spans.append(TaggedSpan(key, take, start_s, stop_s, reason))
    if not spans:
        raise _wrong(protocol, f"the segments ({lengths}) are none of a condition ({_listed(keys)})")
    missing = [key for key in keys[len(segments_s) :] if key is not None]
    absent = f"{len(segments_s)} segments of {len(keys)}: none for {', '.join(missing)}"
    spans[-1] = _with(spans[-1], [absent] if missing else [])
    return tuple(_with(span, _pauses(span, segments_s)) for span in spans)


def _starts(protocol: Protocol, markers: Iterable[Marker]) -> list[_Start]:
    """Find the markers that start a condition; of a condition's rules, the first that fits counts."""
    starts = []
    for index, marker in enumerate(markers):
        found = {
            key: next((rule for rule in condition.markers if rule.starts(marker.text, marker.style)), None)
            for key, condition in protocol.conditions.items()
        }
        fitting = {key: rule for key, rule in found.items() if rule is not None}
        if len(fitting) > 1:
            raise _wrong(
                protocol,
                f"the marker {marker.text!r} at {marker.time_s:.3f} s starts "
                f"{' and '.join(fitting)}; make their patterns differ",
            )
        starts += [_Start(index, marker.time_s, key, rule) for key, rule in fitting.items()]
    return starts


def _find_stop(
    protocol: Protocol,
    start: _Start,
    following: _Start | None,
    markers: Sequence[Marker],
    *,
    duration_s: float,
    segments_s: Spans,
) -> _Stop:
    """Find where a condition ends; that is after its start, and before the next one's."""
    next_s = math.inf if following is None else following.begin_s
    if start.rule.until is not None:
        stop = _stop_marker(protocol, start, following, markers, duration_s=duration_s)
        if stop.stop_s > min(next_s, duration_s) + ROUNDING_S:
            raise _wrong(
                protocol,
                f"{start.condition} from {_place(start)} ends at {stop.stop_s:.3f} s, "
                f"after the start of {following.condition if following else 'nothing'} at {next_s:.3f} s",
            )
    elif start.rule.open_end:
        ends = [end for first, end in segments_s if first <= start.begin_s < end]
        stop_s = min([next_s, duration_s, *ends])
        stop = _Stop(stop_s, "to the next condition" if stop_s == next_s else "to the end of the segment")
    else:
        stop = _after_duration(protocol, start, next_s=next_s, duration_s=duration_s)
    if stop.stop_s <= start.begin_s:
        raise _wrong(
            protocol,
            f"nothing is left of {start.condition} from {_place(start)}: it starts at "
            f"{start.begin_s:.3f} s and ends at {stop.stop_s:.3f} s",
        )
    return stop


def _stop_marker(
    protocol: Protocol,
    start: _Start,
    following: _Start | None,
    markers: Sequence[Marker],
    *,
    duration_s: float,
) -> _Stop:
    """Find the marker that ends a condition; the end of the recording will do where there is none."""
    until = start.rule.until or ""
    last = len(markers) - 1 if following is None else following.index
    for index in range(start.index + 1, last + 1):
        if matches(until, markers[index].text):
            time_s = markers[index].time_s
            if time_s > duration_s + ROUNDING_S:
                return _Stop(duration_s, "to the end", ("cut short by the end of the recording",), index)
            return _Stop(min(time_s, duration_s), f"to the one at {time_s:.3f} s", (), index)
    if following is not None:
        raise _wrong(
            protocol,
            f"{start.condition} starts at {_place(start)} and nothing that matches "
            f"{until!r} ends it before {following.condition} starts at {following.begin_s:.3f} s",
        )
    return _Stop(duration_s, "to the end", ("no marker ends it: taken to the end of the recording",))


def _after_duration(protocol: Protocol, start: _Start, *, next_s: float, duration_s: float) -> _Stop:
    """End a condition after so many seconds, or where that is not possible."""
    wanted_s = start.rule.duration_s or protocol.conditions[start.condition].duration_s
    stop_s = min(start.begin_s + wanted_s, next_s, duration_s)
    cut = stop_s < start.begin_s + wanted_s - ROUNDING_S
    by = "the next condition" if next_s <= duration_s else "the end of the recording"
    sentence = f"cut short by {by}: {stop_s - start.begin_s:.1f} of {wanted_s:g} s"
    return _Stop(stop_s, f"for {wanted_s:g} s", (sentence,) if cut else ())


def _refuse_lone_stops(
    protocol: Protocol, markers: Sequence[Marker], used: set[int | None], *, duration_s: float
) -> None:
    """Refuse a recording in which something ends that did not start: a start may be missing."""
    for index, marker in enumerate(markers):
        if index in used or marker.time_s > duration_s:
            continue
        for key, condition in protocol.conditions.items():
            if any(rule.until is not None and matches(rule.until, marker.text) for rule in condition.markers):
                raise _wrong(
                    protocol,
                    f"the marker {marker.text!r} at {marker.time_s:.3f} s ends {key}, "
                    "which did not start before it, or has ended. Name each stretch by --start and --stop",
                )


def _pauses(span: TaggedSpan, segments_s: Spans) -> list[str]:
    """Name the pauses in a stretch."""
    inside = [
        start for start, _ in segments_s if span.start_s + ROUNDING_S < start < span.stop_s - ROUNDING_S
    ]
    return [f"the recording was paused at {at_s:.3f} s; no window will cross this" for at_s in inside]


def _with(span: TaggedSpan, sentences: Sequence[str]) -> TaggedSpan:
    return TaggedSpan(
        span.condition, span.take, span.start_s, span.stop_s, span.reason, (*span.warnings, *sentences)
    )


def _wrong(protocol: Protocol, what: str) -> ProtocolError:
    return ProtocolError(f"protocol {protocol.name}: {what}")


def _place(start: _Start) -> str:
    return f"the marker at {start.marker_s:.3f} s"


def _listed(keys: Sequence[str | None]) -> str:
    return ", ".join(key or "(none)" for key in keys)


def _nothing_found(protocol: Protocol, markers: Sequence[Marker]) -> str:
    """Say that no marker starts a condition, and what the markers are."""
    patterns = [rule.text for condition in protocol.conditions.values() for rule in condition.markers]
    if not patterns:
        return "it has no rules for markers, so none can start a condition"
    counts = Counter(marker.text for marker in markers)
    texts = [f"{text!r}" + (f" ({n} times)" if n > 1 else "") for text, n in counts.items()]
    more = f" and {len(texts) - TEXTS_SHOWN} other texts" if len(texts) > TEXTS_SHOWN else ""
    return (
        f"no marker starts a condition; expected one of "
        f"{', '.join(map(repr, patterns))}, got {', '.join(texts[:TEXTS_SHOWN]) or 'no markers'}{more}"
    )
