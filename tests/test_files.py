import os
from pathlib import Path

import pytest

from ecgkit.files import atomic_path, sha256_of, write_text


def test_atomic_path_puts_the_whole_file_in_place(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "new" / "a.bin") as part:
        part.write_bytes(b"whole")
        assert not (tmp_path / "new" / "a.bin").exists()
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"whole"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_path_keeps_the_old_file_on_any_error(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as part:
        part.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_path_refuses_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder", tmp_path / "file" / "a", Path(), Path(os.devnull)):
        with pytest.raises(OSError, match="expected a f") as refused, atomic_path(path):
            pass
        assert "partial" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_atomic_path_names_the_file_itself_in_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, atomic_path(tmp_path / "a") as part:
        part.read_bytes()
    assert error.value.filename == str(tmp_path / "a")


@pytest.mark.skipif(os.name == "nt", reason="Windows can't lock a folder")
def test_atomic_path_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    left = [tmp_path / f".partial-{16 * digit}{suffix}" for digit, suffix in (("0", ".h5"), ("f", ""))]
    not_ours = [tmp_path / ".partial-of-something-else", tmp_path / "a.partial-0123456789abcdef"]
    for path in (*left, *not_ours):
        path.touch()
    write_text(tmp_path / "a", "x")
    assert sorted(tmp_path.iterdir()) == sorted([*not_ours, tmp_path / "a"])


def test_atomic_path_leaves_the_files_of_other_writers(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as part:
        part.write_text("long work")
        write_text(tmp_path / "b", "x")
    assert (tmp_path / "a").read_text() == "long work"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_atomic_path_gives_usual_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_write_text_uses_unix_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "one\ntwo\n")
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\n"


def test_sha256_of_known_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
