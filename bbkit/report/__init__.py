"""Reports: a notebook run without a person, and the one HTML file that comes of it.

`notebooks` reads and executes a notebook, `core.parameters` knows what its cell ``parameters`` accepts.
`provenance` holds what a report is made of (`ReportContext`), `numbers` what its results tell machines.
`pages` lays the cells out; their outputs pass `displays`, `figures` and `sanitizing`, which leave nothing
that acts, and `masking`; `printing` makes a PDF of the page. The only room that imports papermill,
nbformat and nbclient.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bbkit.core.errors import InputError, ReportError, require_extras
from bbkit.core.files import write_text
from bbkit.core.gates import Gate, read_gates

require_extras("bbkit.report", "notebooks")

from bbkit.core.parameters import Parameter, convert_parameters  # noqa: E402
from bbkit.report.notebooks import is_executed, mark_ended, read_notebook, run_notebook  # noqa: E402
from bbkit.report.numbers import check_gates, replace_nan  # noqa: E402
from bbkit.report.patterns import read_patterns  # noqa: E402
from bbkit.report.printing import print_report  # noqa: E402
from bbkit.report.provenance import ReportContext  # noqa: E402

__all__ = ["Parameter", "Report", "export_notebook", "print_report", "read_parameters", "render_report"]


@dataclass(frozen=True)
class Report:
    """What `render_report` made."""

    path: Path
    json_path: Path
    notebook_path: Path
    numbers: dict[str, Any] = field(default_factory=dict)
    failed_on: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def left(self) -> int:
        """How many records another attempt could repair."""
        return sum(self.numbers.get(name) or 0 for name in ("errored", "missing", "cut_off", "invalid"))


def render_report(
    notebook: str | Path,
    output: str | Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    with_text: bool = False,
    with_ids: bool = False,
    title: str = "",
    note: str = "",
    fail_on: Iterable[Sequence[object]] = (),
    cwd: str | Path = ".",
) -> Report:
    """Run a notebook and render it as one HTML file that opens from disk without a network.

    A `note` is Markdown of one's own that stands above the rest, made safe and masked like it.
    """
    gates = read_gates(fail_on)
    source = read_notebook(notebook)
    typed = convert_parameters(source.parameters, parameters or {}, source.path.name)
    if not with_text:
        read_patterns({p.name: p.default for p in source.parameters.values()} | typed, Path(cwd))
    report = _place_report(source.path, Path(output))
    _remove_former(report)
    status, failure = "interrupted", ""
    warming = threading.Thread(target=_load_exporter, daemon=True)
    warming.start()
    try:
        kept = ["ids"] * with_ids + ["text"] * with_text
        failure = run_notebook(source.path, report.notebook_path, typed, Path(cwd), kept)
        status = "failed" if failure else "complete"
    finally:
        warming.join()
        if report.notebook_path.is_file():
            executed = mark_ended(report.notebook_path, status)
            report = _export(
                ReportContext(
                    source, executed, report.path, Path(cwd), title, with_text, with_ids, gates, failure, note
                )
            )
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
    with_ids: bool = False,
    title: str = "",
    note: str = "",
    fail_on: Iterable[Sequence[object]] = (),
) -> Report:
    """Render a notebook that has been executed already, anyone's, as one HTML file; nothing is run."""
    gates = read_gates(fail_on)
    source = read_notebook(notebook)
    page = _place_report(source.path, Path(output)).path
    context = ReportContext(
        source, source, page, source.path.parent, title, with_text, with_ids, gates, note=note
    )
    return _check(_export(context), gates)


def read_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Read what a notebook accepts from its cell tagged ``parameters``; nothing is executed."""
    return read_notebook(notebook).parameters


def _place_report(source: Path, page: Path) -> Report:
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"A report is an .html file, not {page.name!r}.")
    executed = page.with_suffix(".ipynb")
    if executed.resolve() == source.resolve():
        executed = page.with_suffix(".executed.ipynb")
    numbers = page.with_suffix(".json")
    if numbers.exists() and b'"bbkit_report"' not in numbers.read_bytes()[:200]:
        raise _not_ours(numbers, page)
    return Report(page, numbers, executed)


def _not_ours(path: Path, page: Path) -> InputError:
    return InputError(f"{str(path)!r} exists and is not a report's; choose another name for {page.name!r}.")


def _remove_former(report: Report) -> None:
    """Leave nothing of an earlier report that a killed run could be taken for, and touch nothing else."""
    if report.notebook_path.exists() and not is_executed(report.notebook_path):
        raise _not_ours(report.notebook_path, report.path)
    for path in (report.path, report.json_path, report.notebook_path):
        path.unlink(missing_ok=True)


def _load_exporter() -> None:
    """Import what the page needs while the kernel works; that is about two seconds nobody waits for."""
    from bbkit.report import figures, pages  # noqa: F401

    figures.pack_plotly()


def _export(context: ReportContext) -> Report:
    from bbkit.report.displays import Display
    from bbkit.report.masking import Masker
    from bbkit.report.pages import make_page

    masker = Masker(not context.with_text, context.patterns)
    display = Display(masker, context.with_ids)
    title, page = make_page(context, display)
    masked = dict(masker.counts)
    document = {
        "bbkit_report": 1,
        "title": title,
        "status": context.executed.status,
        "failure": masker.text(context.failure),
        "made_at": context.made_at,
        "stand_in": context.is_standin,
        "numbers": masker.data(context.numbers, numbers=False),
        "failed_on": masker.data(context.failed_on),
        "results": replace_nan([masker.result(bundle) for bundle in context.bundles]),
        "parameters": masker.data(context.parameters),
        "asked": masker.data(context.asked),
        "provenance": masker.data(context.provenance),
        "with_text": context.with_text,
        "with_ids": context.with_ids,
        "masked": masked,
        "active_content_left_out": dict(display.dropped),
        "figures": len(display.figures),
    }
    context.output.parent.mkdir(parents=True, exist_ok=True)
    json_path = context.output.with_suffix(".json")
    write_text(context.output, page + "\n")
    write_text(json_path, json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n")
    warned = tuple(map(masker.text, context.warnings))
    made = (context.output, json_path, context.executed.path, context.numbers, context.failed_on, warned)
    return Report(*made)


def _check(report: Report, gates: Sequence[Gate]) -> Report:
    """Refuse conditions on numbers the finished report turned out not to have."""
    known = {"warnings": 0} | report.numbers
    check_gates([gate for gate in gates if gate.name not in known], [{"numbers": known}])
    return report
