"""A hostile study folder is refused or survived by every command, and nothing outside is read or touched."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.h5_files import put_text
from support.studies import make_study

from ecgkit.cli import main

REST = "sub-07_visit-1_cond-rest_take-1"
SECRET = "SECRET-of-outside"

COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "status": lambda study, _: ["status", "--study", str(study)],
    "page": lambda study, out: ["status", "--study", str(study), "--html", str(out / "page.html")],
    "verify": lambda study, _: ["verify", "--study", str(study)],
    "build-dataset": lambda study, out: ["build-dataset", "--study", str(study), "--out", str(out / "d.h5")],
    "export rr": lambda study, out: ["export", "rr", str(out / "rr"), "--study", str(study)],
    "export bids": lambda study, out: ["export", "bids", str(out / "bids"), "--study", str(study)],
    "exclude": lambda study, _: ["exclude", REST, "--stop", "5", "--reason", "x", "--study", str(study)],
    "retag": lambda study, _: ["retag", REST, "--take", "7", "--study", str(study)],
    "erase": lambda study, _: ["remove", "--subject", "07", "--erase", "--dry-run", "--study", str(study)],
}


def session(study: Path) -> Path:
    return study / "sessions" / f"{REST}.h5"


def linked(path: Path, outside: Path) -> None:
    """Put a link to outside in a file's or a folder's place."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.symlink_to(outside)


def yaml(text: str) -> Callable[[Path, Path], None]:
    return lambda study, _: (study / "study.yaml").write_text(text) and None


def in_session(change: Callable[[h5py.File, Path], None]) -> Callable[[Path, Path], None]:
    def apply(study: Path, outside: Path) -> None:
        with h5py.File(session(study), "a") as file:
            change(file, outside)

    return apply


def external_group(file: h5py.File, outside: Path) -> None:
    del file["channels"]
    file["channels"] = h5py.ExternalLink(str(outside / "other.h5"), "/channels")


def external_samples(file: h5py.File, outside: Path) -> None:
    del file["channels/000"]
    stored = [(str(outside / "raw.bin"), 0, 2000)]
    file.create_dataset("channels/000", (1000,), "<i2", external=stored)


def huge(file: h5py.File, outside: Path) -> None:
    del file["beats/time_s"]
    file.create_dataset("beats/time_s", (1 << 50,), "<f8", chunks=(1 << 16,), compression="gzip")


def no_numbers(file: h5py.File, outside: Path) -> None:
    file["quality/start_s"][...] = np.nan


def of_another_person(file: h5py.File, outside: Path) -> None:
    put_text(file, "subject", "../../outside/x")


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{k}: &{k} [*{j}, *{j}]\n" for j, k in zip("abcdefg", "bcdefgh", strict=True)
)

HOSTILE: dict[str, Callable[[Path, Path], None]] = {
    "sessions is a link out": lambda study, outside: linked(study / "sessions", outside / "sessions"),
    "a session is a link out": lambda study, outside: linked(session(study), outside / "other.h5"),
    "participants are a link out": lambda s, outside: linked(s / "participants.tsv", outside / "secret.txt"),
    "study.yaml is a link out": lambda study, outside: linked(study / "study.yaml", outside / "secret.txt"),
    "a tag": yaml("!!python/object/apply:os.system ['touch PWNED']\n"),
    "many laughs": yaml(LAUGHS),
    "depth": yaml("format_version: " + "[" * 5000),
    "a protocol elsewhere": yaml("format_version: '1.0'\nname: x\nprotocol: ../outside/secret.yaml\n"),
    "a group of another file": in_session(external_group),
    "samples of another file": in_session(external_samples),
    "a huge shape": in_session(huge),
    "no numbers": in_session(no_numbers),
    "tags that lead out": in_session(of_another_person),
    "half a session": lambda study, _: os.truncate(session(study), 5000),
    "a list that leads out": lambda study, _: list_that_leads_out(study),
    "a log of nonsense": lambda study, _: (study / "changes.jsonl").write_bytes(b"\xff\xfe{") and None,
}
# what a command does not read, it need not refuse
UNREAD = {
    "no numbers": ("status", "export bids", "erase"),
    "a huge shape": ("status", "export bids", "erase"),
    "a group of another file": ("status", "export rr", "erase"),
    "samples of another file": ("status", "export rr", "erase"),
    "a log of nonsense": ("status", "page", "build-dataset", "export rr", "export bids"),
}
ALSO = {"verify": {1}, "status": {0}, "page": {0}, "erase": {0}}  # they say what can't be read, and go on


def list_that_leads_out(study: Path) -> None:
    (study / ".staged").mkdir()
    (study / ".staged" / "x.h5").write_bytes(b"x")
    (study / ".staged" / "list.json").write_text(
        '{"put": ["../outside/x.h5"], "remove": ["../outside/raw.bin"]}'
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    return make_study(folder / "study", ["07", "08"], conditions=("rest", "exercise")).folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.skipif(sys.platform == "win32", reason="makes links")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_studies_are_refused(
    made: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(made / "sessions", outside / "sessions")
    shutil.copy(session(made), outside / "other.h5")
    (outside / "raw.bin").write_bytes(SECRET.encode() * 200)
    (outside / "secret.txt").write_text(f"{SECRET}\n")
    (outside / "secret.yaml").write_text(f"name: {SECRET}\n")
    before = contents(outside)
    for name, command in COMMANDS.items():
        out = tmp_path / f"out of {name}"
        out.mkdir()
        study = Path(shutil.copytree(made, tmp_path / name / "study"))
        HOSTILE[kind](study, outside.resolve())
        with pytest.raises(SystemExit) as ended:
            main(command(study, out))
        shown = capsys.readouterr()
        expected = {0} if name in UNREAD.get(kind, ()) else {2} | ALSO.get(name, set())
        assert ended.value.code in expected, (name, shown.err)
        assert "Traceback" not in shown.err
        assert SECRET not in shown.out + shown.err
        assert contents(outside) == before
        assert not Path("PWNED").exists()
        assert ended.value.code in (None, 0) or not [
            p for p in out.rglob("*") if p.is_file() and p.parent.suffix != ".parts"
        ]
