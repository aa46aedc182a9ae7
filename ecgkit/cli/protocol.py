"""``ecgkit protocol``: list, show, start and check protocols."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.protocol.model import Check, Condition, MarkerRule, Protocol
    from ecgkit.protocol.tag import TaggedSpan
    from ecgkit.stages.protocol import ProtocolCheck


@click.group()
def protocol() -> None:
    """What a study records: the protocols there are, and files of your own.

    A protocol is a YAML file: conditions, markers, electrodes, and what to expect of the signal.

    \b
    ecgkit protocol show dt4ecg
    ecgkit protocol new mine.yaml --from dt4ecg
    ecgkit protocol check mine.yaml --recording session.acq
    """


@protocol.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print it for scripts.")
def list_protocols(as_json: bool) -> None:
    """List the protocols that come with ecgkit."""
    from ecgkit.cli.console import show_json, show_table
    from ecgkit.stages import protocol as stage

    found = stage.shipped()
    if as_json:
        show_json([{"name": p.name, "title": p.title, "conditions": list(p.conditions)} for p in found])
        return
    show_table(("name", "title", "conditions"), [(p.name, p.title, ", ".join(p.conditions)) for p in found])


@protocol.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print all of it for scripts.")
def show(name: str, as_json: bool) -> None:
    """Show the protocol NAME: a shipped one's, or a file of your own."""
    from ecgkit.cli.console import show_json
    from ecgkit.protocol.model import load_protocol

    found = load_protocol(name)
    show_json(found.model_dump(mode="json")) if as_json else _show(found)


@protocol.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "source", default="dt4ecg", show_default=True, help="Protocol to copy, name or file.")
def new(file: Path, source: str) -> None:
    """Start a protocol of your own: write a copy of another to FILE, which must not be there."""
    from ecgkit.cli.console import show as say
    from ecgkit.stages import protocol as stage

    stage.new(file, source=source)
    say(f"{file}: a copy of {source}. Edit it, then: ecgkit protocol check {file}")


@protocol.command()
@click.argument("file")
@click.option(
    "--recording",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also show what would be tagged of this recording by its markers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it for scripts.")
def check(file: str, recording: Path | None, as_json: bool) -> int:
    """Check a protocol FILE; exit with 1 if something is wrong with it.

    With --recording it is also wrong if its rules for markers do not fit the recording.
    """
    from ecgkit.cli import EXIT_FAILED
    from ecgkit.cli.console import show_json
    from ecgkit.stages import protocol as stage

    found = stage.check(file, recording=recording)
    show_json(found.as_json()) if as_json else _show_check(found)
    return EXIT_FAILED if found.problems else 0


def _show(protocol: Protocol) -> None:
    """Print the facts, then each condition with its rules for markers and its checks."""
    for name, value in _facts(protocol):
        _say(name, value)
    for check in protocol.checks:
        _say("each", _check_text(check))
    for key, condition in protocol.conditions.items():
        click.echo()
        _say(key, _condition_text(condition))
        for rule in condition.markers:
            _say("  marker", _rule_text(rule, condition))
        for check in condition.checks:
            _say("  check", _check_text(check))


def _say(name: str, text: str) -> None:
    """Print a name and its text, folded beside it."""
    from ecgkit.cli.console import show as say

    width = min(max(shutil.get_terminal_size().columns, 40), 110)
    start = f"{name:<11} "
    say(textwrap.fill(text, width, initial_indent=start, subsequent_indent=" " * 12) if text else start)


def _facts(protocol: Protocol) -> list[tuple[str, str]]:
    least = "" if protocol.least_fs_hz is None else f", at least {protocol.least_fs_hz:g} Hz"
    electrodes = ", ".join(f"{name} {place}" for name, place in protocol.electrodes.items())
    segments = ", ".join(key or "(none)" for key in protocol.segments)
    facts = [
        ("protocol", f"{protocol.name}: {protocol.title}"),
        ("source", " ".join(protocol.source.split())),
        ("lead", f"{protocol.lead.name}. {protocol.lead.description}"),
        ("electrodes", electrodes),
        ("recorded at", f"{protocol.fs_hz:g} Hz{least}; mains {protocol.mains_hz:g} Hz"),
        ("subjects", protocol.subject_pattern),
        ("segments", segments),
    ]
    return [(name, value) for name, value in facts if value]


def _condition_text(condition: Condition) -> str:
    notes = [f"{condition.label}, {condition.duration_s:g} s, at least {condition.least_duration_s:g} s."]
    notes.append(condition.description)
    if condition.delay_s is not None:
        notes.append(f"Recorded {condition.delay_s:g} s after the stimulus.")
    if condition.breath_period_s is not None:
        notes.append(f"A breath takes {condition.breath_period_s:g} s.")
    if condition.reference:
        notes.append("The heart rates of the others are compared with this one's.")
    return " ".join(filter(None, notes))


def _rule_text(rule: MarkerRule, condition: Condition) -> str:
    start = rule.text + (f" of style {rule.style}" if rule.style else "")
    start += f", {rule.offset_s:+g} s" if rule.offset_s else ""
    if rule.until is not None:
        return f"{start}   to   {rule.until}"
    if rule.open_end:
        return f"{start}   to   the next condition or the segment's end"
    return f"{start}   for   {rule.duration_s or condition.duration_s:g} s"


def _check_text(check: Check) -> str:
    from ecgkit.protocol.model import MEASURES

    what, unit = MEASURES[check.measure]
    warns = "never fails" if check.warn_range == (None, None) else f"warns at {_range(check.warn_range)}"
    notes = [f"passes at {_range(check.pass_range)} {unit}".rstrip()]
    notes += [warns] if check.warn_range is not None else []
    notes += [] if check.counts else ["only a remark"]
    notes += [f"only warns if there is a {MEASURES[check.yields_to][0]}"] if check.yields_to else []
    return f"{what}: {', '.join(notes)}. Source: {' '.join(check.source.split())}"


def _range(bounds: tuple[float | None, float | None] | None) -> str:
    low, high = bounds or (None, None)
    if low is None:
        return "anything" if high is None else f"{high:g} or less"
    return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"


def _show_check(found: ProtocolCheck) -> None:
    """Print what is wrong, what would be tagged, and advice."""
    from ecgkit.cli.console import show as say
    from ecgkit.cli.console import show_table

    for problem in found.problems:
        say(f"wrong: {problem}")
    if found.protocol is not None and not found.problems:
        say(f"{found.path}: fine, {len(found.protocol.conditions)} conditions")
    if found.spans is not None:
        show_table(("condition", "take", "from s", "to s", "why", "beware"), map(_span_row, found.spans))
    for sentence in found.advice:
        say(f"advice: {sentence}")


def _span_row(span: TaggedSpan) -> tuple[object, ...]:
    seconds = (f"{span.start_s:.3f}", f"{span.stop_s:.3f}")
    return span.condition, span.take, *seconds, span.reason, "; ".join(span.warnings)
