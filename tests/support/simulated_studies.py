"""Simulated studies in memory, as ingest would see them: clean, with labels swapped, with recordings spoiled.

The tests of compliance and benchmarks/long/compliance.py share this. All of it is simulated.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgkit.protocol.compliance import Compliance
from ecgkit.protocol.model import load_protocol
from ecgkit.readers.held import held
from ecgkit.records import Channel, Recording, Session, Tags
from ecgkit.simulate import noise
from ecgkit.simulate.study import CONDITIONS, SimulatedRecording, simulate_recording
from ecgkit.stages.measuring import observe
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.study.session_file import Observations, SessionHeader

PROTOCOL = load_protocol("dt4ecg")
MAINS_HZ, RAIL_MV = 60.0, 10.0
SPOILS = ("electrode off", "noise", "wrong channel")
OFF_SHARE = (0.55, 0.75)
SWAPS, SPOILED = 3, 2
Study = Mapping[Tags, Observations]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was said of a session.

    Attributes
    ----------
    tags
        What it truly is.
    label
        The condition that it was given.
    fault
        "swapped", one of `SPOILS`, or "" for a session that is as it should be.
    """

    seed: int
    tags: Tags
    label: str
    fault: str
    verdict: Compliance

    @property
    def named(self) -> bool:
        """Whether somebody who reads the verdicts would look at it."""
        return self.verdict.verdict in ("warn", "fail")

    @property
    def named_right(self) -> bool:
        """Whether the true condition is named."""
        return self.verdict.looks_like == self.tags.condition


def observed_study(
    seed: int, *, n_subjects: int = 15, fs: float = 1000.0, duration_s: float = 180.0
) -> dict[Tags, Observations]:
    """Simulate every subject in every condition, and look at each recording as ingest does."""
    return {
        Tags(f"{subject:02}", condition): observe(
            _session(_made(seed, subject, condition, fs=fs, duration_s=duration_s))
        )
        for subject in range(1, n_subjects + 1)
        for condition in CONDITIONS
    }


def observed_spoiled(
    seed: int, tags: Tags, spoil: str, *, fs: float = 1000.0, duration_s: float = 180.0
) -> Observations:
    """Spoil one recording of a study, and look at it."""
    made = _made(seed, int(tags.subject), tags.condition, fs=fs, duration_s=duration_s)
    rng = np.random.default_rng([seed, int(tags.subject), CONDITIONS.index(tags.condition)])
    if spoil == "wrong channel":
        return observe(dataclasses.replace(_session(made), ecg=(1,), respiration=None))
    ecg_mv = {"electrode off": _electrode_off, "noise": _noise_alone}[spoil](made, rng)
    return observe(_session(dataclasses.replace(made, ecg_mv=ecg_mv)))


def judged(study: Study, labels: Mapping[Tags, str] | None = None) -> dict[Tags, Compliance]:
    """Judge a study; `labels` are wrong ones. The keys are what the sessions truly are."""
    given = {
        tags: dataclasses.replace(tags, condition=(labels or {}).get(tags, tags.condition)) for tags in study
    }
    verdicts = judge_sessions(PROTOCOL, [_header(given[tags], seen) for tags, seen in study.items()])
    return {tags: verdicts[given[tags].key] for tags in study}


def without_belt(study: Study) -> dict[Tags, Observations]:
    """The study of a lab that records the ECG alone."""
    return {
        tags: dataclasses.replace(seen, measures=dataclasses.replace(seen.measures, respiration_hz=math.nan))
        for tags, seen in study.items()
    }


def swapped_labels(seed: int, study: Study) -> dict[Tags, str]:
    """Swap two labels of each of three subjects, drawn at random."""
    rng = np.random.default_rng([seed, 1])
    subjects = sorted({tags.subject for tags in study})
    labels = {}
    for subject in rng.choice(subjects, SWAPS, replace=False).tolist():
        one, other = rng.choice(CONDITIONS, 2, replace=False).tolist()
        labels |= {Tags(subject, one): other, Tags(subject, other): one}
    return labels


def spoiled_recordings(seed: int, study: Study, labels: Mapping[Tags, str]) -> dict[Tags, str]:
    """Draw two recordings to spoil, and how, of subjects whose labels are right."""
    rng = np.random.default_rng([seed, 2])
    left = sorted({tags.subject for tags in study} - {tags.subject for tags in labels})
    subjects = rng.choice(left, SPOILED, replace=False).tolist()
    spoils = rng.choice(SPOILS, SPOILED, replace=False).tolist()
    return {
        Tags(subject, str(rng.choice(CONDITIONS))): spoil
        for subject, spoil in zip(subjects, spoils, strict=True)
    }


