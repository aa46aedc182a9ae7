"""`ecgkit build-dataset`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ecgkit.stages.build_dataset import BuildSummary

# option -> section of the config, and the field that it sets there
FIELDS = {
    "subjects": ("sessions", "subjects"),
    "conditions": ("sessions", "conditions"),
    "visits": ("sessions", "visits"),
    "verdict": ("sessions", "verdict"),
    "split_seed": ("splits", "seed"),
    **{
        name: ("pipeline", name)
        for name in (
            "fs",
            "mains_hz",
            "mains",
            "high_pass_hz",
            "low_pass_hz",
            "polarity",
            "scale",
            "window_s",
            "stride_s",
            "r_peak_at_s",
            "min_quality",
        )
    },
}
UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


def _names(text: str) -> list[str]:
    """Split "01,02" into its names."""
    return [name.strip() for name in text.split(",")]


def _bytes(text: str) -> int:
    """Read "2GB" as a number of bytes."""
    try:
        n_bytes = round(float(text[:-2]) * UNITS[text[-2:].upper()])
    except (KeyError, ValueError, OverflowError):
        n_bytes = 0
    if n_bytes <= 0:
        raise click.BadParameter(f"{text!r}: expected a size such as 500MB or 2GB")
    return n_bytes


@click.command("build-dataset")
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file to write.  [default: dataset.h5 in the study]"
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML with settings.")
@click.option("--preset", help="paper or recommended: what the settings start from.  [default: paper]")
@click.option("--subjects", type=_names, metavar="NAMES", help="Only these, such as 01,02.")
@click.option("--conditions", type=_names, metavar="NAMES", help="Only these, such as rest,exercise.")
@click.option("--visits", type=_names, metavar="NUMBERS", help="Only these, such as 1.")
@click.option("--exclude-failed", "verdict", flag_value="warn", help="Leave out sessions that fail a check.")
@click.option("--exclude-warned", "verdict", flag_value="pass", help="Leave out those with a warning too.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Table of labels of your own.  [default: labels.tsv in the study, if it is there]",
)
@click.option("--fs", type=float, help="Rate of the windows, Hz.  [default: 100]")
@click.option("--mains-hz", type=float, help="Mains frequency.  [default: the protocol's]")
@click.option("--mains", help="auto, alias-notch or none.  [default: auto]")
@click.option("--high-pass-hz", type=float, help="High-pass, Hz.  [default: 0.5]")
@click.option("--low-pass-hz", metavar="NUMBER", help="Low-pass, Hz.  [default: the resampler's alone]")
@click.option("--polarity", help="as-recorded or upright.  [default: as-recorded]")
@click.option(
    "--scale",
    help="recording, recording-percentile, window, window-percentile or none.  [default: recording]",
)
@click.option("--window-s", type=float, help="Length of a window, seconds.  [default: 3]")
@click.option(
    "--stride-s", metavar="NUMBER", help="From window to window, seconds.  [default: the window's length]"
)
@click.option(
    "--r-peak-at-s",
    metavar="NUMBER",
    help="A window for each beat, its R peak so many seconds after its start.",
)
@click.option("--min-quality", help="Leave out windows below doubtful, or below accept.  [default: keep all]")
@click.option("--split-seed", type=int, help="Seed of the splits.  [default: 0]")
@click.option(
    "--shard-size", "shard_bytes", type=_bytes, metavar="SIZE", help="More files, of 2GB each, say."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: as many as are worth it]")
@click.option("--cluster", metavar="ADDRESS", help="tcp://… of a dask scheduler whose workers do it.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def build_dataset(study: Path | None, preset: str | None, as_json: bool, **given: Any) -> int:
    """Clean and cut all sessions into one HDF5 file, with splits.

    Interrupted, the same command goes on where it was. Exits with 1 if a session had to be left out; the
    others are in the data set all the same.
    """
    from ecgkit.cli import EXIT_FAILED
    from ecgkit.cli.console import progress, show_json, show_warnings
    from ecgkit.stages import build_dataset as stage
    from ecgkit.study.folder import find_study

    flags: dict[str, Any] = {"preset": preset}
    for name, (section, field) in FIELDS.items():
        flags.setdefault(section, {})[field] = given.pop(name)
    folder = find_study(study)
    with progress(quiet=as_json) as bars:
        summary = stage.run(folder, stage.BuildOptions(flags=flags, **given), progress=bars)
    left_out = [f"{key} left out: {out['reason']}" for key, out in summary.left_out.items()]
    show_warnings([*left_out, *summary.warnings])
    show_json(summary.as_json()) if as_json else _show(summary, folder)
    return EXIT_FAILED if left_out else 0


def _show(summary: BuildSummary, study: Path) -> None:
    from ecgkit.cli.console import show, show_next

    pipeline = summary.config.pipeline
    conditions = ", ".join(f"{name} {count}" for name, count in summary.conditions.items())
    show(f"{summary.path}{'  (SIMULATED data)' if summary.simulated else ''}")
    length = f"{pipeline.window_s:g} s at {pipeline.fs:g} Hz"
    show(f"  windows     {summary.n_windows} of {length}, shape {summary.shape}")
    show(f"  from        {_sessions(summary)}")
    show(f"  conditions  {conditions}")
    show(f"  quality     {', '.join(f'{name} {count}' for name, count in summary.qualities.items())}")
    for what in _not_in_it(summary):
        show(f"  without     {what}")
    if summary.own_labels:
        show(f"  own labels  {', '.join(summary.own_labels)}")
    show(f"  mains       {'; '.join(summary.mains)}")
    show(f"  high-pass   {pipeline.high_pass_hz:g} Hz, zero phase; scaled by {pipeline.scale}")
    if summary.turned:
        show(f"  turned      {len(summary.turned)} sessions have a lead that was upside down")
    show(f"  splits      {', '.join(map(_scheme, summary.leaks)) or 'none possible'}")
    show(f"  content     sha256 {summary.sha256[:16]}…")
    in_its_place = summary.path == study / "dataset.h5"
    show_next(study, "ecgkit train" if in_its_place else f"ecgkit train {summary.path}")
    show("To read it elsewhere: docs/format.md.")


def _sessions(summary: BuildSummary) -> str:
    resumed = f"; {summary.n_resumed} were cut before the interruption" if summary.n_resumed else ""
    return f"{summary.n_sessions} sessions of {len(summary.subjects)} subjects{resumed}"


def _scheme(name: str) -> str:
    from ecgkit.splits import find_scheme

    return f"{name} (leaks)" if find_scheme(name).leaks else name


def _not_in_it(summary: BuildSummary) -> Iterator[str]:
    """Say what was left out on purpose."""
    for key, out in summary.excluded.items():
        yield f"{key}: {out['reason']}"
    if summary.not_chosen:
        yield f"{len(summary.not_chosen)} sessions that were not chosen (--json says why)"
    if summary.n_excluded:
        yield f"{summary.n_excluded} windows that touch an excluded span"
    if summary.n_too_poor:
        yield f"{summary.n_too_poor} windows below quality {summary.config.pipeline.min_quality}"
