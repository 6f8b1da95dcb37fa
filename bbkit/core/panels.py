"""HTML that notebooks and reports show: templates of this folder, in which every value is escaped."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("bbkit.core"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """Fill ``core/templates/<template>.html.j2``; what is HTML already comes as `markupsafe.Markup`."""
    return _environment().get_template(f"{template}.html.j2").render(values).strip()
