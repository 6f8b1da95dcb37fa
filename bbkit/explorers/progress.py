"""The live monitor of a run: a widget fed by a watch's thread, so that a reopened tab is live again."""

import html
import os
from typing import Any

import ipywidgets as widgets
import pandas as pd

from bbkit.core.errors import InputError
from bbkit.explorers import views
from bbkit.jobs.watches import JobWatch, console_url, is_ended

_STYLE = """<style>
.bbkit-jobs table{border-collapse:collapse;width:100%}
.bbkit-jobs th,.bbkit-jobs td{padding:.25em .8em .25em 0;text-align:left;white-space:nowrap}
.bbkit-jobs td.bbkit-number{text-align:right;font-variant-numeric:tabular-nums}
.bbkit-jobs code{user-select:all}
.bbkit-jobs td.bbkit-arn{padding-bottom:.7em;font-size:12px;white-space:normal}
.bbkit-jobs progress{width:9em;vertical-align:middle}
</style>"""


class JobProgress:
    """The jobs of a run while they are on their way: state, real counts, rate, when they may end and expire.

    Parameters
    ----------
    watch : bbkit.jobs.watches.JobWatch
        What `bbkit.watch_jobs` gives; its thread feeds the view after every look.

    Raises
    ------
    bbkit.core.errors.InputError
        If it is no watch.

    Notes
    -----
    The kernel keeps the widget: reopen the notebook and it is live again. After a restart of the kernel, run
    the cell again. Where no browser will answer (``BBKIT_HEADLESS=1``) it is plain HTML of the last look.
    """

    def __init__(self, watch: JobWatch):
        if not isinstance(watch, JobWatch):
            raise InputError(f"Found {type(watch).__name__} where a watch belongs. Pass watch_jobs(run).")
        self._watch = watch
        self._view = widgets.HTML()
        self._stop = widgets.Button(
            description="Stop watching",
            icon="eye-slash",
            tooltip="The jobs go on; run the cell again to re-attach",
        )
        self._stop.on_click(lambda _: self._leave())
        self.widget = widgets.VBox([self._view, self._stop])
        watch.add_listener(self._show)
        self._show(watch)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if os.environ.get("BBKIT_HEADLESS"):
            return {"text/plain": self._watch.sentence, "text/html": self._view.value}
        return {**(self.widget._repr_mimebundle_() or {}), "text/plain": self._watch.sentence}

    def _leave(self) -> None:
        self._watch.stop()
        self._show(self._watch)

    def _show(self, watch: JobWatch) -> None:
        self._view.value = show_jobs(watch)
        self._stop.disabled = watch.done or not watch.alive


def show_jobs(watch: JobWatch) -> str:
    """Lay out the jobs of a watch as a table."""
    rows = watch.progress.to_dict("records")
    table = "".join(_row(row) for row in rows)
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in (
            "job",
            "status",
            "for",
            "records",
            "done",
            "errored",
            "rate",
            "may end",
            "expires",
        )
    )
    error = f"<p><b>{html.escape(watch.last_error)}</b></p>" if watch.last_error else ""
    messages = "".join(
        f"<li>{html.escape(str(row['job_name']))}: {html.escape(str(row['message']))}</li>"
        for row in rows
        if not pd.isna(row["message"])
    )
    return views.wrap(
        _STYLE,
        '<div class="bbkit-jobs" aria-live="polite" style="overflow-x:auto">',
        f"<p>{html.escape(watch.sentence)}{_next(watch)}</p>{error}",
        f"<table><thead><tr>{head}</tr></thead><tbody>{table}</tbody></table>",
        f"<ul>{messages}</ul>" if messages else "",
        _console(watch),
        "</div>",
    )


def _next(watch: JobWatch) -> str:
    if watch.done:
        return ""
    if not watch.alive:
        return " Nobody is looking now; run the cell again."
    return f" Next look at {watch.next_at:%H:%M:%S} UTC." if watch.next_at else ""


def _console(watch: JobWatch) -> str:
    address = console_url(watch.run)
    if not address:
        return "<p>A stand-in answers; there is no console.</p>"
    link = f'<a href="{html.escape(address)}" target="_blank" rel="noreferrer">'
    return f"<p>{link}Batch inference in the AWS console</a></p>"


def _row(row: dict[Any, Any]) -> str:
    now = pd.Timestamp.now("UTC")
    done = "" if pd.isna(row["processed"]) else f"{row['processed']:,}"
    # A total of 0 means that the service is still validating: there is no share to show yet.
    if row["records"] and not pd.isna(row["processed"]) and row["status"] == "InProgress":
        done = f'<progress max="{row["records"]}" value="{row["processed"]}"></progress> {done}'
    ended = is_ended(row["status"])
    rate = "" if ended or pd.isna(row["records_per_minute"]) else f"{row['records_per_minute']:,.0f} / min"
    status = "queued" if pd.isna(row["status"]) else row["status"]
    cells = [
        ("", html.escape(str(row["job_name"]))),
        ("", f"<b>{html.escape(str(status))}</b>"),
        ("", "" if ended else _span(row["status_since"], now)),
        ("bbkit-number", _count(row["records"])),
        ("bbkit-number", done),
        ("bbkit-number", _count(row["errored"])),
        ("bbkit-number", rate),
        ("", _range(row)),
        ("", f"in {_span(now, row['expires_at'])}" if not ended and _ahead(row["expires_at"], now) else ""),
    ]
    first = "<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in cells) + "</tr>"
    if pd.isna(row["job_arn"]):
        return first
    # A line of its own: an ARN beside nine columns is cut off, and it is there to be copied whole.
    arn = f"<code>{html.escape(str(row['job_arn']))}</code>"
    return f'{first}<tr><td class="bbkit-arn" colspan="{len(cells)}">{arn}</td></tr>'


def _count(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:,}"


def _ahead(time: Any, now: pd.Timestamp) -> bool:
    return not pd.isna(time) and time > now


def _span(start: Any, end: Any) -> str:
    if pd.isna(start) or pd.isna(end):
        return ""
    minutes = max(0.0, (end - start).total_seconds() / 60)
    if minutes < 1:
        return "under 1 min"
    return f"{minutes:,.0f} min" if minutes < 120 else f"{minutes / 60:,.1f} h"


def _range(row: dict[Any, Any]) -> str:
    if pd.isna(row["ends_after"]) or pd.isna(row["ends_before"]):
        return "not known yet" if row["status"] == "InProgress" else ""
    return f"{row['ends_after']:%H:%M} to {row['ends_before']:%H:%M} UTC"
