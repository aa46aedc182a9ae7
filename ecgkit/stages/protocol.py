"""`ecgkit protocol`: the protocols there are, a new one, and what is wrong with one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import ProtocolError
from ecgkit.files import write_text
from ecgkit.protocol.model import Protocol, find_protocol, load_protocol, shipped_protocols
from ecgkit.protocol.tag import TaggedSpan, tag_recording
from ecgkit.readers import read

SUFFIXES = (".yaml", ".yml")
NAME_LINE = re.compile(r"^name:.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProtocolCheck:
    """What a check of a protocol file found.

    Attributes
    ----------
    protocol
        None where the file does not follow the schema.
    problems
        What is wrong; one sentence each.
    advice
        What it lacks and may do without.
    spans
        What would be tagged of the recording, None where none was given or nothing can be tagged.
    """

    path: Path
    protocol: Protocol | None
    problems: tuple[str, ...]
    advice: tuple[str, ...] = ()
    spans: tuple[TaggedSpan, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        spans = None if self.spans is None else [_span_json(span) for span in self.spans]
        return {
            "file": str(self.path),
            "name": None if self.protocol is None else self.protocol.name,
            "problems": list(self.problems),
            "advice": list(self.advice),
            "spans": spans,
        }


def shipped() -> tuple[Protocol, ...]:
    """Load the protocols that come with ecgkit."""
    return tuple(load_protocol(name) for name in shipped_protocols())


def new(path: Path, *, source: str) -> None:
    """Write a protocol file that is a copy of another, comments and all, under the file's own name.

    Raises
    ------
    ProtocolError
        The file is there already or is not named like YAML, or there is no such protocol to copy.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ProtocolError(f"{path}: expected a name that ends in {' or '.join(SUFFIXES)}")
    if path.exists() or path.is_symlink():
        raise ProtocolError(f"{path}: is there already and stays as it is; choose another name")
    original = load_protocol(source)
    text = find_protocol(source).read_text(encoding="utf-8")
    text, n_names = NAME_LINE.subn(lambda _: f"name: {json.dumps(path.stem)}", text, count=1)
    if not n_names:
        raise ProtocolError(f"{source}: has no line that starts with 'name:', so it can't be copied")
    write_text(
        path, f"# Begun as a copy of {original.name!r}. Check it by: ecgkit protocol check FILE\n{text}"
    )


def check(name: str, *, recording: Path | None = None) -> ProtocolCheck:
    """Check a protocol against the schema, and its rules against a recording's markers.

    Parameters
    ----------
    name
        Of a shipped protocol, or the path of a file.

    Raises
    ------
    ProtocolError
        There is no such file.
    ReadError
        The recording can't be read.
    """
    path = find_protocol(name)
    try:
        protocol = load_protocol(name)
    except ProtocolError as error:
        if not path.is_file():
            raise
        return ProtocolCheck(path, None, (str(error),))
    problems, spans = _repeated_keys(path), None
    if recording is not None:
        try:
            spans = tag_recording(protocol, read(recording))
        except ProtocolError as error:
            problems.append(f"{recording}: {error}")
    return ProtocolCheck(path, protocol, tuple(problems), tuple(_advice(protocol)), spans)


def _repeated_keys(path: Path) -> list[str]:
    """Find keys that stand twice in one place: YAML takes the last and says nothing."""
    import yaml

    problems = []
    nodes: list[Any] = [yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)]
    while nodes:
        node = nodes.pop()
        if node.id == "sequence":
            nodes += node.value
        elif node.id == "mapping":
            lines: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in lines:
                    problems.append(
                        f"{path}: {key.value} stands at line {lines[key.value]} and again at {line}"
                    )
                lines[key.value] = line
                nodes.append(value)
    return problems


def _advice(protocol: Protocol) -> list[str]:
    """Say what a protocol can't do for lack of rules."""
    in_segments = set(protocol.segments)
    untagged = [k for k, c in protocol.conditions.items() if not c.markers and k not in in_segments]
    unchecked = [key for key, condition in protocol.conditions.items() if not condition.checks]
    advice = []
    if untagged:
        advice.append(f"no markers: {', '.join(untagged)} can't be found in a recording, only be named")
    if unchecked:
        advice.append(f"no checks: nobody will know whether {', '.join(unchecked)} was done as asked")
    return advice


def _span_json(span: TaggedSpan) -> dict[str, Any]:
    return {
        "condition": span.condition,
        "take": span.take,
        "start_s": span.start_s,
        "stop_s": span.stop_s,
        "reason": span.reason,
        "warnings": list(span.warnings),
    }
