"""The data card: what a data set is, in Markdown beside it, for whoever is handed the file.

Nothing in it changes with the day. What stands below `MARK` is the lab's own, and is kept.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecgkit.analysis.quality import VERDICTS
from ecgkit.dataset.facts import count_labels, count_windows, describe_people, describe_splits
from ecgkit.dataset.read import Dataset
from ecgkit.errors import DatasetError
from ecgkit.files import write_text

MARK = "<!-- What stands below this line is the lab's own. ecgkit keeps it. -->"
MOST_BYTES = 1 << 20
LAB = """
## Licence

Not given yet. Say here who may do what with it, such as: CC BY 4.0.

## Citation

Not given yet. Say here how it is to be cited, and where its paper is.

## Consent and contact

Not given yet. Say here what the subjects agreed to, which board approved it, and whom to ask.
"""
LIMITS = (
    "Windows of one recording are not independent of each other: count subjects, not windows.",
    "What is known of a subject is what the lab wrote down; nothing was checked here.",
    "Beats, heart rates and quality were found by a program, and nobody looked at each window.",
    "Not meant for diagnosis. No rhythm or disease is labelled in it.",
)
WIDTH = 100


def card_path(dataset: Path) -> Path:
    """Where the card of a data set lies."""
    return dataset.with_suffix(".md")


def write_card(path: Path, data: Dataset) -> None:
    """Write a data set's card, the same bytes each time; what a lab wrote into its part stays.

    Raises
    ------
    DatasetError
        There is something else than a card.
    """
    write_text(path, card_text(data, lab=lab_part(path)))


def lab_part(path: Path) -> str:
    """Return what the lab wrote into a card, or what it is asked for where there is no card yet.

    Raises
    ------
    DatasetError
        There is something else than a card.
    """
    if not path.exists():
        return LAB
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DatasetError(
                f"{path}: over {MOST_BYTES} bytes, too long for a data card; move it elsewhere"
            )
        _, found, lab = path.read_text(encoding="utf-8").partition(MARK)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: can't be read as UTF-8 text ({error}); move it elsewhere") from error
    if not found:
        raise DatasetError(
            f"{path}: no data card of ecgkit's (its line {MARK!r} is not there), so it is not replaced; move "
            "it elsewhere"
        )
    return lab.rstrip("\n") + "\n"


def card_text(data: Dataset, *, lab: str = LAB) -> str:
    """Return a data set's card as Markdown."""
    return "\n".join([*_ours(data), "", MARK]) + lab


def _files(data: Dataset) -> str:
    n_shards = len(data.files) - 1
    if not n_shards:
        return "One HDF5 file"
    return f"An HDF5 file and {_n(n_shards, 'shard')} beside it, to be kept and copied together"


def _ours(data: Dataset) -> Iterator[str]:
    yield f"# {_plain(data.study)}: ECG windows"
    yield ""
    if data.simulated:
        yield "**SIMULATED data in it: made by a program, nobody was recorded.** Say so with every result."
        yield ""
    yield from _wrapped(
        f"{_n(len(data), 'window')} of {data.window_s:g} s ({_amount(data)}) from "
        f"{_n(len(data.sessions), 'session')} of {_n(len(data.subjects), 'subject')} in "
        f"{_n(len(data.conditions), 'condition')}; lead {', '.join(map(_plain, data.leads))}, {data.fs:g} Hz."
        f" {_files(data)}, of the format `ecgkit-dataset`: any HDF5 library reads it."
    )
    for title, lines in (
        ("Who", _who(data)),
        ("Conditions", _conditions(data)),
        *((("Own labels", _labels(data)),) if data.own_labels else ()),
        ("How it was recorded and processed", _how(data)),
        ("Quality", _quality(data)),
        ("Splits, and what they can show", _splits(data)),
        ("Limits", _limits(data)),
        ("Where it comes from", _origin(data)),
    ):
        yield from ("", f"## {title}", "", *lines)


def _who(data: Dataset) -> Iterator[str]:
    yield f"- subjects: {len(data.subjects)}"
    for name, said in describe_people(data).items():
        yield f"- {name}: {_plain(said)}"
    visits = data.columns["visit"]
    yield f"- visits: {visits.min()} to {visits.max()}"


