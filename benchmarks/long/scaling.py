"""What the scale of a data set gives away: one spike in a recording, and the fingerprint of the recording.

    python benchmarks/long/scaling.py [FOLDER] [--seeds 5] [--json FILE] [--quick]

The study of `ecgkit simulate --subjects 15 --seed 1` (SIMULATED), and if FOLDER is given the real recordings
in it, `electrophys/` and `wrist/`. Each is cut under every scale, all else as in preset `paper`; tables are
Markdown. A seed sets the random splits, the groups of subjects and the forest. Some ten minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scaling_recordings import Source, sets
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecgkit.analysis.quality import VERDICTS
from ecgkit.config import PRESETS, load_config
from ecgkit.preprocess.scale import SCALES
from ecgkit.records import Recording
from ecgkit.splits import find_scheme, window_table
from ecgkit.splits.scheme import TEST, TRAIN, Folds, SplitSettings, WindowTable, codes
from ecgkit.stages.windows import CutWindows, cut_recording

Floats = NDArray[np.float64]
Model = Callable[[int], Any]  # from a seed
Spot = tuple[Source, float, float]  # and where a spike goes, seconds, and how high, mV

PAPER = load_config(None, {"preset": "paper"}).pipeline
PRESET_OF = {load_config(None, {"preset": name}).pipeline.scale: name for name in PRESETS}
SPIKE_HEIGHT, SPIKE_S = 6.0, 0.02  # times the R height
ARTEFACTS = {"spike": SPIKE_S, "step": np.inf}  # an electrode pops: the step stays
LONG_S = 10.0  # windows besides the preset's, for the window that holds the spike
MOVED = 0.05  # of the R height: a window with such a change counts as changed
N_PIECES, LEAST_PIECE_S = 3, 18.0
BEFORE_S, AFTER_S = 0.25, 0.4  # of a beat around its R peak
AROUND_PEAK_S = 0.05
N_TREES, N_COMPONENTS = 50, 20
RANDOM = (("paper", "session"), ("paper", "condition"), ("paper", "subject"))
HONEST = (("leave-subjects-out", "condition"), ("leave-condition-out", "subject"))
TITLES = {"session": "recording", "condition": "state", "subject": "identity"}


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What models are given of N windows: six numbers of the amplitude; mean beat and heart rate."""

    table: WindowTable
    amplitude: Floats
    beat: Floats


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="the real recordings")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write every figure into this file")
    parser.add_argument("--quick", action="store_true", help="four simulated subjects for a minute, one seed")
    options = parser.parse_args()
    seeds = range(1 if options.quick else options.seeds)
    results = {}
    for name, sources in sets(options.folder, quick=options.quick):
        results[name] = figures(sources, seeds)
        show(name, results[name])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def cut(recording: Recording, scale: str, window_s: float = PAPER.window_s) -> CutWindows:
    return cut_recording(recording, (0,), PAPER.model_copy(update={"scale": scale, "window_s": window_s}))


def figures(sources: Sequence[Source], seeds: Sequence[int]) -> dict[str, Any]:
    """Return every figure of a set as plain values."""
    features = {scale: features_of(sources, scale) for scale in SCALES}
    table = features["none"].table
    spots = [spot_of(each) for each in sources]
    people = {
        scale: {
            " ".join((kind, scheme, task)): people_shares(each, kind, scheme, task, seeds)
            for kind, tasks in (("amplitude", RANDOM + HONEST), ("beat", HONEST))
            for scheme, task in tasks
        }
        for scale, each in features.items()
    }
    return {
        "n": {
            "windows": len(table),
            **{task: len(np.unique(getattr(table, task))) for task in TITLES},
        },
        "disturbed": {scale: disturbed(spots, scale) for scale in SCALES},
        "quality of the window with the spike": spiked_quality(spots),
        "pieces": {scale: pieces(sources, scale, seeds) for scale in SCALES},
        "scores": {
            scale: {name: spread(np.nanmean(shares, axis=1)) for name, shares in each.items()}
            for scale, each in people.items()
        },
        "against paper": {
            scale: {
                name: difference(
                    np.nanmean(each[name], axis=0) - np.nanmean(people["recording"][name], axis=0)
                )
                for name in each
                if "leave" in name
            }
            for scale, each in people.items()
        },
    }


def spread(values: Floats) -> dict[str, float]:
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "sd": sd, "n": len(values)}


