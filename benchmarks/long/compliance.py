"""Whether the checks of protocol dt4ecg name wrong sessions and leave right ones alone.

    PYTHONPATH=tests python benchmarks/long/compliance.py [FOLDER] [--seeds 20] [--jobs 2]

Simulated: studies of 15 subjects at rest, after exercise and breathing deeply, 180 s at 1000 Hz, in memory,
judged clean, and with three pairs of labels swapped and two recordings spoiled; with and without a
respiration channel. Two minutes on two cores. Real, if FOLDER is given: `electrophys/` and `neurokit/` in it.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from support.simulated_studies import PROTOCOL, SPOILS, Outcome, campaign

from ecgkit.analysis.measures import Measures
from ecgkit.protocol.compliance import Compliance, judge, judge_visit
from ecgkit.readers import read_with
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.respiration_channel import find_respiration
from ecgkit.records import Session, Tags
from ecgkit.simulate.study import CONDITIONS
from ecgkit.stages.leads import choose_leads
from ecgkit.stages.measuring import observe

SHIPPED_SEED = 1  # of `ecgkit simulate`
ABOVE_REST_BPM = 10.0  # from where on the check of dt4ecg passes
SHOWN = {
    "heart rate": "{0.rhythm.heart_rate_bpm:.1f} beats/min",
    "start": "{0.rhythm.start_heart_rate_bpm:.1f}",
    "slope": "{0.rhythm.slope_bpm_per_min:.1f} a minute",
    "rhythm": "{0.rhythm.breathing_hz:.3f} Hz",
    "share": "{0.rhythm.breathing_share:.2f}",
    "E - I": "{0.rhythm.e_minus_i_bpm:.1f}",
    "E : I": "{0.rhythm.e_to_i_ratio:.2f}",
    "EDR": "{0.edr_hz:.3f} Hz",
    "belt": "{0.respiration_hz:.3f} Hz",
    "quality": "{0.quality_share:.2f}",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="the real recordings")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with ProcessPoolExecutor(options.jobs) as executor:
        studies = list(executor.map(campaign, seeds))
    for name in studies[0] if studies else ():
        show_simulated(name, [study[name] for study in studies])
    if options.folder:
        show_breathing(options.folder)
        show_persons(options.folder / "electrophys")


def show_simulated(name: str, studies: list[list[Outcome]]) -> None:
    """Print the rates over all studies, then every session that was named wrongly or not at all."""
    outcomes = [outcome for study in studies for outcome in study]
    untouched = [outcome for outcome in outcomes if not outcome.fault]
    print(f"\nSIMULATED, {len(studies)} studies, {name}")
    for condition in CONDITIONS:
        rows = [outcome for outcome in untouched if outcome.label == condition]
        print(f"  {condition:<16} right sessions flagged {share(o.named for o in rows)}")
    print(f"  most in one study: {max(sum(o.named for o in study if not o.fault) for study in studies)}")
    for fault in ("swapped", *SPOILS):
        rows = [outcome for outcome in outcomes if outcome.fault == fault]
        if rows:
            right = (
                f", its condition named {share(o.named_right for o in rows)}" if fault == "swapped" else ""
            )
            print(f"  {fault:<16} flagged {share(o.named for o in rows)}{right}")
    for outcome in outcomes:
        odd = outcome.named != bool(outcome.fault) or (outcome.fault == "swapped" and not outcome.named_right)
        if odd or (outcome.fault and outcome.seed == SHIPPED_SEED):
            print(f"  seed {outcome.seed}, {outcome.tags.subject}: {words(outcome)}")


def words(outcome: Outcome) -> str:
    """Say what a session is, what it was given out for, and what was said of it."""
    what = f"{outcome.tags.condition} labelled {outcome.label}, {outcome.fault or 'nothing wrong'}"
    return f"{what}: {outcome.verdict.text}"


def share(answers: Iterable[bool]) -> str:
    """Say how many of how many."""
    held = list(answers)
    return f"{sum(held)} of {len(held)}"


def show_breathing(folder: Path) -> None:
    """Print the verdicts on the person of resp1 and on the resting recordings with a belt, each number."""
    print("\nREAL, under dt4ecg as it is")
    electrophys = folder / "electrophys"
    control = [(path.name, measured(path)) for path in sorted(electrophys.glob("resp1__control__*"))]
    deep = [(path.name, measured(path)) for path in sorted(electrophys.glob("resp1__deep_breathing__*"))]
    visit = [("rest", measures) for _, measures in control] + [("deep_breathing", m) for _, m in deep]
    for (name, measures), verdict in zip(control + deep, judge_visit(PROTOCOL, visit), strict=True):
        show_one(name, measures, verdict)
    for path in sorted(electrophys.glob("resp1__wave_breathing__*")):
        measures = measured(path)
        show_one(path.name, measures, judge(PROTOCOL, "rest", measures))
    for (_, at_rest), (_, breathing) in zip(control, deep, strict=False):
        show_swapped("resp1", ("rest", at_rest), ("deep_breathing", breathing))
    for name, fs in (
        ("bio_resting_5min_100hz", 100.0),
        ("bio_resting_8min_100hz", 100.0),
        ("ecg_1000hz", 1000.0),
        ("ecg_3000hz", 3000.0),
    ):
        measures = measured(folder / "neurokit" / f"{name}.csv", fs=fs)
        show_one(name, measures, judge(PROTOCOL, "rest", measures))


def show_one(name: str, measures: Measures, verdict: Compliance) -> None:
    numbers = ", ".join(f"{what} {text.format(measures)}" for what, text in SHOWN.items())
    print(f"  {name}, {measures.duration_s:.1f} s, as {verdict.condition}\n    {numbers}\n    {verdict.text}")


def show_persons(folder: Path) -> None:
    """Print whether rest and exercise of each person are told apart by the heart rate alone."""
    persons: dict[str, list[tuple[str, Measures]]] = defaultdict(list)
    for path in sorted(folder.glob("*__*.wav"), key=lambda path: ("__exercise__" in path.name, path.name)):
        subject, state = path.name.split("__")[:2]
        if state in ("rest", "exercise"):
            persons[subject].append((state, measured(path)))
    print("\nREAL, rest and after exercise: heart rate above the first recording at rest, beats/min")
    compared = {who: list(above_rest(rows)) for who, rows in persons.items() if len(dict(rows)) == 2}
    for who, above in sorted(compared.items()):
        print(f"  {who:<8} {', '.join(f'{bpm:.1f}' for bpm in above)}")
        show_verdicts(persons[who])
    for who in sorted(persons.keys() - compared.keys()):
        print(f"  {who:<8} one state only")
        show_verdicts(persons[who])
    show_told("first recording after exercise", {who: above[0] for who, above in compared.items()})
    show_told("lowest of them", {who: min(above) for who, above in compared.items()})
    for who in sorted(compared):
        first = dict(reversed(persons[who]))
        show_swapped(who, ("rest", first["rest"]), ("exercise", first["exercise"]))


def show_told(which: str, above_bpm: dict[str, float]) -> None:
    told = share(bpm >= ABOVE_REST_BPM for bpm in above_bpm.values())
    missed = ", ".join(f"{who} {bpm:.1f}" for who, bpm in above_bpm.items() if bpm < ABOVE_REST_BPM)
    print(f"told apart by the {which}: {told}; not: {missed}")


def show_swapped(who: str, *sessions: tuple[str, Measures]) -> None:
    """Give two sessions each other's label, and print what is said of them, their length aside."""
    (one, other) = sessions
    wrong = [(other[0], long_enough(one[1])), (one[0], long_enough(other[1]))]
    for (truth, _), verdict in zip(sessions, judge_visit(PROTOCOL, wrong), strict=True):
        looks = verdict.looks_like or "no other"
        print(f"  {who}: {truth} labelled {verdict.condition}: {verdict.verdict}, looks like {looks}")


