"""``ecgkit simulate``: write a study of simulated recordings."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write into.")
@click.option("--subjects", default=15, show_default=True, help="Number of subjects.")
@click.option("--seed", default=1, show_default=True, help="Seed; the same one writes the same bytes.")
@click.option("--visits", default=1, show_default=True, help="Visits, each with electrodes placed anew.")
@click.option("--mains-hz", default=60.0, show_default=True, help="Frequency of the mains hum.")
@click.option("--duration-s", default=180.0, show_default=True, help="Length of a recording, seconds.")
@click.option("--fs", default=1000.0, show_default=True, help="Sampling rate, Hz.")
@click.option(
    "--one-file", is_flag=True, help="One file for each visit: all conditions in it, pauses between them."
)
@click.option("--force", is_flag=True, help="Write into a folder that holds other files.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def simulate(
    *,
    out: Path,
    subjects: int,
    seed: int,
    visits: int,
    mains_hz: float,
    duration_s: float,
    fs: float,
    one_file: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write SIMULATED .acq files of a study like the paper's.

    Each subject rests, recovers from a run and breathes deeply. The truth about every file (R peaks,
    heart rate, artefacts) lies beside it, and sessions.csv lists them all.
    """
    from ecgkit.cli import console
    from ecgkit.stages import simulate as stage

    with console.progress(quiet=as_json) as progress:
        summary = stage.run(
            out,
            n_subjects=subjects,
            seed=seed,
            visits=visits,
            fs=fs,
            duration_s=duration_s,
            mains_hz=mains_hz,
            one_file=one_file,
            force=force,
            progress=progress,
        )
    if as_json:
        console.show_json(stage.summary_dict(summary))
        return
    console.show(stage.summary_text(summary))