def campaign(
    seed: int, *, n_subjects: int = 15, fs: float = 1000.0, duration_s: float = 180.0
) -> dict[str, list[Outcome]]:
    """Judge one study four times: clean and spoiled, each with and without a respiration channel."""
    clean = observed_study(seed, n_subjects=n_subjects, fs=fs, duration_s=duration_s)
    labels = swapped_labels(seed, clean)
    spoils = spoiled_recordings(seed, clean, labels)
    spoiled = clean | {
        tags: observed_spoiled(seed, tags, spoil, fs=fs, duration_s=duration_s)
        for tags, spoil in spoils.items()
    }
    faults = dict.fromkeys(labels, "swapped") | spoils
    return {
        "clean, belt": _outcomes(seed, judged(clean)),
        "clean": _outcomes(seed, judged(without_belt(clean))),
        "spoiled, belt": _outcomes(seed, judged(spoiled, labels), labels, faults),
        "spoiled": _outcomes(seed, judged(without_belt(spoiled), labels), labels, faults),
    }


def _outcomes(
    seed: int,
    verdicts: Mapping[Tags, Compliance],
    labels: Mapping[Tags, str] | None = None,
    faults: Mapping[Tags, str] | None = None,
) -> list[Outcome]:
    return [
        Outcome(seed, tags, (labels or {}).get(tags, tags.condition), (faults or {}).get(tags, ""), verdict)
        for tags, verdict in verdicts.items()
    ]


def _made(seed: int, subject: int, condition: str, *, fs: float, duration_s: float) -> SimulatedRecording:
    return simulate_recording(
        subject, condition, 1, fs=fs, seed=seed, duration_s=duration_s, mains_hz=MAINS_HZ
    )


def _session(made: SimulatedRecording) -> Session:
    channels = (
        _channel(0, "ECG", "mV", made.fs, made.ecg_mv),
        _channel(1, "Respiration", "Volts", made.fs / made.respiration_divider, made.respiration),
    )
    recording = Recording(Path("simulated"), "acq", "in memory", made.fs, channels, simulated=True)
    return Session(Tags("07", "rest"), recording, (0,), ("I",), 1, "0" * 64)


def _channel(index: int, name: str, unit: str, fs: float, samples: np.ndarray) -> Channel:
    return Channel(
        index=index,
        number=index + 1,
        name=name,
        unit=unit,
        fs=fs,
        n_samples=len(samples),
        dtype=samples.dtype,
        scale=1.0,
        offset=0.0,
        sample_reader=held(samples),
    )


def _header(tags: Tags, seen: Observations) -> SessionHeader:
    return SessionHeader(
        path=Path(f"{tags.key}.h5"),
        tags=tags,
        sha256="0" * 64,
        span_s=None,
        duration_s=seen.measures.duration_s,
        fs=1000.0,
        ecg=(0,),
        leads=("I",),
        simulated=True,
        warnings=seen.warnings,
        lost=(),
        measures=seen.measures,
        excluded=(),
        content_sha256="0" * 64,
    )


def _electrode_off(made: SimulatedRecording, rng: np.random.Generator) -> np.ndarray:
    """Take an electrode off for more than half of the time: a line, the rail, or the hum of an open input."""
    n = made.ecg_mv.size
    length = round(rng.uniform(*OFF_SHARE) * n)
    start = rng.integers(n - length)
    t = np.arange(length) / made.fs
    ways = (
        np.full(length, rng.normal(0, 0.05)),
        np.full(length, rng.choice((-1, 1)) * RAIL_MV),
        rng.uniform(1, 5) * np.sin(2 * np.pi * MAINS_HZ * t) + rng.normal(0, 0.02, length),
    )
    off = made.ecg_mv.copy()
    off[start : start + length] = ways[rng.integers(len(ways))]
    return off


def _noise_alone(made: SimulatedRecording, rng: np.random.Generator) -> np.ndarray:
    """What electrodes give that lie on no heart: white noise, that of muscles, or that of moving contacts."""
    n, rms_mv = made.ecg_mv.size, rng.uniform(0.02, 0.3)
    ways = (
        rng.normal(0, rms_mv, n),
        noise.muscle(n, made.fs, rms_mv=rms_mv, rng=rng),
        noise.contact(n, made.fs, rms_mv=rms_mv, rng=rng),
    )
    return ways[rng.integers(len(ways))] + noise.mains(
        n, made.fs, mains_hz=MAINS_HZ, amplitude_mv=0.02, rng=rng
    )
