"""Reports: a notebook run without a person, and the one HTML file that comes of it.

The only room that imports papermill, nbconvert, nbclient and nbformat.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bbkit.core.errors import InputError, ReportError
from bbkit.report.numbers import Gate, check_gates, collect_numbers, gather_bundles, read_gates, replace_nan
from bbkit.report.parameters import Parameter, check_parameters, read_parameters

__all__ = ["Parameter", "Report", "export_notebook", "read_parameters", "render_report"]


@dataclass(frozen=True)
class Report:
    """What `render_report` made."""

    path: Path
    json_path: Path
    notebook_path: Path
    numbers: dict[str, Any] = field(default_factory=dict)
    failed_on: tuple[str, ...] = ()


def render_report(
    notebook: str | Path,
    output: str | Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    with_text: bool = False,
    title: str = "",
    fail_on: Iterable[Sequence[object]] = (),
    cwd: str | Path = ".",
) -> Report:
    """Run a notebook and render it as one HTML file that opens from disk without a network."""
    source, page = Path(notebook), Path(output)
    gates = read_gates(fail_on)
    typed = check_parameters(source, parameters or {})
    report = _place_report(source, page)
    _remove_former(report)
    from bbkit.report.running import run_notebook

    failure = ""
    warming = threading.Thread(target=_load_exporter, daemon=True)
    warming.start()
    try:
        failure = run_notebook(source, report.notebook_path, typed, Path(cwd))
    finally:
        warming.join()
        if report.notebook_path.is_file():
            report = _export(report, source, typed, with_text, title, gates, failure, Path(cwd))
    if failure:
        raise ReportError(
            f"{failure.rstrip('.')}. What ran before is in {str(report.path)!r} and "
            f"{str(report.notebook_path)!r}."
        )
    return _check(report, gates)


def export_notebook(
    notebook: str | Path,
    output: str | Path,
    *,
    with_text: bool = False,
    title: str = "",
    fail_on: Iterable[Sequence[object]] = (),
) -> Report:
    """Render a notebook that has been executed already, anyone's, as one HTML file; nothing is run."""
    source, page = Path(notebook), Path(output)
    gates = read_gates(fail_on)
    read_parameters(source)
    placed = _place_report(source, page)
    placed = Report(placed.path, placed.json_path, source)
    return _check(_export(placed, source, {}, with_text, title, gates, "", source.parent), gates)


def _place_report(source: Path, page: Path) -> Report:
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"A report is an .html file, not {page.name!r}.")
    executed = page.with_suffix(".ipynb")
    if executed.resolve() == source.resolve():
        executed = page.with_suffix(".executed.ipynb")
    numbers = page.with_suffix(".json")
    if (
        numbers.exists()
        and '"bbkit_report"' not in numbers.read_text(encoding="utf-8", errors="replace")[:200]
    ):
        raise InputError(
            f"{str(numbers)!r} exists and is not a report's; choose another name for {page.name!r}."
        )
    return Report(page, numbers, executed)


def _remove_former(report: Report) -> None:
    """Leave nothing of an earlier report that a killed run could be taken for, and touch nothing else."""
    if report.notebook_path.exists() and not _is_executed(report.notebook_path):
        raise InputError(
            f"{str(report.notebook_path)!r} exists and is not a report's; choose another name for "
            f"{report.path.name!r}."
        )
    for path in (report.path, report.json_path, report.notebook_path):
        path.unlink(missing_ok=True)


def _is_executed(notebook: Path) -> bool:
    try:
        return "papermill" in json.loads(notebook.read_bytes())["metadata"]
    except (ValueError, TypeError, KeyError):
        return False


def _load_exporter() -> None:
    """Import what the page needs while the kernel works; that is about two seconds nobody waits for."""
    from bbkit.report import exporting, figures, provenance  # noqa: F401

    figures.pack_plotly()


def _export(
    report: Report,
    source: Path,
    parameters: Mapping[str, Any],
    with_text: bool,
    title: str,
    gates: Sequence[Gate],
    failure: str,
    cwd: Path,
) -> Report:
    from bbkit.report import exporting
    from bbkit.report.masking import Masker
    from bbkit.report.provenance import describe_origin
    from bbkit.report.running import read_notebook, tell_status

    notebook = read_notebook(report.notebook_path)
    bundles = gather_bundles(notebook)
    numbers = collect_numbers(bundles)
    status, unrun = tell_status(notebook)
    failed_on = check_gates([gate for gate in gates if gate.name in numbers], bundles)
    options = [*(["--with-text"] if with_text else []), *(["--title", title] if title else [])]
    for gate in gates:
        options += ["--fail-on", *str(gate).split()]
    given = {**notebook.metadata.get("papermill", {}).get("parameters", {}), **parameters}
    effective = {name: p.default for name, p in read_parameters(source).items()} | given
    origin = describe_origin(source, report.path, given, effective, options, bundles, cwd)
    story = exporting.Story(title, status, unrun, failure, numbers, bundles, failed_on, origin)
    masker = Masker(enabled=not with_text)
    page, resources = exporting.ReportExporter().from_notebook_node(
        notebook, {"story": story, "masker": masker}
    )
    masked = dict(masker.counts)
    document = {
        "bbkit_report": 1,
        "title": resources["page"].title,
        "status": status,
        "failure": masker.text(failure),
        "made_at": origin.made_at,
        "stand_in": origin.is_standin,
        "numbers": numbers,
        "failed_on": list(failed_on),
        "results": replace_nan(masker.data(bundles)),
        "parameters": masker.data(effective),
        "provenance": {fact.name: [masker.text(value) for value in fact.values] for fact in origin.facts},
        "with_text": with_text,
        "masked": masked,
        "active_content_left_out": dict(resources["dropped"]),
        "figures": len(resources["figures"]),
    }
    exporting.write_page(page, report.path)
    exporting.write_page(
        json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n", report.json_path
    )
    return Report(report.path, report.json_path, report.notebook_path, numbers, failed_on)


def _check(report: Report, gates: Sequence[Gate]) -> Report:
    """Refuse conditions on numbers the finished report turned out not to have."""
    check_gates([gate for gate in gates if gate.name not in report.numbers], [{"numbers": report.numbers}])
    return report
