"""Docs say what is: every command is documented, the README's code runs, names are in the glossary."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest

import ecgkit as public
from ecgkit.cli import COMMANDS, ecgkit
from ecgkit.stages.simulate import SimulatedFile

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_commands_page_is_what_the_commands_say() -> None:
    pytest.importorskip("torch")  # the page lists what the trainer offers
    script = runpy.run_path(str(ROOT / "docs" / "make_commands.py"))
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == script["page"](), (
        "run: python docs/make_commands.py"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_explained(name: str) -> None:
    command = ecgkit.get_command(click.Context(ecgkit), name)
    assert command is not None
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    for one in (command, *inner):
        assert one.help, f"{name} {one.name} has no help"
        for parameter in one.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (
                f"{name} {one.name} {parameter.opts} has no help"
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=lambda page: page.name)
def test_python_code_on_the_page_runs(
    page: Path, study: Path, tmp_path: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    recording = simulated_files[0].path
    (tmp_path / "session.acq").write_bytes(recording.read_bytes())
    code = "\n".join(python_blocks(page))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_docs_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("torch")  # for the docstrings of the trainer
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "-b",
        "html",
        str(ROOT / "docs"),
        str(tmp_path / "site"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "open_dataset" in (tmp_path / "site" / "api.html").read_text(encoding="utf-8")


def test_every_public_name_is_on_the_page_about_python() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)", page, flags=re.M)
    assert sorted(listed) == sorted(set(public.__all__) - {"__version__"})


def test_readme_names_the_two_commands_and_the_three() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in (
        "python3 do.py demo",
        "python3 do.py test",
        "ecgkit ingest session.acq --subject 07 --condition exercise",
        "ecgkit build-dataset",
        "ecgkit train",
    ):
        assert command in readme
