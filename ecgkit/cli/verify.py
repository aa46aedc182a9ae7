"""`ecgkit verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.verify import Verified


@click.command()
@click.option("--study", type=click.Path(path_type=Path), help="Study folder.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def verify(study: Path | None, as_json: bool) -> int:
    """Read all of the study and check that it is whole: every hash, every file, every reference.

    Exits with 1 if anything is wrong; a remark is no error.
    """
    from ecgkit.cli import EXIT_FAILED, console
    from ecgkit.stages import verify as stage
    from ecgkit.study.folder import find_study

    with console.progress(quiet=as_json) as bars:
        found = stage.run(find_study(study), progress=bars)
    console.show_json(found.as_json()) if as_json else _show(found)
    return 0 if found.is_sound else EXIT_FAILED


def _show(found: Verified) -> None:
    from ecgkit.cli.console import show

    for item in found.findings:
        show(f"{'WRONG ' if item.severity == 'fault' else 'remark'} {item.where}: {item.text}")
    n_faults = sum(item.severity == "fault" for item in found.findings)
    with_dataset = "the data set" if found.dataset else "no data set"
    looked_at = (
        f"{found.n_sessions} sessions ({found.n_bytes / 1e6:.1f} MB), {with_dataset}, {found.n_runs} runs"
    )
    show(f"{found.study}: {looked_at}: {'sound' if found.is_sound else f'{n_faults} wrong'}.")
