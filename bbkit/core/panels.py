"""HTML that notebooks and reports show: templates, in which every value is escaped.

A room's own templates are in its folder ``templates``; those all rooms share are beside this file.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from bbkit.core.text import are_numbers

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Environment


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("bbkit", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, *, room: str = "core", **values: Any) -> str:
    """Fill ``<room>/templates/<template>.html.j2``; what is HTML already comes as `markupsafe.Markup`."""
    return _environment().get_template(f"{room}/templates/{template}.html.j2").render(values).strip()


def render_panel(
    kind: str,
    sentence: str,
    tables: Iterable[tuple[str, "pd.DataFrame"]] = (),
    notes: Iterable[str] = (),
) -> str:
    """Show a result: its sentence, small tables, each with its heading or ``""``, and notes below them."""
    shown = [
        (
            heading,
            {name: are_numbers(table[name].dropna().map(str)) for name in table},
            table.astype(object).where(table.notna(), "").to_dict("split")["data"],
        )
        for heading, table in tables
    ]
    return render("panel", kind=kind, sentence=sentence, tables=shown, notes=notes)
