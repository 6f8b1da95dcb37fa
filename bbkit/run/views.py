"""How a run shows itself, on a terminal and in a notebook."""

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bbkit.run import Run


def summarize_run(run: "Run") -> dict[str, str]:
    """Describe a run in a few lines."""
    files, jobs = run.record_files(), run.jobs()
    counts = jobs["status"].fillna("queued").value_counts()
    attempts = sorted({file.attempt for file in files})
    records = (
        f"{sum(file.records for file in files if file.attempt == attempt):,} in attempt {attempt}"
        for attempt in attempts
    )
    return {
        "folder": str(run.folder),
        "model": f"{run.model_id} ({run.family or 'family not known'}, {run.invocation_type})",
        "place": str(run.endpoint),
        "S3": run.adopted.get("output_uri") or run.s3_prefix,
        "role": run.role_arn,
        "records": ", ".join(records) or "none written yet",
        "jobs": ", ".join(f"{number} {status}" for status, number in counts.items()) or "none submitted",
    }


def show_text(run: "Run") -> str:
    """Show a run on a terminal."""
    lines = "\n".join(f"  {name:8} {text}" for name, text in summarize_run(run).items())
    return f"Run {run.name!r}\n{lines}"


def show_html(run: "Run") -> str:
    """Show a run in a notebook."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(text)}</td></tr>'
        for name, text in summarize_run(run).items()
    )
    return (
        '<table class="bbkit-run tex2jax_ignore mathjax_ignore">'
        f"<caption>Run {html.escape(run.name)}</caption>{rows}</table>"
    )
