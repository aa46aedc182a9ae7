"""Draw the README's pictures: python docs/make_pictures.py STUDY RUN SIMULATED_RECORDING (needs Chromium)."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURES = Path(__file__).parent / "pictures"
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def main(study: str, run: str, recording: str) -> None:
    folder = Path(study).resolve()
    terminal("status.svg", ["status", "--study", folder.name], cwd=folder.parent)
    subprocess.run(
        [sys.executable, "-m", "ecgkit", "status", "--study", study, "--html"],
        check=True,
        capture_output=True,
    )
    page("study.png", folder / "status.html", size="1100,1500")
    page("report.png", Path(run) / "report.html", size="1100,1330")
    plot = ["info", recording, "--plot", str(PICTURES / "recording.png")]
    subprocess.run([sys.executable, "-m", "ecgkit", *plot], check=True)


def terminal(name: str, command: list[str], *, cwd: Path, width: int = 110) -> None:
    """Draw what a command prints, without the fonts that rich would take from the web."""
    call = [sys.executable, "-m", "ecgkit", *command]
    shown = subprocess.run(
        call, cwd=cwd, capture_output=True, text=True, check=True, env={"COLUMNS": str(width)}
    )
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(Text.from_ansi(shown.stdout))
    svg = console.export_svg(title=" ".join(["ecgkit", *command]))
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / name).write_text(re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.S), encoding="utf-8")


def page(name: str, html: Path, *, size: str) -> None:
    """Take a screenshot of a page's beginning."""
    with tempfile.TemporaryDirectory() as profile:
        options = [f"--user-data-dir={profile}", f"--screenshot={PICTURES / name}", f"--window-size={size}"]
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", *QUIET, *options]
        subprocess.run([*command, html.resolve().as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
