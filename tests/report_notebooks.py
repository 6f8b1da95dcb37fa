"""Notebooks for the tests of the report room, built here and executed by the kernel or filled by hand."""

from pathlib import Path
from typing import Any

import nbformat
from nbformat import v4

PARAMETERS = """\
run_folder: str = "runs/none"  # folder of the run
account_id: str = "012345678901"  # twelve digits
limit: int = 10  # how many rows
share: float = 0.5
strict: bool = False  # stop at the first finding
by: str | None = None  # column to compare by
tags: list = ["a", "b"]  # words; with a # in the comment
uri: str = "s3://bucket/key#fragment"  # a hash inside the text
made_of: str = run_folder + "/x"
"""


def markdown(source: str) -> Any:
    return v4.new_markdown_cell(source)


def code(source: str, *tags: str, outputs: tuple[Any, ...] = (), count: int | None = None) -> Any:
    """A code cell; with a count it reads as executed."""
    cell = v4.new_code_cell(source, outputs=list(outputs), execution_count=count)
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell


def display(**data: Any) -> Any:
    """An output by MIME type; `html`, `plain`, `plotly`, `bundle` and `records` are short for theirs."""
    names = {
        "html": "text/html",
        "plain": "text/plain",
        "markdown": "text/markdown",
        "javascript": "application/javascript",
        "svg": "image/svg+xml",
        "plotly": "application/vnd.plotly.v1+json",
        "widget": "application/vnd.jupyter.widget-view+json",
        "bundle": "application/vnd.bbkit.v1+json",
        "records": "application/vnd.bbkit.records.v1+json",
    }
    return v4.new_output("display_data", data={names[name]: value for name, value in data.items()})


def stream(text: str, name: str = "stdout") -> Any:
    return v4.new_output("stream", name=name, text=text)


def error(name: str, value: str, *traceback: str) -> Any:
    return v4.new_output("error", ename=name, evalue=value, traceback=list(traceback))


def write(path: Path, *cells: Any, **metadata: Any) -> Path:
    """Write a notebook with the kernel `python3`."""
    notebook = v4.new_notebook(cells=list(cells), metadata=metadata)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


def bar(title: str = "Calls by queue", **layout: Any) -> dict[str, Any]:
    """Plotly's JSON of a small bar chart."""
    return {
        "data": [{"type": "bar", "x": ["billing", "sales"], "y": [120, 80], "name": "calls"}],
        "layout": {
            "title": {"text": title},
            "xaxis": {"title": {"text": "queue"}},
            "yaxis": {"title": {"text": "calls"}},
            **layout,
        },
        "config": {"showSendToCloud": True},
    }


def bundle(**numbers: Any) -> dict[str, Any]:
    """What an accounting carries for machines."""
    return {"kind": "accounting", "sentence": "a sentence", "numbers": numbers, "rows": []}
