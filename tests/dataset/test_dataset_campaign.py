"""Data sets spoiled in every way that HDF5 allows: each is read rightly, or refused with a clear error.

A short campaign runs with all tests, `python3 do.py soak` runs the long one. A finding names the seed:
`spoil(path, 1234)` of tests/support/mutate_h5.py spoils a file the same way again.
"""

from __future__ import annotations

import json
import shutil
import time
import traceback
from pathlib import Path

import pytest
from support.dataset_files import SAMPLES
from support.mutate_h5 import spoil

from ecgkit.dataset.card import card_text
from ecgkit.dataset.read import open_dataset
from ecgkit.errors import EcgkitError
from ecgkit.stages import dataset_diff, dataset_info, dataset_verify, export_dataset

SHORT, SOAK, SHARD = 40, 4_000, 500
SHORT_OF = {"shards": 20}  # another process looks at each
EXPORTED = 20  # every how many files are exported
LONGEST_S = 2.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a short case of each sample, or with --soak many long ones."""
    if "first" not in metafunc.fixturenames:
        return
    cases = [pytest.param(name, 0, SHORT_OF.get(name, SHORT), id=name) for name in SAMPLES]
    if metafunc.config.getoption("--soak"):
        cases += [
            pytest.param(name, first, first + SHARD, id=f"{name}-{first}", marks=pytest.mark.soak)
            for name in SAMPLES
            for first in range(0, SOAK, SHARD)
        ]
    metafunc.parametrize(("name", "first", "stop"), cases)


def test_spoiled_dataset_is_read_or_refused(name: str, first: int, stop: int, tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    good = SAMPLES[name](tmp_path / "good")
    for shard in open_dataset(good).files[1:]:
        shutil.copy(shard, tmp_path)
    findings, outcomes = [], {"refused": 0, "wrong": 0, "sound": 0}
    for seed in range(first, stop):
        path = tmp_path / f"{seed}.h5"
        shutil.copy(good, path)
        spoil(path, seed)
        began = time.process_time()
        try:
            outcomes[use(path, good, exported=seed % EXPORTED == 1)] += 1
            assert time.process_time() - began <= LONGEST_S, "took too long"
        except Exception as error:  # noqa: BLE001 (whatever it is, it is a finding)
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            findings.append(f"{name}, seed {seed}: {type(error).__name__}: {error} ({place})")
            continue
        path.unlink()
    assert not findings, "\n".join([f"{len(findings)} of {stop - first}", *findings])
    assert outcomes["refused"] > outcomes["wrong"] > 0


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_sound(name: str, tmp_path: Path) -> None:
    path = SAMPLES[name](tmp_path)
    found = [item for item in dataset_verify.run(path).findings if "content_sha256" not in item.text]
    assert not found


def use(path: Path, good: Path, *, exported: bool) -> str:
    """Do with a data set all that a user may; tell what became of it."""
    verified = dataset_verify.run(path)
    json.dumps(verified.as_json(), allow_nan=False)
    try:
        data = open_dataset(path)
    except EcgkitError as error:
        text = str(error)
        assert str(path) in text, text
        assert "\n" not in text, text
        assert not verified.is_sound, text
        return "refused"
    assert len(data.table) == len(data)
    card_text(data)
    found = (
        dataset_info.run(path).as_json(),
        dataset_info.head(path, n_rows=3),
        dataset_diff.run(path, good).as_json(),
    )
    json.dumps(found, allow_nan=False)
    if exported:
        for name in ("npz", "tracings"):
            export_dataset.run(name, path, path.with_suffix(f".{name}"))
    assert not verified.is_sound or found[2]["same"], "sound, but not what it was"
    return "sound" if verified.is_sound else "wrong"
