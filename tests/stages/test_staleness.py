"""A data set is stale when its study would give another one now, and not otherwise."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ecgkit.dataset.read import open_dataset
from ecgkit.records import Tags
from ecgkit.stages import build_dataset, exclude, ingest, remove
from ecgkit.stages.build_dataset import BuildOptions
from ecgkit.stages.ingest.asked import Asked
from ecgkit.stages.ingest.call import IngestOptions
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.stages.staleness import NOT_CHOSEN, not_asked_for, stale

ONE = Tags("01", "rest")
OTHER = Tags("03", "rest")


def built(study: Path, **wanted: Any) -> Path:
    """Build a study's data set of chosen sessions."""
    build_dataset.run(study, BuildOptions(flags={"sessions": wanted}, jobs=1))
    return study / "dataset.h5"


def said(path: Path) -> list[str]:
    return stale(open_dataset(path))


@pytest.mark.parametrize("wanted", [{}, {"subjects": ["01", "02"]}, {"conditions": ["rest"], "visits": [1]}])
def test_stale_says_nothing_of_a_data_set_just_built(study: Path, wanted: dict[str, Any]) -> None:
    path = built(study, **wanted)
    assert said(path) == []
    assert said(path.rename(study.parent / "elsewhere.h5")) == []


def test_stale_does_not_mind_what_happens_to_sessions_that_were_not_asked_for(study: Path) -> None:
    path = built(study, subjects=["01", "02"])
    exclude.run(study, OTHER.key, reason="fell asleep")
    assert said(path) == []
    remove.run(study, [OTHER.key], reason="wrong person")
    assert said(path) == []


def test_stale_names_what_happened_to_those_that_were(study: Path) -> None:
    path = built(study, subjects=["01", "02"])
    exclude.run(study, ONE.key, reason="fell asleep")
    [sentence] = said(path)
    assert f"(1 sessions added, replaced, excluded or removed: {ONE.key})" in sentence
    assert sentence.endswith("build it again with: ecgkit build-dataset, choosing the same sessions")


def test_stale_of_a_whole_study_says_how_to_build_it_again(study: Path) -> None:
    remove.run(study, [ONE.key], reason="wrong person")
    [sentence] = said(study / "dataset.h5")
    assert ONE.key in sentence
    assert sentence.endswith("build it again with: ecgkit build-dataset")


def test_stale_names_a_session_that_was_cut_otherwise(
    study: Path, simulated_files: tuple[SimulatedFile, ...]
) -> None:
    [file] = [f for f in simulated_files if (f.subject, f.condition, f.visit) == ("01", "rest", 1)]
    said_of_it = {"subject": "01", "condition": "rest", "start": "0", "stop": "20"}
    ingest.run_all(
        Asked((file.path,), said=said_of_it), study_folder=study, options=IngestOptions(replace=True)
    )
    [sentence] = said(study / "dataset.h5")
    assert ONE.key in sentence


def test_stale_takes_reasons_of_another_make(study: Path) -> None:
    data = open_dataset(study / "dataset.h5")
    strange = {"sub-77_visit-1_cond-rest_take-1": {"sha256": "0", "reason": f"{NOT_CHOSEN}too warm"}}
    assert stale(dataclasses.replace(data, left_out=strange)) == []
    assert not_asked_for("visit", 2) == "not chosen: visit 2 was not asked for"