def _conditions(data: Dataset) -> Iterator[str]:
    counts = count_windows(data)
    yield from _table_head("condition", "subjects", "windows", "what")
    for code, name in enumerate(data.conditions):
        texts = data.condition_texts.get(name, {})
        said = ". ".join(_plain(str(texts.get(key, ""))).rstrip(".") for key in ("label", "description"))
        of = counts[:, code].sum(axis=1)
        yield f"| {_code(name)} | {(of > 0).sum()} | {of.sum()} | {said.strip('. ')} |"


def _labels(data: Dataset) -> Iterator[str]:
    for name, counts in count_labels(data).items():
        said = "; ".join(f"{_plain(label) or 'not known'}: {count}" for label, count in counts.items())
        yield f"- {_code(name)}, sessions: {said}"


def _how(data: Dataset) -> Iterator[str]:
    channels = sorted({", ".join(map(str, of.get("channels", ()))) for of in data.sources.values()})
    yield f"- protocol: {_plain(data.protocol)}"
    yield f"- recorded channels: {_plain('; '.join(filter(None, channels))) or 'not known'}"
    yield (
        f"- unit: {_plain(data.unit)}, that of window × `scale_gain` + `scale_offset`"
        if data.pipeline.get("scale") != "none"
        else f"- unit: {_plain(data.unit)}"
    )
    yield "- settings:"
    yield ""
    yield from _table_head("setting", "value")
    for name, value in sorted(data.pipeline.items()):
        yield f"| {_code(name)} | {_value(value)} |"


def _quality(data: Dataset) -> Iterator[str]:
    by_verdict = count_windows(data).sum(axis=(0, 1))
    for code in reversed(range(len(VERDICTS))):
        count = by_verdict[code]
        yield f"- {VERDICTS[code]}: {_n(count, 'window')} ({100 * count / len(data):.1f} %)"
    if data.left_out:
        yield ""
        yield f"Not in it, of {_n(len(data.left_out), 'session')}:"
        yield ""
        for key, out in sorted(data.left_out.items()):
            yield f"- {_code(key)}: {_plain(out['reason'])}"


def _splits(data: Dataset) -> Iterator[str]:
    splits = describe_splits(data)
    if not splits:
        yield "None: there are too few subjects, conditions or visits for any."
        return
    yield from _wrapped("Take each task's score from a split that is for it, and say which it was.")
    for name, facts in splits.items():
        scores = f"for {' and '.join(facts.scores)}" if facts.scores else "for no score of its own"
        leaks = ", **leaks**" if facts.leaks else ""
        yield from (
            "",
            f"**{_plain(name)}** ({_n(facts.n_folds, 'fold')}, {scores}{leaks}). {facts.meaning}".strip(),
        )
        yield from (f"- {_plain(sentence)}" for sentence in facts.gives_away)


def _limits(data: Dataset) -> Iterator[str]:
    simulated = (
        ("Simulated signals are cleaner and more alike than anybody's heart.",) if data.simulated else ()
    )
    for limit in (*simulated, *LIMITS):
        yield f"- {limit}"


def _origin(data: Dataset) -> Iterator[str]:
    files = {str(of["sha256"]) for of in data.sources.values()}
    yield f"- content (SHA-256): {_code(data.sha256)}"
    yield f"- source files: {len(files)}; the hash of each is in `/about/sources`"
    yield f"- made with: {', '.join(f'{name} {_value(of)}' for name, of in sorted(data.versions.items()))}"


def _amount(data: Dataset) -> str:
    """Return how long the windows are together; where they overlap, they are that long all the same."""
    hours = len(data) * data.window_s / 3600
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _table_head(*columns: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{_plain(str(name))}: {_value(of)}" for name, of in sorted(value.items()))
    return "none" if value is None else _plain(str(value))


def _plain(text: str) -> str:
    """Return a text of others as one line that Markdown takes for text; it can't become the mark."""
    return "".join("\\" + c if c in "\\`*[]<>|" else c for c in _line(text))


def _code(text: str) -> str:
    """Return a name as one that Markdown shows as it is, in a table too."""
    return f"`{_line(text).translate(str.maketrans('`|<', '   '))}`"


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _n(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
