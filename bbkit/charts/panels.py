"""Small panels side by side, one per group or per measure, with names at their left top."""

from collections.abc import Sequence
from typing import Any

from plotly.subplots import make_subplots

from bbkit.charts import look


def make_panels(
    names: Sequence[str],
    *,
    title: str,
    subtitle: str,
    height: int,
    columns: int = 3,
    gap: float = 0.07,
    **layout: Any,
) -> look.Chart:
    """Lay out empty panels in the house's look."""
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    total = 92 + rows * (height + 44)
    grid = make_subplots(
        rows=rows,
        cols=columns,
        horizontal_spacing=gap if columns > 1 else 0,
        vertical_spacing=min(0.9 / rows, 62 / (total - 128)) if rows > 1 else 0,
    )
    styled = look.make_figure([], title=title, subtitle=subtitle, height=total, **layout)
    styled.layout.xaxis = styled.layout.yaxis = None
    for place in range(1, rows * columns + 1):
        suffix = "" if place == 1 else str(place)
        for axis in ("xaxis", "yaxis"):
            domain = grid.layout[f"{axis}{suffix}"].to_plotly_json()
            kept = {name: domain[name] for name in ("domain", "anchor")}
            hidden = {"visible": False} if place > len(names) else {}
            styled.layout[f"{axis}{suffix}"] = {**look.style_axis(), **kept, **hidden}
    for place, name in enumerate(names, start=1):
        suffix = "" if place == 1 else str(place)
        styled.add_annotation(
            text=name,
            x=0,
            xref=f"x{suffix} domain",
            y=1,
            yref=f"y{suffix} domain",
            xanchor="left",
            yanchor="bottom",
            yshift=6,
            showarrow=False,
            font={"size": 12},
        )
    return styled


def is_edge(place: int, total: int, columns: int = 3) -> tuple[bool, bool]:
    """Tell whether a panel is the first of its row, and whether none is below it."""
    columns = min(columns, total)
    return (place - 1) % columns == 0, place + columns > total