def long_enough(measures: Measures) -> Measures:
    return dataclasses.replace(measures, duration_s=180.0)


def above_rest(rows: list[tuple[str, Measures]]) -> Iterator[float]:
    """Yield how far each recording after exercise is above the first one at rest."""
    rest = next(measures for state, measures in rows if state == "rest")
    for state, measures in rows:
        if state == "exercise":
            yield measures.rhythm.heart_rate_bpm - rest.rhythm.heart_rate_bpm


def show_verdicts(rows: list[tuple[str, Measures]]) -> None:
    """Print the verdicts as they are, and as they were if the recordings had been long enough."""
    longer_rows = [(state, long_enough(measures)) for state, measures in rows]
    for (state, measures), as_is, longer in zip(
        rows, judge_visit(PROTOCOL, rows), judge_visit(PROTOCOL, longer_rows), strict=True
    ):
        numbers = ", ".join(
            f"{what} {SHOWN[what].format(measures)}" for what in ("heart rate", "slope", "share", "quality")
        )
        print(f"    {state}, {measures.duration_s:.0f} s: {numbers}")
        print(f"      {as_is.verdict}; its length aside: {longer.text}")


def measured(path: Path, *, fs: float | None = None) -> Measures:
    """Look at a recording as ingest does."""
    chosen = choose_leads(
        read_with(path, ReadOptions(fs=fs, unit="mV")), named=("0",) if fs is None else ("ECG",)
    )
    respiration = find_respiration(chosen.recording.channels)
    session = Session(
        Tags("1", "rest"), chosen.recording, chosen.indexes, chosen.names, respiration, sha256="0" * 64
    )
    return observe(session).measures


if __name__ == "__main__":
    main()
