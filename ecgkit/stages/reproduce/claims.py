"""What the paper claims, held against the numbers of a table: in words made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.metrics.seeds import LEAST_SEEDS, OverSeeds, holm, over_seeds
from ecgkit.report.reproduction import Claim, Curve, TaskTable, Verdict, p_text, signed
from ecgkit.report.run_scores import TASK_TITLES
from ecgkit.stages.reproduce.grids import ATTENTIONS, OWN, Grid

Series = Mapping[int, float]  # seed -> accuracy

SIGNIFICANT = 0.05
LEVEL = 0.9  # of the final accuracy: where a training has come far
MOST_NAMED = 4
TIE = 1e-12  # shares that differ by less are the same, but for rounding
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
TOO_FEW = f"can't tell: it takes {LEAST_SEEDS} seeds at least, {{}}"


def claims_of(grid: Grid, tables: Sequence[TaskTable], curves: Sequence[Curve]) -> tuple[Claim, ...]:
    """Return what the paper claims with a grid's table or figure, and whether it holds here."""
    if grid.curves:
        return faster(grid, curves)
    if grid.cross:
        return tuple(claim for table in tables for claim in attention_first(table, grid.cross))
    if len(grid.rows) == 2:
        return tuple(better(table) for table in tables)
    return tuple(reference_first(table) for table in tables)


def reference_first(table: TaskTable) -> Claim:
    """Hold against the numbers that the first row of a table, DT4ECG's, is the best."""
    own, *others = table.rows
    printed = {row.name: row.paper.accuracy for row in table.rows if row.paper}
    seen = _first(own.name, _all_series(table))
    about = f"{_under(table.task, table.scheme)}: {own.name} is the best of {1 + len(others)}"
    return Claim(about, _printed(own.name, printed), *seen)


def attention_first(table: TaskTable, cross: Mapping[str, Sequence[str]]) -> tuple[Claim, ...]:
    """Hold against the numbers that SCA is the best attention: over all backbones, and with each."""
    series = _all_series(table)
    paper = {row.name: row.paper.accuracy for row in table.rows if row.paper}
    by_backbone = {backbone: dict(zip(ATTENTIONS, names, strict=True)) for backbone, names in cross.items()}
    over_all = {
        title: _mean_series([series[names[title]] for names in by_backbone.values()]) for title in ATTENTIONS
    }
    printed = {
        title: float(np.mean([paper[names[title]] for names in by_backbone.values()]))
        for title in ATTENTIONS
        if all(names[title] in paper for names in by_backbone.values())
    }
    about = f"{_under(table.task, table.scheme)}: {OWN} is the best of {len(ATTENTIONS)} attentions"
    made = [Claim(f"{about}, mean of {len(cross)} backbones", _printed(OWN, printed), *_first(OWN, over_all))]
    for backbone, names in by_backbone.items():
        here = {title: series[name] for title, name in names.items()}
        printed = {title: paper[name] for title, name in names.items() if name in paper}
        made.append(Claim(f"{about} with {backbone}", _printed(OWN, printed), *_first(OWN, here)))
    return tuple(made)


def better(table: TaskTable) -> Claim:
    """Hold against the numbers that the first of two rows, GradNorm on, is better than the second."""
    on, off = table.rows
    about = f"{_under(table.task, table.scheme)}: {on.name} is better than {off.name}"
    paper = ""
    if on.paper and off.paper:
        by = signed(on.paper.accuracy - off.paper.accuracy)
        paper = f"{_exact(on.paper.accuracy)} against {_exact(off.paper.accuracy)} ({by} points)"
    return Claim(about, paper, *_first(on.name, _all_series(table)))


def faster(grid: Grid, curves: Sequence[Curve]) -> tuple[Claim, ...]:
    """Hold against the numbers that GradNorm trains faster, for each task and number of epochs.

    There are two measures, each a claim.
    The epochs until the training accuracy first reaches 90 % of the final one: of the lower of the two final
    ones, so that both reach it; between epochs it is taken as a straight line. And the training accuracy,
    mean over the epochs.
    """
    names = [row.name for row in grid.rows]
    pairs = [
        (on, off)
        for on_name, off_name in zip(names[::2], names[1::2], strict=True)
        for on in curves
        for off in curves
        if (on.row, off.row) == (on_name, off_name) and (on.task, on.scheme) == (off.task, off.scheme)
    ]
    races = [race for pair in pairs for race in (_epochs_race(*pair), _mean_race(*pair))]
    corrected = holm([race.ahead.p if race.ahead else None for race in races])
    return tuple(_judged(race, p, len(races)) for race, p in zip(races, corrected, strict=True))


