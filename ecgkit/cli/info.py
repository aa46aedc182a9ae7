"""``ecgkit info``: what is in a file, and whether its signal can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgkit.cli import printable
from ecgkit.cli.reading import reading_options

if TYPE_CHECKING:
    from ecgkit.readers.leads import EcgLeads
    from ecgkit.records import Channel, Marker, Recording
    from ecgkit.stages.info import FileInfo
    from ecgkit.stages.signal_check import SignalCheck

MARKERS_SHOWN = 20


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Check the ECG's signal; exit with 1 if anything is found.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="PICTURE",
    help="Draw the recording and what was found, as .svg, .png or .html.",
)
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document with everything.")
def info(file: Path, check: bool, plot: Path | None, as_json: bool, **options: Any) -> int:
    """Show what is in a recording's FILE, from its headers.

    Format and version, channels with rate, unit and duration, markers, start time, and the channel
    that would be taken for ECG, and why. Exits with 1 if --check finds anything.

    \b
    ecgkit info session.acq
    ecgkit info session.acq --check --plot session.html
    """
    from ecgkit.cli import EXIT_FAILED
    from ecgkit.cli.console import progress, show_json
    from ecgkit.cli.reading import take_reading
    from ecgkit.stages import info as stage

    reading, leads = take_reading(options)
    with progress(quiet=as_json) as bars:
        found = stage.run(file, reading=reading, leads=leads, check=check, plot=plot, progress=bars)
    show_json(stage.as_dict(found)) if as_json else _show(found, with_checks=check)
    return EXIT_FAILED if check and found.n_findings else 0


def _show(found: FileInfo, *, with_checks: bool) -> None:
    """Print facts, channels, the ECG, segments, markers, checks, the picture, warnings."""
    from ecgkit.cli.console import show, show_table, show_warnings

    recording = found.recording
    for name, value in _facts(recording):
        click.echo(f"{name:<11} {value}")
    click.echo()
    show_table(
        ("#", "channel", "unit", "Hz", "samples", "seconds", "stored"), map(_channel_row, recording.channels)
    )
    for line in _found_channels(found):
        show(line)
    if len(found.segments_s) > 1:
        spans = ", ".join(f"{start:.3f} to {stop:.3f} s" for start, stop in found.segments_s)
        click.echo(f"{'segments':<12}{spans}, with a pause between them")
    if recording.markers:
        click.echo()
        rows = [_marker_row(marker, recording) for marker in recording.markers[:MARKERS_SHOWN]]
        show_table(("sample", "seconds", "marker", "style", "channel"), rows)
    if len(recording.markers) > MARKERS_SHOWN:
        click.echo(f"and {len(recording.markers) - MARKERS_SHOWN} more markers (all with --json)")
    if with_checks and found.ecg and found.checks is not None:
        _show_checks(found.ecg, found.checks, verdict=_verdict(found))
    if found.plot is not None:
        show(f"{'picture':<12}{found.plot}: {_verdict(found)}")
    hint = "--check shows what each looks like"
    problem = [f"no ECG channel chosen: {found.ecg_problem}; {hint}"] if found.ecg_problem else []
    lost = [f"lost: {sentence}" for sentence in recording.lost]
    show_warnings([*recording.warnings, *lost, *problem])


def _found_channels(found: FileInfo) -> list[str]:
    """Say which channels would be taken for ECG and respiration, and why."""
    lines = []
    if found.ecg:
        channels = [f"channel {channel.index}, {channel.name!r}" for channel in found.ecg.channels]
        if len(channels) > 1:
            pairs = zip(found.ecg.names, channels, strict=True)
            lines.append(f"{'ECG':<12}{found.ecg.reason}:")
            lines += [f"{'':<12}{name}: {channel}" for name, channel in pairs]
        else:
            lines.append(f"{'ECG':<12}{channels[0]}: {found.ecg.reason}")
    if found.respiration is not None:
        channel = found.recording.channels[found.respiration]
        lines.append(f"{'respiration':<12}channel {channel.index}, {channel.name!r}")
    return lines


def _show_checks(ecg: EcgLeads, checks: tuple[SignalCheck, ...], *, verdict: str) -> None:
    """Print what the checks found, what could not be checked, and what was measured."""
    from ecgkit.cli.console import show, show_table

    click.echo()
    checked = list(zip(ecg.names, checks, strict=True))
    rows = [(name, f.severity, f.name, f.text) for name, check in checked for f in check.findings]
    if rows:
        show_table(("lead", "severity", "check", "what was found"), rows)
    show(f"{'checks':<12}{verdict}")
    for name, check in checked:
        rate, height = check.heart_rate_bpm, check.r_amplitude_mv
        measured = "no heart beats found" if rate is None else f"{rate:.0f} beats/min on average"
        measured += "" if height is None else f", R waves of {float(f'{height:.3g}'):g} mV"
        show(f"{'measured':<12}{name}: {measured}")
        for what, why in check.skipped.items():
            show(f"{'not checked':<12}{name}: {what}: {why}")


def _verdict(found: FileInfo) -> str:
    n, skipped = found.n_findings, found.n_skipped
    verdict = f"{n} finding{'s' * (n != 1)}" if n else "no faults found"
    return f"{verdict}, {skipped} check{'s' * (skipped != 1)} could not be made" if skipped else verdict


def _facts(recording: Recording) -> list[tuple[str, str]]:
    seconds = recording.duration_s
    clock = f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02}:{int(seconds % 60):02}"
    return [
        ("file", printable(str(recording.path))),
        ("format", f"{recording.format} ({recording.version})"),
        *([("SIMULATED", "made by a program; nobody was recorded")] if recording.simulated else []),
        *recording.details,
        ("base rate", f"{recording.fs:g} Hz"),
        ("duration", f"{seconds:.3f} s ({clock})"),
        ("start", _date(recording)),
        ("markers", str(len(recording.markers))),
        ("journal", f"{len(recording.journal)} characters" if recording.journal else "none"),
    ]


def _date(recording: Recording) -> str:
    if recording.start_time is None:
        return "not in the file"
    zone = "by the recorder's clock" if recording.start_time.tzinfo is None else "UTC"
    return f"{recording.start_time:%Y-%m-%d %H:%M:%S} {zone}"


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
