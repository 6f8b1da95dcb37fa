"""How pages of the site show charts: drawn by the plotly.js beside the page, with their values as a table."""

import os
from typing import Any

import plotly.io as pio
from plotly.io.base_renderers import MimetypeRenderer

from bbkit.charts.style import Chart


class Drawn(MimetypeRenderer):  # type: ignore[misc]
    """Without plotly's link to MathJax, which every renderer of its own has."""

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, str]:
        chart = Chart(fig_dict)
        pio.renderers.default = "plotly_mimetype"
        table = chart._repr_mimebundle_()["text/html"]
        pio.renderers.default = "drawn"
        drawn = chart.to_html(
            include_plotlyjs=False, include_mathjax=False, full_html=False, config={"responsive": True}
        )
        return {"text/html": f"{drawn}<details><summary>As a table</summary>{table}</details>"}


pio.renderers["drawn"] = Drawn()
pio.renderers.default = "drawn"
os.chdir(os.environ["BBKIT_SITE_FOLDER"])
