"""``ecgkit info``: what is in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecgkit.cli import printable

if TYPE_CHECKING:
    from ecgkit.records import Channel, Marker, Recording
    from ecgkit.stages.info import FileInfo

MARKERS_SHOWN = 20


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document with everything.")
def info(file: Path, as_json: bool) -> None:
    """Show what is in a recording's FILE, from its headers.

    Format and revision, channels with rate, unit and duration, markers, start time, and the channel
    that would be taken for ECG, and why.

    \b
    ecgkit info session.acq
    """
    from ecgkit.cli.console import show_json
    from ecgkit.stages import info as stage

    found = stage.run(file)
    if as_json:
        show_json(stage.as_dict(found))
    else:
        _show(found)


def _show(found: FileInfo) -> None:
    """Print facts, channels, the ECG channel, segments, markers, warnings."""
    from ecgkit.cli.console import show_table, show_warnings

    recording = found.recording
    for name, value in _facts(recording):
        click.echo(f"{name:<12}{value}")
    click.echo()
    show_table(
        ("#", "channel", "unit", "Hz", "samples", "seconds", "stored"), map(_channel_row, recording.channels)
    )
    if found.ecg:
        name = recording.channels[found.ecg.index].name
        click.echo(printable(f"{'ECG':<12}channel {found.ecg.index}, {name!r}: {found.ecg.reason}"))
    if len(found.segments_s) > 1:
        spans = ", ".join(f"{start:.3f} to {stop:.3f} s" for start, stop in found.segments_s)
        click.echo(f"{'segments':<12}{spans}, with a pause between them")
    if recording.markers:
        click.echo()
        rows = [_marker_row(marker, recording) for marker in recording.markers[:MARKERS_SHOWN]]
        show_table(("sample", "seconds", "marker", "style", "channel"), rows)
    if len(recording.markers) > MARKERS_SHOWN:
        click.echo(f"and {len(recording.markers) - MARKERS_SHOWN} more markers (all with --json)")
    problem = [f"no ECG channel chosen: {printable(found.ecg_problem)}"] if found.ecg_problem else []
    show_warnings([*map(printable, recording.warnings), *problem])


def _facts(recording: Recording) -> list[tuple[str, str]]:
    seconds = recording.duration_s
    clock = f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02}:{int(seconds % 60):02}"
    start = f"{recording.start_time:%Y-%m-%d %H:%M:%S} UTC" if recording.start_time else "not in the file"
    return [
        ("file", printable(str(recording.path))),
        ("format", f"{recording.format} ({recording.version})"),
        *([("SIMULATED", "made by a program; nobody was recorded")] if recording.simulated else []),
        *recording.details,
        ("base rate", f"{recording.fs:g} Hz"),
        ("duration", f"{seconds:.3f} s ({clock})"),
        ("start", start),
        ("markers", str(len(recording.markers))),
        ("journal", f"{len(recording.journal)} characters" if recording.journal else "none"),
    ]


def _channel_row(channel: Channel) -> tuple[object, ...]:
    return (
        channel.index,
        printable(channel.name),
        printable(channel.unit),
        f"{channel.fs:g}",
        channel.n_samples,
        f"{channel.duration_s:.3f}",
        channel.dtype.name,
    )


def _marker_row(marker: Marker, recording: Recording) -> tuple[object, ...]:
    name = "" if marker.channel is None else recording.channels[marker.channel].name
    return (
        marker.sample,
        f"{marker.time_s:.3f}",
        printable(marker.text),
        printable(marker.style),
        printable(name),
    )
