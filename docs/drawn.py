"""How pages of the site show charts: drawn by the plotly.js beside the page, with their values as a table."""

import os
from copy import deepcopy
from typing import Any

import plotly.io as pio
from plotly.io.base_renderers import MimetypeRenderer

from bbkit.charts.style import Chart
from bbkit.report.figures import _take_title as take_title


class Drawn(MimetypeRenderer):  # type: ignore[misc]
    """Without plotly's link to MathJax, which every renderer of its own has."""

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, str]:
        chart = Chart(fig_dict)
        pio.renderers.default = "plotly_mimetype"
        table = chart._repr_mimebundle_()["text/html"]
        pio.renderers.default = "drawn"
        layout = deepcopy(fig_dict["layout"])
        title, subtitle, _ = take_title(layout)  # which wrap only outside of a figure
        drawn = Chart({**fig_dict, "layout": layout}).to_html(
            include_plotlyjs=False, include_mathjax=False, full_html=False, config={"responsive": True}
        )
        told = f'<p class="chart-title"><strong>{title}</strong><br>{subtitle}</p>'
        return {"text/html": f"{told}{drawn}<details><summary>As a table</summary>{table}</details>"}


pio.renderers["drawn"] = Drawn()
pio.renderers.default = "drawn"
os.chdir(os.environ["BBKIT_SITE_FOLDER"])