def epochs_to(course: NDArray[np.float64], level: float) -> float:
    """Return in which epoch, from 1, a course (epoch,) first reaches a level; between epochs a line."""
    reached = int(np.argmax(course >= level))
    if reached == 0:
        return 1.0
    before, after = course[reached - 1 : reached + 1]
    return float(reached + (level - before) / (after - before))


@dataclass(frozen=True, slots=True)
class _Race:
    """Two rows' trainings by one measure; `ahead` is by how much the first is, None with too few seeds."""

    about: str
    n_seeds: int
    means: str = ""
    ahead: OverSeeds | None = None
    unit: str = ""


def _epochs_race(on: Curve, off: Curve) -> _Race:
    about = f"{_under(on.task, on.scheme)}: sooner at {100 * LEVEL:.0f} % with {on.row}"
    seeds = [seed for seed in on.seeds if seed in off.seeds]
    if len(seeds) < LEAST_SEEDS:
        return _Race(about, len(seeds))
    epochs = []
    for seed in seeds:
        courses = on.training[on.seeds.index(seed)], off.training[off.seeds.index(seed)]
        level = LEVEL * min(course[-1] for course in courses)
        epochs.append([epochs_to(course, level) for course in courses])
    on_mean, off_mean = np.mean(epochs, axis=0)
    means = f"{on_mean:.1f} against {off_mean:.1f} to {100 * LEVEL:.0f} % of the final training accuracy"
    return _Race(about, len(seeds), means, over_seeds(np.diff(epochs)[:, 0]), "epochs")


def _mean_race(on: Curve, off: Curve) -> _Race:
    about = f"{_under(on.task, on.scheme)}: higher over the epochs with {on.row}"
    seeds = [seed for seed in on.seeds if seed in off.seeds]
    if len(seeds) < LEAST_SEEDS:
        return _Race(about, len(seeds))
    levels = [
        [float(curve.training[curve.seeds.index(seed)].mean()) for curve in (on, off)] for seed in seeds
    ]
    on_mean, off_mean = np.mean(levels, axis=0)
    means = f"training accuracy {_percent(on_mean)} against {_percent(off_mean)}"
    return _Race(about, len(seeds), means, over_seeds(-100 * np.diff(levels)[:, 0]), "points")


def _judged(race: _Race, p: float | None, n: int) -> Claim:
    paper = "faster for both tasks, in its figures"
    seen = race.ahead
    if seen is None or seen.low is None or seen.high is None:
        return Claim(race.about, paper, "can't tell", TOO_FEW.format(f"there are {race.n_seeds}"))
    verdict = _verdict([seen.mean], [p])
    by = abs(seen.mean)
    low, high = (seen.low, seen.high) if seen.mean >= 0 else (-seen.high, -seen.low)
    here = (
        f"{race.means}, {_apart(verdict)}: {'ahead' if seen.mean >= 0 else 'behind'} by {by:.1f} {race.unit} "
        f"[{low:.1f}, {high:.1f}], p {_p(p)}{_of_tests(n)}".replace("-", "−")
    )
    return Claim(race.about, paper, verdict, here)


def _first(own: str, series: Mapping[str, Series]) -> tuple[Verdict, str]:
    """Say whether one of several is the best, over seeds that it has in common with each other one."""
    here = series[own]
    pairs = {
        name: [(here[seed], other[seed]) for seed in here if seed in other]
        for name, other in series.items()
        if name != own
    }
    short = sum(len(values) < LEAST_SEEDS for values in pairs.values())
    if short:
        rows = f"{short} of {len(pairs)} rows have" if len(pairs) > 1 else f"{next(iter(pairs))} has"
        return "can't tell", TOO_FEW.format(f"{rows} fewer in common with {own}") + _so_far(own, series)
    means = {name: np.mean(values, axis=0).tolist() for name, values in pairs.items()}
    apart = {name: over_seeds([ours - theirs for ours, theirs in values]) for name, values in pairs.items()}
    p_values = dict(zip(apart, holm([seen.p for seen in apart.values()]), strict=True))
    verdict = _verdict([seen.mean for seen in apart.values()], list(p_values.values()))
    return verdict, _in_words(means, apart, p_values)


