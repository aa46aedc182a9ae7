"""The page of a prediction: what it shows, gathered from the answers and the windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.files import write_text
from ecgkit.records import Recording
from ecgkit.report.prediction import Headline, PredictionPage, render_prediction
from ecgkit.report.timeline import NO_ANSWER, UNKNOWN, Lane, Timeline, clock
from ecgkit.stages.predict.answers import Answer, Outputs, Prediction
from ecgkit.stages.predict.remarks import SIMULATED_FILE, SIMULATED_RUN
from ecgkit.training.card import RunCard

# task -> its title, what it asks, and the colours of its most frequent answers
TASKS = {
    "subject": ("Identity", "who is it?", (0, 3)),
    "condition": ("State", "in which state?", (1, 2, 4)),
}
MOST_NAMES = 12


def write_page(path: Path, prediction: Prediction, outputs: Outputs, recording: Recording) -> None:
    """Write the page of one file's answers.

    Raises
    ------
    OSError
        The file can't be written.
    """
    write_text(path, render_prediction(page_of(prediction, outputs, recording)))


def page_of(prediction: Prediction, outputs: Outputs, recording: Recording) -> PredictionPage:
    """Gather what the page shows."""
    card, overall = outputs.card, prediction.overall
    rate = overall.heart_rate_bpm
    facts = [
        f"{recording.format}, channel {', '.join(prediction.channels)}",
        clock(recording.duration_s),
        f"{overall.n_windows:,} of {len(outputs):,} windows of {outputs.window_s:g} s used",
        "no heart beats found" if rate is None else f"{rate:.0f} beats/min",
    ]
    simulated = {SIMULATED_RUN: prediction.simulated_run, SIMULATED_FILE: prediction.simulated_file}
    banners = tuple(text for text, holds in simulated.items() if holds)
    return PredictionPage(
        title=f"Run {prediction.run.name}, asked of a recording",
        summary=" · ".join(facts),
        banners=banners,
        headlines=tuple(_headline(prediction, task) for task in prediction.tasks),
        calibration=tuple(remark for remark in prediction.remarks if remark not in banners),
        timeline=_timeline(prediction, outputs),
        limits=_limits(card),
        facts=_facts(card, outputs, recording),
        notes=prediction.warnings,
    )


def _headline(prediction: Prediction, task: str) -> Headline:
    overall, (title, question, _) = prediction.overall, TASKS[task]
    answer, best, probability = _given(overall, task)
    if probability is None:
        return Headline(title, question, "no answer", False, ("no usable window",))
    calibrated = "calibrated" if task in prediction.calibrated else "not calibrated"
    windows = f"{overall.n_windows:,} window{'s' * (overall.n_windows != 1)}"
    notes = [f"probability {probability:.2f} ({calibrated}), {windows}"]
    if task == "subject" and overall.threshold is not None:
        nearest = f"nearest: {best} ({probability:.2f})"
        notes += [*([nearest] if answer is None else []), f"unknown under {overall.threshold:.3g}"]
        if prediction.threshold is not None and prediction.threshold.fnir is not None:
            notes.append(f"which misses {prediction.threshold.fnir:.0%} of the answers about people it knows")
    return Headline(title, question, answer or "unknown", answer is not None, tuple(notes))


def _given(answer: Answer, task: str) -> tuple[str | None, str | None, float | None]:
    """Return what an answer says to a task, what it would without a threshold, and how probable that is."""
    if task == "subject":
        return answer.subject, answer.best_subject, answer.subject_probability
    return answer.condition, answer.condition, answer.condition_probability


def _timeline(prediction: Prediction, outputs: Outputs) -> Timeline:
    answers = prediction.answers
    return Timeline(
        fs=outputs.card.fs,
        ecg=outputs.cut.windows[:, 0],
        ecg_start_s=outputs.cut.start_s,
        rejected=~outputs.used,
        start_s=np.array([answer.start_s for answer in answers]),
        stop_s=np.array([answer.stop_s for answer in answers]),
        rate_bpm=_numbers([answer.heart_rate_bpm for answer in answers]),
        lanes=tuple(_lane(answers, task) for task in prediction.tasks),
    )


def _lane(answers: Sequence[Answer], task: str) -> Lane:
    title, _, tones = TASKS[task]
    given = [_given(answer, task) for answer in answers]
    counts = Counter(label for label, _, _ in given if label is not None)
    labels = tuple(sorted(counts, key=lambda label: (-counts[label], label)))
    index = {label: i for i, label in enumerate(labels)}
    codes = [
        NO_ANSWER if probability is None else UNKNOWN if label is None else index[label]
        for label, _, probability in given
    ]
    limits = Counter(answer.threshold for answer in answers if answer.threshold is not None)
    return Lane(
        title=title,
        labels=labels,
        tones=tones,
        answer=np.array(codes, dtype=np.int64),
        probability=_numbers([probability for _, _, probability in given]),
        threshold=limits.most_common(1)[0][0] if limits and task == "subject" else None,
    )


def _numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _limits(card: RunCard) -> tuple[str, ...]:
    """Say what the run does not know."""
    people, states = len(card.subject_labels), len(card.condition_labels)
    knows_people = (
        f"The run knows {people} people. It can name nobody else, and that somebody is not one of them it "
        "can only tell by a low probability."
    )
    knows_states = (
        f"It knows {states} states: {_names(card.condition_labels)}. Whatever else somebody does is called "
        "one of these."
    )
    simulated = "It was trained on simulated recordings: what it says of a real person means nothing."
    elsewhere = (
        f"It was trained on lead {', '.join(card.lead_names)}. With electrodes at other places, or people, "
        "ages and states that were not in its training, its probabilities can be wrong without a sign of it."
    )
    sentences = {
        knows_people: people > 0,
        knows_states: states > 0,
        simulated: card.simulated,
        elsewhere: True,
    }
    return tuple(sentence for sentence, holds in sentences.items() if holds)


def _names(labels: Sequence[str]) -> str:
    more = len(labels) - MOST_NAMES
    return ", ".join(labels[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _facts(card: RunCard, outputs: Outputs, recording: Recording) -> tuple[tuple[str, str], ...]:
    return (
        ("network", f"{card.spec.backbone} + {card.spec.attention}"),
        ("trained on", f"{'SIMULATED ' * card.simulated}data set {card.dataset_sha256[:16]}…"),
        ("split of its weights", "none: fitted on all windows" if card.split == "all" else card.split),
        ("windows", f"{outputs.window_s:g} s at {card.fs:g} Hz, lead {', '.join(card.lead_names)}"),
        ("recording", f"{recording.format} ({recording.version}), {recording.duration_s:.3f} s"),
        ("mains", outputs.cut.mains.reason),
    )