def difference(by_person: Floats) -> dict[str, float]:
    """Return the mean over people, and its 95 % interval by drawing people anew."""
    rng = np.random.default_rng(0)
    means = by_person[rng.integers(len(by_person), size=(10_000, len(by_person)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return {"mean": float(by_person.mean()), "low": float(low), "high": float(high), "n": len(by_person)}


# One spike, one step


def disturbed(spots: Sequence[Spot], scale: str) -> dict[str, Any]:
    """Return R heights without and with one spike, and one step, in each recording; medians over these."""
    rows: dict[str, list[float]] = defaultdict(list)
    for each, at_s, height_mv in spots:
        clean = cut(each.recording, scale)
        height = float(np.median(r_heights(clean, each.peaks_s)[0]))
        rows["clean"].append(height)
        for kind, length_s in ARTEFACTS.items():
            other = cut(each.disturbed(at_s, length_s=length_s, height_mv=height_mv), scale)
            moved = np.abs(other.windows - clean.windows).max(axis=(1, 2)) > MOVED * height  # (N,)
            rows[kind].append(float(np.median(r_heights(other, each.peaks_s)[0])))
            rows[f"{kind} ratio"].append(rows[kind][-1] / height)
            rows[f"{kind} windows"].append(int(moved.sum()))
            rows[f"{kind} share"].append(float(moved.mean()))
        spiked = each.disturbed(at_s, length_s=SPIKE_S, height_mv=height_mv)
        for window_s in (PAPER.window_s, LONG_S):
            if each.channel.duration_s >= window_s:
                both = [cut(recording, scale, window_s) for recording in (each.recording, spiked)]
                rows[f"own {window_s:g} s"].append(own_ratio(both, each.peaks_s, at_s, window_s=window_s))
    medians = {name: float(np.nanmedian(values)) for name, values in rows.items()}
    return medians | {"lowest spike ratio": min(rows["spike ratio"]), "n": len(spots)}


def own_ratio(both: Sequence[CutWindows], peaks_s: Floats, at_s: float, *, window_s: float) -> float:
    """Return the R height with over that without the spike, in its window; NaN where that holds no beat."""
    heights = []
    for windows in both:
        values, starts_s = r_heights(windows, peaks_s)
        own = (starts_s <= at_s) & (at_s < starts_s + window_s)
        heights.append(float(np.median(values[own])) if own.any() else np.nan)
    return heights[1] / heights[0]


def spiked_quality(spots: Sequence[Spot]) -> dict[str, int]:
    """Count what the windows that hold a spike are judged as."""
    found = dict.fromkeys(VERDICTS, 0)
    for each, at_s, height_mv in spots:
        windows = cut(each.disturbed(at_s, length_s=SPIKE_S, height_mv=height_mv), "none")
        for row in np.flatnonzero((windows.start_s <= at_s) & (at_s < windows.start_s + PAPER.window_s)):
            found[VERDICTS[windows.quality.verdict[row]]] += 1
    return found


def spot_of(each: Source) -> Spot:
    """Return when, midway between two beats near the middle of a window, and how high, mV."""
    n_windows = int(each.channel.duration_s / PAPER.window_s)
    middle_s = (n_windows // 2 + 0.5) * PAPER.window_s
    between_s = (each.peaks_s[1:] + each.peaks_s[:-1]) / 2
    r_mv = np.median(r_heights(cut(each.recording, "none"), each.peaks_s)[0])
    return each, float(between_s[np.abs(between_s - middle_s).argmin()]), SPIKE_HEIGHT * float(r_mv)


def r_heights(windows: CutWindows, peaks_s: Floats) -> tuple[Floats, Floats]:
    """Return each beat's highest value within 50 ms, less its window's median; and its window's start."""
    heights, starts_s = [], []
    reach = round(AROUND_PEAK_S * PAPER.fs)
    for window, start_s in zip(windows.windows[:, 0].astype(float), windows.start_s, strict=True):
        for peak in places(peaks_s, start_s, len(window)):
            near = window[max(peak - reach, 0) : peak + reach + 1]
            heights.append(near.max() - np.median(window))
            starts_s.append(start_s)
    return np.array(heights), np.array(starts_s)


def places(peaks_s: Floats, start_s: float, size: int) -> NDArray[np.int64]:
    """Return which samples of a window are R peaks."""
    samples = np.rint((peaks_s - start_s) * PAPER.fs).astype(np.int64)
    return samples[(samples >= 0) & (samples < size)]


# What models read


def features_of(sources: Sequence[Source], scale: str) -> Features:
    """Cut every recording; a recording is a session."""
    columns: dict[str, list[Any]] = defaultdict(list)
    amplitudes, beats = [], []
    for number, each in enumerate(sources):
        windows = cut(each.recording, scale)
        n = len(windows.start_s)
        labels = {"subject": each.subject, "condition": each.condition, "session": f"{number:03}", "visit": 1}
        for name, label in labels.items():
            columns[name] += [label] * n
        columns["start_s"] += windows.start_s.tolist()
        amplitudes.append(amplitude(windows))
        beats.append(beat(windows, each.peaks_s))
    table = window_table(columns, window_s=PAPER.window_s)
    return Features(table, np.concatenate(amplitudes), np.concatenate(beats))


def amplitude(windows: CutWindows) -> Floats:
    """Return six numbers that hold no shape: lowest, highest, mean, median, SD, first quartile; (N, 6)."""
    x = windows.windows[:, 0].astype(float)  # (N, T)
    quartile, median = np.percentile(x, (25, 50), axis=1)
    return np.column_stack([x.min(axis=1), x.max(axis=1), x.mean(axis=1), median, x.std(axis=1), quartile])


def beat(windows: CutWindows, peaks_s: Floats) -> Floats:
    """Return each window's mean beat, as scaled, and heart rate, NaN where there is none; (N, 66)."""
    before, after = round(BEFORE_S * PAPER.fs), round(AFTER_S * PAPER.fs)
    beats = np.full((len(windows.start_s), before + after), np.nan)
    for row, (window, start_s) in enumerate(zip(windows.windows[:, 0], windows.start_s, strict=True)):
        whole = [p for p in places(peaks_s, start_s, len(window)) if before <= p <= len(window) - after]
        if whole:
            beats[row] = np.mean([window[p - before : p + after] for p in whole], axis=0)
    return np.column_stack([beats, windows.heart_rate_bpm])


def forest(seed: int) -> Any:
    return RandomForestClassifier(N_TREES, class_weight="balanced", random_state=seed)


def linear(seed: int) -> Any:
    return make_pipeline(
        SimpleImputer(keep_empty_features=True),
        StandardScaler(),
        PCA(N_COMPONENTS, random_state=seed),
        LogisticRegression(class_weight="balanced", max_iter=2000),
    )


MODELS: Mapping[str, Model] = {"amplitude": forest, "beat": linear}


def people_shares(
    features: Features, kind: str, scheme: str, task: str, seeds: Sequence[int]
) -> NDArray[np.float64]:
    """Return the share of right answers, percent, of each person ever tested, (seeds, people)."""
    split = find_scheme(scheme).split
    if kind == "beat" and scheme == "leave-condition-out":
        seeds = seeds[:1]  # nothing is drawn: every seed gives the same
    values, labels = getattr(features, kind), codes(getattr(features.table, task))
    shares = np.array(
        [
            by_person(
                features.table,
                right(values, labels, split(features.table, settings(seed)), MODELS[kind], seed),
            )
            for seed in seeds
        ]
    )
    return shares[:, np.isfinite(shares).any(axis=0)]


def settings(seed: int) -> SplitSettings:
    config = load_config(None, {"splits": {"seed": seed}}).splits
    return SplitSettings(**config.model_dump())


def right(values: Floats, labels: NDArray[Any], folds: Folds, model: Model, seed: int) -> Floats:
    """Return 1 where a tested window was named right, 0 where not, NaN where it was not tested; (N,)."""
    found = np.full(len(labels), np.nan)
    for roles in folds.values():
        fitted = model(seed).fit(values[roles == TRAIN], labels[roles == TRAIN])
        found[roles == TEST] = fitted.predict(values[roles == TEST]) == labels[roles == TEST]
    return found


def by_person(table: WindowTable, found: Floats) -> Floats:
    """Return each person's share, percent: their states count alike. NaN if not tested; (people,)."""
    shares = []
    for subject in np.unique(table.subject):
        own = np.isfinite(found) & (table.subject == subject)
        states = [found[own & (table.condition == state)] for state in np.unique(table.condition[own])]
        shares.append(np.mean([state.mean() for state in states]) if states else np.nan)
    return 100 * np.array(shares)


def pieces(sources: Sequence[Source], scale: str, seeds: Sequence[int]) -> dict[str, float]:
    """Cut each recording in three, each scaled as if it were a recording, and ask which a window is from.

    Heart, state and electrodes are the same: what can be told more than without scaling, the scale added.
    """
    shares = []
    for each in sources:
        length_s = each.channel.duration_s / N_PIECES
        if length_s >= LEAST_PIECE_S:
            parts = [each.piece(k * length_s, (k + 1) * length_s) for k in range(N_PIECES)]
            features = features_of(parts, scale)
            shares.append(people_shares(features, "amplitude", "paper", "session", seeds)[:, 0])
    found = np.array(shares).reshape(-1, len(seeds))  # (recordings, seeds)
    return spread(found.mean(axis=0)) | {"recordings": len(found)}


# Tables


def show(name: str, found: Mapping[str, Any]) -> None:
    n = found["n"]
    print(
        f"\n## {name}: {n['windows']} windows, {n['session']} recordings, {n['subject']} people, "
        f"{n['condition']} states\n"
    )
    show_disturbed(found["disturbed"])
    print(f"\nThe window with the spike is judged: {found['quality of the window with the spike']}\n")
    show_random(found)
    show_honest(found)


def show_disturbed(rows: Mapping[str, Mapping[str, float]]) -> None:
    short, long = f"own {PAPER.window_s:g} s", f"own {LONG_S:g} s"
    heads = "R height", "spike", "× (lowest)", "windows changed", "step", "windows changed", short, long
    print(f"| scale | {' | '.join(heads)} |\n|---|" + "---|" * len(heads))
    for scale, row in rows.items():
        changed = {
            kind: f"{row[f'{kind} windows']:.0f} ({100 * row[f'{kind} share']:.0f} %)" for kind in ARTEFACTS
        }
        print(
            f"| {called(scale)} | {row['clean']:.2f} | {row['spike']:.2f} | {row['spike ratio']:.2f} "
            f"({row['lowest spike ratio']:.2f}) | {changed['spike']} | {row['step']:.2f} | {changed['step']} "
            f"| × {row[short]:.2f} | × {row[long]:.2f} |"
        )


def show_random(found: Mapping[str, Any]) -> None:
    titles = " | ".join(TITLES[task] for _, task in RANDOM)
    print(f"| windows at random, amplitude forest | piece of a recording | {titles} |\n|---|---|---|---|---|")
    print(f"| a guess | {100 / N_PIECES:.1f} | ", end="")
    print(" | ".join(f"{100 / found['n'][task]:.1f}" for _, task in RANDOM) + " |")
    for scale, row in found["scores"].items():
        cells = [found["pieces"][scale], *(row[f"amplitude {scheme} {task}"] for scheme, task in RANDOM)]
        print(f"| {called(scale)} | " + " | ".join(map(in_words, cells)) + " |")


def show_honest(found: Mapping[str, Any]) -> None:
    columns = [f"{kind} {scheme} {task}" for kind in MODELS for scheme, task in HONEST]
    titles = " | ".join(f"{kind}: {TITLES[task]}" for kind in MODELS for _, task in HONEST)
    print(f"\n| honest schemes | {titles} |\n|---|---|---|---|---|")
    print("| a guess | " + " | ".join(f"{100 / found['n'][c.split()[-1]]:.1f}" for c in columns) + " |")
    for scale, row in found["scores"].items():
        print(f"| {called(scale)} | " + " | ".join(in_words(row[name]) for name in columns) + " |")
    print("\n| less `recording`, over people | " + titles + " |\n|---|---|---|---|---|")
    for scale, row in found["against paper"].items():
        if scale != "recording":
            print(
                f"| {called(scale)} | "
                + " | ".join("{mean:+.1f} [{low:+.1f}, {high:+.1f}]".format(**row[name]) for name in columns)
                + " |",
                flush=True,
            )


def called(scale: str) -> str:
    return f"`{scale}`" + (f" ({PRESET_OF[scale]})" if scale in PRESET_OF else "")


def in_words(values: Mapping[str, float]) -> str:
    return "{mean:.1f} ± {sd:.1f}".format(**values) if values["n"] > 1 else f"{values['mean']:.1f}"


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
