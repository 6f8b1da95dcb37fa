"""Charts of a batch: a frame in, a `plotly.graph_objects.Figure` out.

Every figure is binned before plotly sees it, so its size does not grow with the rows and no text of a record
is in it. Colours have one meaning in all of them, names and shares stand beside the marks, and an empty frame
gives a figure that says so.
"""

from bbkit.charts.answers import cut_off_by_input, errors, outcomes, stop_reasons
from bbkit.charts.timelines import job_timeline
from bbkit.charts.tokens import input_output, max_tokens_what_if, output_lengths, token_usage

__all__ = [
    "cut_off_by_input",
    "errors",
    "input_output",
    "job_timeline",
    "max_tokens_what_if",
    "outcomes",
    "output_lengths",
    "stop_reasons",
    "token_usage",
]
