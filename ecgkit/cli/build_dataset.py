"""`ecgkit build-dataset`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ecgkit.stages.build_dataset import BuildSummary

# option -> section of the config that it sets a field of
SECTIONS = {
    "fs": "pipeline",
    "mains_hz": "pipeline",
    "mains": "pipeline",
    "high_pass_hz": "pipeline",
    "scale": "pipeline",
    "window_s": "pipeline",
    "stride_s": "pipeline",
    "min_quality": "pipeline",
    "split_seed": "splits",
}


@click.command("build-dataset")
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file to write.  [default: dataset.h5 in the study]"
)
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML with settings.")
@click.option("--fs", type=float, help="Rate of the windows, Hz.  [default: 100]")
@click.option("--mains-hz", type=float, help="Mains frequency.  [default: the protocol's]")
@click.option("--mains", help="auto, alias-notch or none.  [default: auto]")
@click.option("--high-pass-hz", type=float, help="High-pass, Hz.  [default: 0.5]")
@click.option(
    "--scale",
    help="recording, recording-percentile, window, window-percentile or none.  [default: recording]",
)
@click.option("--window-s", type=float, help="Length of a window, seconds.  [default: 3]")
@click.option(
    "--stride-s", type=float, help="From window to window, seconds.  [default: the window's length]"
)
@click.option("--min-quality", help="Leave out windows below doubtful, or below accept.  [default: keep all]")
@click.option("--split-seed", type=int, help="Seed of the splits.  [default: 0]")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def build_dataset(
    study: Path | None, out: Path | None, config_file: Path | None, as_json: bool, **options: Any
) -> int:
    """Clean and cut all sessions into one HDF5 file, with splits.

    Exits with 1 if a session had to be left out; the others are in the data set all the same.
    """
    from ecgkit.cli import EXIT_FAILED
    from ecgkit.cli.console import progress, show_json, show_warnings
    from ecgkit.stages import build_dataset as stage
    from ecgkit.study.folder import find_study

    flags: dict[str, dict[str, Any]] = {"pipeline": {}, "splits": {}}
    for name, value in options.items():
        flags[SECTIONS[name]][name.removeprefix("split_")] = value
    with progress(quiet=as_json) as bars:
        folder = find_study(study)
        summary = stage.run(folder, config_file=config_file, flags=flags, out=out, progress=bars)
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
    show(f"  from        {summary.n_sessions} sessions of {len(summary.subjects)} subjects")
    show(f"  conditions  {conditions}")
    show(f"  quality     {', '.join(f'{name} {count}' for name, count in summary.qualities.items())}")
    for what in _not_in_it(summary):
        show(f"  without     {what}")
    show(f"  mains       {'; '.join(summary.mains)}")
    show(f"  high-pass   {pipeline.high_pass_hz:g} Hz, zero phase; scaled to 0-1 by {pipeline.scale}")
    show(f"  splits      {', '.join(map(_scheme, summary.leaks)) or 'none possible'}")
    show(f"  content     sha256 {summary.sha256[:16]}…")
    in_its_place = summary.path == study / "dataset.h5"
    show_next(study, "ecgkit train" if in_its_place else f"ecgkit train {summary.path}")
    show("To read it elsewhere: docs/format.md.")


def _scheme(name: str) -> str:
    from ecgkit.splits import find_scheme

    return f"{name} (leaks)" if find_scheme(name).leaks else name


def _not_in_it(summary: BuildSummary) -> Iterator[str]:
    """Say what was left out on purpose."""
    for key, out in summary.excluded.items():
        yield f"{key}: {out['reason']}"
    if summary.n_excluded:
        yield f"{summary.n_excluded} windows that touch an excluded span"
    if summary.n_too_poor:
        yield f"{summary.n_too_poor} windows below quality {summary.config.pipeline.min_quality}"
