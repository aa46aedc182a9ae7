"""Pages from templates: one HTML text that needs no other file and no network."""

from __future__ import annotations

from typing import Any


def render(template: str, **content: Any) -> str:
    """Fill a template of this package; all texts are escaped, a name that is missing is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ecgkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    return environment.get_template(template).render(**content)
