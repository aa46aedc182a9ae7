"""``ecgkit models``: the networks there are, and what one is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecgkit.stages.models import ListedModel, ShownModel

json_option = click.option("--json", "as_json", is_flag=True, help="Print it for scripts.")


@click.group()
def models() -> None:
    """The networks that can be trained: a backbone, an attention module after it, one head a task.

    \b
    ecgkit models list
    ecgkit models show resnet --attention sca
    ecgkit models show densenet --leads 12 --window-s 10 --fs 500
    """


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the backbones and the attention modules, and how large they are."""
    from ecgkit.cli.console import show, show_json, show_table
    from ecgkit.stages import models as stage

    found = stage.run_list()
    if as_json:
        show_json(found.as_json())
        return
    window = f"one lead, {found.n_samples} samples at {found.fs:g} Hz"
    show_table(
        ("backbone", "parameters", "multiply-adds", "one step sees", "what it is"),
        _backbone_rows(found.backbones),
        title=f"Backbones, with both heads ({window})",
    )
    show_table(
        ("attention", "parameters", "multiply-adds", "what it is"),
        _attention_rows(found.attentions),
        title="Attention modules: what each adds",
    )
    show("Next: ecgkit models show NAME, or ecgkit train --backbone NAME --attention NAME")


@models.command()
@click.argument("name")
@click.option("--attention", help="Its attention module.  [default: sca; none where there are no steps left]")
@click.option("--leads", "n_leads", type=int, default=1, show_default=True, help="Leads of a window.")
@click.option("--window-s", type=float, help="Length of a window, seconds.  [default: 3]")
@click.option("--fs", type=float, help="Sampling rate of the windows, Hz.  [default: 100]")
@click.option("--samples", "n_samples", type=int, help="Length of a window in samples, for --window-s.")
@click.option(
    "--subjects", "n_subjects", type=int, default=15, show_default=True, help="Subjects to tell; 0: no head."
)
@click.option(
    "--conditions", "n_conditions", type=int, default=3, show_default=True, help="States; 0: no head."
)
@click.option(
    "--depth", type=click.IntRange(1, 9), default=3, show_default=True, help="How far to take layers apart."
)
@json_option
def show(name: str, as_json: bool, **options: Any) -> None:
    """Show what the network of backbone NAME is made of: layers, sizes, what it computes, how far it sees.

    A multiply-add is a product that is added to a sum; twice as many are the floating-point operations.
    """
    from ecgkit.cli.console import show_json
    from ecgkit.stages import models as stage

    found = stage.run_show(stage.ModelOptions(name, **options))
    show_json(found.as_json()) if as_json else _show(found)


def _show(shown: ShownModel) -> None:
    """Print the facts, then the layers."""
    from ecgkit.cli.console import show as say
    from ecgkit.cli.console import show_table

    for name, text in _facts(shown):
        say(f"{name:<15} {text}")
    columns = ("layer", "kind", "gives", "parameters", "multiply-adds")
    show_table(
        columns,
        [
            (layer.name, layer.kind, _shape(layer.shape), f"{layer.parameters:,}", f"{layer.multiply_adds:,}")
            for layer in shown.found.layers
        ],
    )


def _facts(shown: ShownModel) -> Iterator[tuple[str, str]]:
    found, spec = shown.found, shown.found.spec
    yield "backbone", f"{spec.backbone}: {shown.about[0]}"
    yield "attention", f"{spec.attention}: {shown.about[1]}"
    leads = "1 lead" if spec.n_leads == 1 else f"{spec.n_leads} leads"
    yield "window", f"{leads} x {spec.n_samples} samples: {spec.n_samples / shown.fs:g} s at {shown.fs:g} Hz"
    yield "parameters", f"{found.parameters:,}"
    yield "multiply-adds", f"{found.multiply_adds:,} a window"
    yield "backbone gives", f"{found.channels} x {found.steps} (channels x steps)"
    samples = found.receptive_field_samples
    is_all = samples is None or samples >= spec.n_samples
    yield (
        "one step sees",
        "the whole window" if is_all else f"{samples} samples, {shown.receptive_field_s:g} s",
    )
    yield "balanced at", found.shared_weight


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _backbone_rows(listed: Iterable[ListedModel]) -> Iterator[tuple[str, ...]]:
    for one in listed:
        sees = "all" if one.receptive_field_s is None else f"{one.receptive_field_s:g} s"
        yield one.name, f"{one.parameters:,}", f"{one.multiply_adds:,}", sees, _what(one.about)


def _attention_rows(listed: Iterable[ListedModel]) -> Iterator[tuple[str, ...]]:
    for one in listed:
        yield one.name, f"{one.parameters:,}", f"{one.multiply_adds:,}", _what(one.about)


def _what(about: str) -> str:
    """Leave the source out: it stands in `ecgkit models show`, and lines are short."""
    return about.partition(" (")[0].rstrip(".")
