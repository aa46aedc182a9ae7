"""What benchmarks/long/scaling.py measures, on recordings small enough to know the answer."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ecgkit.splits import window_table

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "long"


@pytest.fixture(scope="module")
def scaling() -> ModuleType:
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module("scaling")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def sources(scaling: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list:
    recordings = sys.modules["scaling_recordings"]
    return list(recordings.simulated(tmp_path_factory.mktemp("sim"), 1, 60.0))


def test_disturbed_spike_shrinks_the_whole_recording_under_its_extremes_only(
    scaling: ModuleType, sources: list
) -> None:
    spots = [scaling.spot_of(each) for each in sources[:1]]
    found = {scale: scaling.disturbed(spots, scale) for scale in ("recording", "window-percentile")}
    assert found["recording"]["spike ratio"] < 0.4
    assert found["recording"]["spike share"] == 1.0
    assert found["window-percentile"]["spike ratio"] == pytest.approx(1.0, abs=0.02)
    assert found["window-percentile"]["spike windows"] == 1
    assert found["window-percentile"]["step windows"] <= 3


def test_disturbed_changes_only_the_samples_of_the_artefact(scaling: ModuleType, sources: list) -> None:
    each = sources[0]
    added = each.disturbed(10.0, length_s=0.02, height_mv=6.0).channels[0].read() - each.channel.read()
    assert np.flatnonzero(added).tolist() == list(range(10_000, 10_020))
    assert np.allclose(added[10_000:10_020], 6.0)
    step = each.disturbed(10.0, length_s=np.inf, height_mv=6.0).channels[0].read() - each.channel.read()
    assert np.flatnonzero(step).tolist() == list(range(10_000, each.channel.n_samples))


def test_pieces_of_a_recording_are_told_by_its_extremes_and_hardly_without_scaling(
    scaling: ModuleType, sources: list
) -> None:
    found = {scale: scaling.pieces(sources, scale, range(2)) for scale in ("recording", "none")}
    assert found["recording"]["recordings"] == 3
    assert found["recording"]["mean"] > 80 > found["none"]["mean"] + 10


def test_places_are_the_samples_of_a_window_that_are_peaks(scaling: ModuleType) -> None:
    peaks_s = np.array([2.99, 3.0, 4.5, 5.99, 6.0])
    assert scaling.places(peaks_s, 3.0, 300).tolist() == [0, 150, 299]


def test_by_person_counts_states_alike_and_knows_who_was_not_tested(scaling: ModuleType) -> None:
    table = window_table(
        {
            "subject": ["a", "a", "a", "b", "c"],
            "condition": ["rest", "rest", "run", "run", "run"],
            "session": ["1", "1", "2", "3", "4"],
            "visit": [1] * 5,
            "start_s": [0.0, 3.0, 0.0, 0.0, 0.0],
        },
        window_s=3.0,
    )
    shares = scaling.by_person(table, np.array([1.0, 0.0, 1.0, 0.0, np.nan]))
    assert shares[:2].tolist() == [75.0, 0.0]
    assert np.isnan(shares[2])


def test_difference_of_equal_people_has_no_width(scaling: ModuleType) -> None:
    assert scaling.difference(np.full(5, 3.0)) == {"mean": 3.0, "low": 3.0, "high": 3.0, "n": 5}


@pytest.mark.real_data
def test_sets_are_the_recordings_that_the_page_names(scaling: ModuleType, real_data: Path) -> None:
    recordings = sys.modules["scaling_recordings"]
    for name, n_recordings, subjects, states in (
        ("electrophys", 45, 19, {"rest", "exercise"}),
        ("wrist", 16, 7, {"walk", "run", "bike"}),
    ):
        found = list(getattr(recordings, name)(real_data / name))
        assert len(found) == n_recordings
        assert len({each.subject for each in found}) == subjects
        assert {each.condition for each in found} == states
