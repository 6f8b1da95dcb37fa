"""Notebooks, read once and executed without a person in front of them; what is left on disk never lies."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bbkit.core.errors import InputError
from bbkit.core.files import file_sha256, find_shared, replacing
from bbkit.core.masks import find_masks
from bbkit.core.parameters import Parameter, parse_parameters
from bbkit.core.progress import KEPT, TERMINAL, name_terminal
from bbkit.core.text import name_some, one_line, whole_characters

# rfc3987_syntax builds 35 parsers when it is imported, about a second; jsonschema can do without it.
_is_hidden = sys.modules.setdefault("rfc3987_syntax", None) is None  # type: ignore[arg-type]

import nbformat  # noqa: E402

if _is_hidden:
    del sys.modules["rfc3987_syntax"]

_parse: Callable[..., Any] = nbformat.reads
_write: Callable[..., None] = nbformat.write

# A kernel is interrupted before it is shut down and logs that as an error.
_KERNEL_LOG = "--IPKernelApp.log_level=50"
_KERNEL_START = (
    "--IPKernelApp.exec_lines=__import__('os').environ.update({environment});"
    "__import__('sys').modules.setdefault('rfc3987_syntax', None)"
)
_ENVIRONMENT = {"BBKIT_HEADLESS": "1", "PLOTLY_RENDERER": "plotly_mimetype"}


@dataclass(frozen=True)
class Notebook:
    """A notebook as it was read: `node` is nbformat's, of version 4."""

    path: Path
    sha256: str
    node: Any

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """What its cell tagged ``parameters`` declares."""
        tagged = [cell for cell in self.node.cells if "parameters" in cell.metadata.get("tags", [])]
        try:
            return parse_parameters(tagged[0].source) if tagged else {}
        except SyntaxError as error:
            raise InputError(f"The parameters cell of {self.path.name} is not Python: {error}.") from None

    @property
    def given(self) -> dict[str, Any]:
        """The parameters it was executed with, as papermill notes them."""
        return dict(self.node.metadata.get("papermill", {}).get("parameters", {}))

    @property
    def code_cells(self) -> list[Any]:
        """Its cells of code, without the empty ones."""
        return [cell for cell in self.node.cells if cell.cell_type == "code" and cell.source.strip()]

    @property
    def unrun(self) -> int:
        """How many cells of code did not run."""
        return sum(cell.get("execution_count") is None for cell in self.code_cells)

    @property
    def status(self) -> str:
        """How its execution ended: complete, failed, interrupted or incomplete."""
        noted = str(self.node.metadata.get("bbkit", {}).get("status", ""))
        if noted in ("interrupted", "failed"):
            return noted
        if any(output.get("output_type") == "error" for cell in self.code_cells for output in cell.outputs):
            return "failed"
        running = any(
            cell.metadata.get("papermill", {}).get("status") in ("running", "pending")
            for cell in self.code_cells
        )
        return "incomplete" if self.unrun or running else "complete"


def read_notebook(name: str | Path) -> Notebook:
    """Read a notebook; lone surrogates, which no file can hold, become U+FFFD."""
    path = _find_notebook(Path(name))
    if path.is_dir():
        raise InputError(f"{str(name)!r} is a folder without a run. Give a run's folder, or a notebook.")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        shared = name_some(sorted(each.stem for each in find_shared("notebooks").glob("*.ipynb")), most=9)
        raise InputError(
            f"No run is at {str(name)!r}, nor a notebook. Give the folder of a run (of 01-prepare), the "
            f"path of a notebook, or the name of one of bbkit's: {shared}."
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(f"{str(path)!r} is not a notebook: {error}.") from None
    if not isinstance(document, dict) or document.get("nbformat") != 4:
        raise InputError(f"{str(path)!r} is not a notebook of format 4. Save it again from JupyterLab.")
    text = json.dumps(whole_characters(document))
    return Notebook(path, file_sha256(path), _parse(text, as_version=4))


def _find_notebook(path: Path) -> Path:
    """The notebook at a path; a bare name means one of this folder, of ./notebooks, or of bbkit's own."""
    if path.exists() or path.parent != Path():
        return path
    name = path.name.removesuffix(".ipynb") + ".ipynb"
    folders = (Path(), Path("notebooks"), find_shared("notebooks"))
    found = [folder / name for folder in folders if (folder / name).is_file()]
    # What an earlier report left here under the same name is no notebook to begin with.
    return min(found, key=is_executed, default=path)


def is_executed(notebook: Path) -> bool:
    """Whether papermill, and so a report, wrote this notebook."""
    try:
        return "papermill" in json.loads(notebook.read_bytes())["metadata"]
    except (ValueError, TypeError, KeyError):
        return False


def run_notebook(
    notebook: Path, executed: Path, parameters: Mapping[str, Any], cwd: Path, kept: Iterable[str]
) -> str:
    """Execute a notebook, saved with its outputs after every cell; gives what failed, or nothing."""
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError, execute_notebook
    from traitlets.config import Config

    executed.parent.mkdir(parents=True, exist_ok=True)
    environment = {**_ENVIRONMENT, TERMINAL: name_terminal(), KEPT: " ".join(kept)}
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
            extra_arguments=[_KERNEL_LOG, _KERNEL_START.format(environment=environment)],
        )
    except PapermillExecutionError as error:
        where = f"Cell [{error.exec_count}], `{_first_line(error.source, 60)}`,"
        return f"{where} failed with {error.ename}: {_first_line(error.evalue, 300)}"
    except DeadKernelError:
        cells = read_notebook(executed).code_cells
        started = sum(bool(cell.metadata.get("papermill", {}).get("start_time")) for cell in cells)
        return f"The kernel died in cell [{max(1, started)}], most often for want of memory."
    return ""


def _first_line(text: str, most: int) -> str:
    line = " ".join(next(iter(text.strip().splitlines()), "").split())
    # Half of what would be masked is not known for what it is.
    halved = [start + 1 for start, end, _ in find_masks(line[: most + 100]) if start < most <= end]
    return one_line(line, min([most, *halved]) if len(line) > most else most)


def mark_ended(executed: Path, status: str) -> Notebook:
    """Say in a saved notebook how it ended; papermill's own flags call an interrupted cell done."""
    notebook = read_notebook(executed)
    notebook.node.metadata["bbkit"] = {"status": status}
    if status != "complete":
        notebook.node.metadata.setdefault("papermill", {})["exception"] = True
        for cell in notebook.node.cells:
            if cell.cell_type == "code" and cell.get("execution_count") is None:
                cell.metadata.setdefault("papermill", {})["status"] = "pending"
    with replacing(executed) as partial:
        _write(notebook.node, partial)
    return notebook