def _so_far(own: str, series: Mapping[str, Series]) -> str:
    """Say at which place a row is so far, over the seeds that all rows have; nothing without such seeds."""
    common = [seed for seed in series[own] if all(seed in other for other in series.values())]
    if not common:
        return ""
    means = {name: float(np.mean([values[seed] for seed in common])) for name, values in series.items()}
    seeds = f"{len(common)} seed{'s' * (len(common) != 1)}"
    return f"; so far, over the {seeds} that all have, {_place(own, means, _percent)}"


def _in_words(
    means: Mapping[str, tuple[float, float]],
    apart: Mapping[str, OverSeeds],
    p_values: Mapping[str, float | None],
) -> str:
    """Say at which place a row is, how far the best other one lies from it, and which can't be told apart.

    Parameters
    ----------
    means
        Other row -> mean of this row and of that one, over the seeds that both have.
    """
    place = 1 + sum(seen.mean < -TIE for seen in apart.values())
    best = min(apart, key=lambda name: apart[name].mean)
    seen, p = apart[best], p_values[best]
    each = {name: _verdict([one.mean], [p_values[name]]) for name, one in apart.items()}
    level = [name for name, verdict in each.items() if verdict == "can't tell"]
    ours, theirs = means[best]
    against = f"{_percent(theirs)} of {'the next, ' if place == 1 and len(apart) > 1 else ''}{best}"
    words = (
        f"{_ordinal(place, tied=abs(seen.mean) < TIE)} in mean: {_percent(ours)} against "
        f"{against}, {_apart(each[best])}: {signed(seen.mean)} points "
        f"[{signed(seen.low or 0.0)}, {signed(seen.high or 0.0)}], p {_p(p)}{_of_tests(len(apart))}"
    )
    if len(apart) > 1 and level:
        words += f"; can't be told from {len(level)} of {len(apart)}: {_named(level)}"
    return words


def _verdict(apart: Sequence[float], p_values: Sequence[float | None]) -> Verdict:
    """Judge differences, own minus other: ahead of all, behind one at least, or neither can be said."""
    sure = [p is not None and p < SIGNIFICANT for p in p_values]
    if any(is_sure and by < 0 for by, is_sure in zip(apart, sure, strict=True)):
        return "does not hold"
    return "holds" if all(sure) and min(apart) > 0 else "can't tell"


def _apart(verdict: Verdict) -> str:
    return "can't be told apart" if verdict == "can't tell" else "a difference beyond chance"


def _all_series(table: TaskTable) -> dict[str, Series]:
    return {row.name: dict(zip(row.seeds, row.accuracies, strict=True)) for row in table.rows}


def _mean_series(series: Sequence[Series]) -> Series:
    """Average over several rows, for the seeds that all of them have."""
    seeds = [seed for seed in series[0] if all(seed in one for one in series)]
    return {seed: float(np.mean([one[seed] for one in series])) for seed in seeds}


def _printed(own: str, printed: Mapping[str, float]) -> str:
    """Say at which place a row is in the paper; nothing if it is not there."""
    return _place(own, printed, _exact) if own in printed and len(printed) > 1 else ""


def _place(own: str, values: Mapping[str, float], written: Callable[[float], str]) -> str:
    """Say at which place a row is, and what the best other one has."""
    others = {name: value for name, value in values.items() if name != own}
    best = max(others, key=lambda name: others[name])
    place = 1 + sum(value > values[own] + TIE for value in others.values())
    tied = abs(values[own] - others[best]) < TIE
    return f"{_ordinal(place, tied=tied)}: {written(values[own])} against {written(others[best])} of {best}"


def _under(task: str, scheme: str) -> str:
    return f"{TASK_TITLES[task]}, split {scheme}"


def _ordinal(place: int, *, tied: bool) -> str:
    return ("joint " if tied else "") + (ORDINALS[place - 1] if place <= len(ORDINALS) else f"{place}th")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _exact(share: float) -> str:
    return f"{100 * share:.2f}"


def _p(p: float | None) -> str:
    if p is None:
        return "can't be had: the differences are all equal"
    return p_text(p) if p < 0.001 else f"= {p_text(p)}"


def _of_tests(n: int) -> str:
    return f" (corrected for {n} comparisons)" if n > 1 else ""
