"""Charts of a batch: a frame in, a `plotly.graph_objects.Figure` out.

A figure's size does not grow with the rows (above 1,000 records everything is binned before plotly sees it),
and no text of a record is in it. Colours have one meaning in all of them, the title says what was found, the
subtitle of how many, and an empty frame gives a figure that says so. A chart groups the rows (`groups`),
bins its numbers (`axes`), makes bars, histograms and boxes of them (`traces`) and puts these into a figure
(`style`).
"""

from bbkit.charts.answers import errors, outcomes, stop_reasons
from bbkit.charts.cost_estimates import cost_estimate
from bbkit.charts.costs import cost, cost_per_record
from bbkit.charts.cut_offs import cut_off_by_input, max_tokens_what_if
from bbkit.charts.embeddings import embedding_map, embedding_norms
from bbkit.charts.timelines import job_timeline
from bbkit.charts.tokens import input_output, output_lengths, token_usage
from bbkit.charts.validity import agreement, answer_values, validity

__all__ = [
    "agreement",
    "answer_values",
    "cost",
    "cost_estimate",
    "cost_per_record",
    "cut_off_by_input",
    "embedding_map",
    "embedding_norms",
    "errors",
    "input_output",
    "job_timeline",
    "max_tokens_what_if",
    "outcomes",
    "output_lengths",
    "stop_reasons",
    "token_usage",
    "validity",
]
