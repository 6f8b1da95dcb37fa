"""How the site is made (`make site`): reference from the package, charts from runs on a stand-in."""

import inspect
import os
import pkgutil
import re
import shutil
import sys
import typing
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import plotly

import bbkit
from bbkit import charts, explorers
from bbkit.cli.parsing import COMMANDS
from bbkit.core import errors
from bbkit.demo import _environment as use_environment, start_standin
from bbkit.report import read_parameters
from bbkit.standin.__main__ import build_parser

DOCS = Path(__file__).parent
REFERENCE = DOCS / "reference"
SAMPLES = {"calls.csv": "call_transcripts.csv", "answer_schema.json": "answer_schema.json"}
FAULTS = ("--fault", "record-errors=0.06 missing-lines=0.02 bad-json=0.1")
STANDIN = ExitStack()
DESCRIBED = ("bbkit.catalog.prices.load_prices", "bbkit.records.tokens.estimate_tokens")
"""What docstrings of public names lead to, beside what they return."""

os.environ["COLUMNS"] = "88"  # of what --help says

project, author, release = "bbkit", "The bbkit developers", bbkit.__version__
copyright = author
extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_nb"]
exclude_patterns = ["**.ipynb_checkpoints"]
html_theme = "furo"
html_title = f"bbkit {release}"
html_static_path = ["_static", str(Path(plotly.__file__).parent / "package_data" / "plotly.min.js")]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
pygments_style = "friendly"
highlight_language = "text"

default_role = "py:obj"  # names between backticks lead to where they are described
nitpicky = True
nitpick_ignore_regex = [("py:obj", "(?!bbkit\\.).*"), ("py:class", "(?!bbkit\\.).*")]
autodoc_typehints = "none"  # numpydoc's sections say them
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_ipywidgets_js = {}  # which would come from another site


def list_public(room: ModuleType = bbkit) -> dict[str, Any]:
    """The public names of a room, or of the package without its rooms of charts and explorers."""
    return {name: each for name in room.__all__ if not inspect.ismodule(each := getattr(room, name))}


def list_given(names: dict[str, Any]) -> dict[str, type]:
    """The classes of what public functions return."""
    hints = [typing.get_type_hints(each).get("return") for each in names.values() if inspect.isfunction(each)]
    kinds = [kind for hint in hints for kind in (hint, *typing.get_args(hint)) if inspect.isclass(kind)]
    given = {f"{kind.__module__}.{kind.__name__}": kind for kind in kinds}
    return {name: kind for name, kind in sorted(given.items()) if name.startswith("bbkit.")}


def describe(name: str, each: Any) -> str:
    """The directive that shows a docstring."""
    if inspect.isfunction(each):
        return f".. autofunction:: {name}\n"
    kind, option = ("exception", "show-inheritance") if issubclass(each, Exception) else ("class", "members")
    return f".. auto{kind}:: {name}\n   :{option}:\n"


def summarize(each: Any) -> str:
    """The first sentence of a docstring, in Markdown."""
    first = (inspect.getdoc(each) or "").split("\n\n")[0].replace("\n", " ")
    return re.sub(r"``(.*?)``", r"`\1`", first).replace("|", "\\|")


def write_api() -> None:
    """A page for each room that has public names, one for what they give, one for errors; a list of all."""
    public = list_public()
    rooms = dict[str, dict[str, Any]]()
    for name, each in public.items():
        rooms.setdefault(bbkit._ROOMS[name].split(".")[1], {})[f"bbkit.{name}"] = each
    for name in DESCRIBED:
        rooms[name.split(".")[1]][name] = pkgutil.resolve_name(name)
    for room in (charts, explorers):
        named = {f"{room.__name__}.{name}": each for name, each in list_public(room).items()}
        rooms[room.__name__.split(".")[1]] = named
    rooms = dict(sorted(rooms.items())) | {"results": list_given(public)}
    raised = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, Exception)]
    rooms["errors"] = {f"{errors.__name__}.{each.__name__}": each for each in raised}
    lines = ["# API by room\n", "```python\nimport bbkit as bb\nfrom bbkit import charts, explorers\n```\n"]
    for room, names in rooms.items():
        shown = [f"{room}\n{'=' * len(room)}\n", *(describe(*pair) for pair in names.items())]
        (REFERENCE / "api" / f"{room}.rst").write_text("\n".join(shown))
        lines += [f"## [{room}](api/{room}.rst)\n", "| name | |", "|---|---|"]
        lines += [*(f"| {{py:obj}}`~{name}` | {summarize(each)} |" for name, each in names.items()), ""]
    toctree = ["```{toctree}", ":hidden:", *(f"api/{room}" for room in rooms), "```\n"]
    (REFERENCE / "api.md").write_text("\n".join(lines + toctree))


def write_cli() -> None:
    """What ``--help`` says of each command."""
    parsers = {**COMMANDS.choices, "standin": build_parser()}
    del parsers["doctor"]  # another name of preflight
    helps = [f"## bbkit {name}\n\n```text\n{each.format_help()}```\n" for name, each in parsers.items()]
    (REFERENCE / "cli.md").write_text("# Commands\n\n" + "\n".join(helps))


def write_parameters() -> None:
    """What each notebook can be told."""
    lines = ["# Parameters of the notebooks\n"]
    for path in sorted((DOCS.parent / "notebooks").glob("*.ipynb")):
        lines += [f"## {path.stem}\n", "| parameter | default | what it is |", "|---|---|---|"]
        declared = read_parameters(path).values()
        lines += [*(f"| `{one.name}` | `{one.default!r}` | {one.help} |" for one in declared), ""]
    (REFERENCE / "parameters.md").write_text("\n".join(lines))


def write_tables() -> None:
    """The columns of each table that a docstring names, such as JOB_COLUMNS."""
    rooms = [module for name, module in sys.modules.items() if name.startswith("bbkit.")]
    named = {
        name: each
        for room in rooms
        for name, each in vars(room).items()
        if re.match("[A-Z].*_COLUMNS$", name)
    }
    lines = ["# Tables\n", "Columns and types of the tables that the [API](api.md) names.\n"]
    for name, columns in sorted(named.items()):
        if isinstance(columns, dict):
            lines += [
                f"## {name}\n",
                ", ".join(f"`{column}` ({kind})" for column, kind in columns.items()) + "\n",
            ]
    (REFERENCE / "tables.md").write_text("\n".join(lines))


def start(app: Any) -> None:
    """Write the reference, and lead the pages that run to a stand-in that loses and spoils records."""
    shutil.rmtree(REFERENCE, ignore_errors=True)
    (REFERENCE / "api").mkdir(parents=True)
    write_api()
    write_cli()
    write_parameters()
    write_tables()
    work = Path(app.doctreedir).parent / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name, path in SAMPLES.items():
        shutil.copy(DOCS.parent / "data" / "samples" / path, work / name)
    environment = STANDIN.enter_context(start_standin(work / "standin", "--speed", "instant", *FAULTS))
    profile = work / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    shutil.copy(DOCS / "drawn.py", profile / "startup")
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 50\n")
    leading = {**environment, "IPYTHONDIR": str(work / "ipython"), "BBKIT_SITE_FOLDER": str(work)}
    STANDIN.enter_context(use_environment(leading))


def hide_signature(app: Any, what: str, name: str, *more: Any) -> tuple[str, None] | None:
    """What functions give is not made by calling its class."""
    return ("", None) if name == "bbkit.Run" or name in list_given(list_public()) else None


def setup(app: Any) -> None:
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("builder-inited", start)
    app.connect("build-finished", lambda *_: STANDIN.close())
