"""Executing a notebook without a person in front of it, so that what is left on disk never lies."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# rfc3987_syntax builds 35 parsers when it is imported, about a second; jsonschema can do without it.
_is_hidden = sys.modules.setdefault("rfc3987_syntax", None) is None  # type: ignore[arg-type]

import nbformat  # noqa: E402
from nbclient.exceptions import DeadKernelError  # noqa: E402
from papermill import PapermillExecutionError, execute_notebook  # noqa: E402
from traitlets.config import Config  # noqa: E402

if _is_hidden:
    del sys.modules["rfc3987_syntax"]

MARKER_TAG = "papermill-error-cell-tag"

# A kernel is interrupted before it is shut down and logs that as an error.
_KERNEL_LOG = "--IPKernelApp.log_level=50"
_KERNEL_START = (
    "--IPKernelApp.exec_lines=__import__('os').environ.update("
    "BBKIT_HEADLESS='1', PLOTLY_RENDERER='plotly_mimetype');"
    "__import__('sys').modules.setdefault('rfc3987_syntax', None)"
)


def run_notebook(notebook: Path, executed: Path, parameters: Mapping[str, Any], cwd: Path) -> str:
    """Execute a notebook and save it with its outputs, whatever happens."""
    executed.parent.mkdir(parents=True, exist_ok=True)
    try:
        execute_notebook(
            str(notebook),
            str(executed),
            parameters=dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            cwd=str(cwd),
            config=Config({"KernelManager": {"transport_encryption": "auto"}}),
            extra_arguments=[_KERNEL_LOG, _KERNEL_START],
        )
    except PapermillExecutionError as error:
        _mark(executed, "failed")
        where = f"Cell [{error.exec_count}], `{_first_line(error.source, 60)}`,"
        return f"{where} failed with {error.ename}: {_first_line(error.evalue, 300)}"
    except DeadKernelError:
        _mark(executed, "failed")
        return f"The kernel died in {_last_cell(executed)}, most often for want of memory."
    except KeyboardInterrupt:
        _mark(executed, "interrupted")
        raise
    _mark(executed, "complete")
    return ""


def read_notebook(path: Path) -> Any:
    """Read a notebook as version 4; lone surrogates, which no file can hold, become U+FFFD."""
    return _mend(nbformat.read(path, as_version=4))


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    elif isinstance(value, list):
        value[:] = [_mend(item) for item in value]
    elif isinstance(value, dict):
        value.update({key: _mend(item) for key, item in value.items()})
    return value


def tell_status(notebook: Any) -> tuple[str, int]:
    """Tell how the execution of a notebook ended."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    unrun = sum(1 for cell in cells if cell.get("execution_count") is None)
    has_error = any(output.get("output_type") == "error" for cell in cells for output in cell.outputs)
    noted = notebook.metadata.get("bbkit", {}).get("status", "")
    if noted in ("interrupted", "failed"):
        return noted, unrun
    if has_error:
        return "failed", unrun
    running = any(
        cell.metadata.get("papermill", {}).get("status") in ("running", "pending") for cell in cells
    )
    return ("incomplete" if unrun or running else "complete"), unrun


def _first_line(text: str, most: int) -> str:
    lines = text.strip().splitlines() or [""]
    return lines[0] if len(lines[0]) <= most else lines[0][: most - 1] + "…"


def _last_cell(executed: Path) -> str:
    cells = [
        cell for cell in read_notebook(executed).cells if cell.cell_type == "code" and cell.source.strip()
    ]
    started = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    return f"cell [{max(1, len(started))}]"


def _mark(executed: Path, status: str) -> None:
    """Say in the saved notebook how it ended; papermill's own flags call an interrupted cell done."""
    if not executed.is_file():
        return
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata["bbkit"] = {"status": status}
    if status != "complete":
        notebook.metadata.setdefault("papermill", {})["exception"] = True
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.get("execution_count") is None:
                cell.metadata.setdefault("papermill", {})["status"] = "pending"
    partial = executed.with_name(f".{executed.name}.part")
    nbformat.write(notebook, partial)
    partial.replace(executed)
