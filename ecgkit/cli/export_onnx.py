"""``ecgkit export onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ecgkit.stages.export_onnx import OnnxSummary


@click.command()
@click.argument("run")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="[default: model.onnx in RUN]")
@click.option("--study", type=click.Path(path_type=Path), help="Study folder, where RUN is a run's number.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary for scripts.")
def onnx(run: str, out: Path | None, study: Path | None, as_json: bool) -> None:
    """Write the network of RUN as one ONNX file, for programs without PyTorch.

    RUN is a run's folder, its number in the study's runs/, or "latest". The file holds the run's card and
    calibration too: `ecgkit predict FILE.onnx session.acq` takes it in place of the run. It is only written
    if PyTorch and ONNX Runtime give the same.
    """
    from ecgkit.cli.console import show_json
    from ecgkit.stages import export_onnx as stage
    from ecgkit.study.folder import find_study

    summary = stage.run(run, runs=find_study(study) / "runs", out=out)
    show_json(summary.as_json()) if as_json else _show(summary)


def _show(summary: OnnxSummary) -> None:
    from ecgkit.cli.console import show

    card = summary.card
    simulated = "  (trained on SIMULATED data)" if card.simulated else ""
    tasks = " and ".join(summary.calibrated)
    show(f"{summary.path}: the network of {summary.run}{simulated}")
    show(f"  size         {summary.size_bytes / 1e6:.2f} MB, all in one file")
    show(f"  takes        {_ports(summary.takes)}: {card.fs:g} Hz, {', '.join(card.lead_names)}")
    show(f"  gives        {_ports(summary.gives)}")
    show(f"  calibration  {tasks or 'none: probabilities are not calibrated, and nobody is unknown'}")
    show(
        f"  checked      PyTorch and ONNX Runtime differ by {summary.difference:.1e} of the largest output "
        f"for {summary.n_windows} windows, random and extreme ({summary.tolerance:g} is allowed)"
    )
    show(f"Next: ecgkit predict {summary.path} session.acq")
    show("      without ecgkit: docs/onnx.md")


def _ports(ports: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} (batch, {', '.join(map(str, shape))})" for name, shape in ports.items())
