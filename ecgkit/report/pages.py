"""Pages from templates: one HTML text that needs no other file and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecgkit.report.sheet import shown

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **content: Any) -> str:
    """Fill a template of this package."""
    return templates().get_template(template).render(**content)


def templates() -> Environment:
    """Return the templates of this package; all texts are escaped, a name that is missing is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ecgkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: shown(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    return environment
