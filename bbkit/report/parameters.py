"""The signature of a notebook: what its cell tagged `parameters` accepts, read from the syntax tree."""

import ast
import difflib
import io
import json
import math
import os
import re
import tokenize
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbkit.core.errors import InputError
from bbkit.core.text import name_some

_SCALARS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_CONTAINERS: dict[str, type] = {"list": list, "dict": dict}
_TYPES: dict[str, type] = {**_SCALARS, **_CONTAINERS, "None": types.NoneType}
_TRUTH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a JSON list",
    "dict": "a JSON object",
    "None": "None",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook."""

    name: str
    type: str
    default: Any
    help: str

    def convert(self, value: Any) -> Any:
        """Return `value` as this parameter's type, or raise InputError saying what is accepted."""
        kinds = _kinds(self.type)
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        for kind in kinds:
            converted = _read(kind, value)
            if converted is not _NOT:
                return converted
        accepted = " or ".join(dict.fromkeys(_describe(kind) for kind in kinds))
        shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
        raise InputError(f"Parameter {self.name!r} takes {accepted}, not {shown}{_hint(kinds, value)}.")


def read_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Read what a notebook accepts from its cell tagged ``parameters``; nothing is executed."""
    try:
        return parameters_of(_read_cells(Path(notebook)))
    except SyntaxError as error:
        raise InputError(f"The parameters cell of {Path(notebook).name} is not Python: {error}.") from None


def parameters_of(cells: Iterable[Mapping[str, Any]]) -> dict[str, Parameter]:
    """Read the parameters from cells as they are in a notebook; SyntaxError where the cell is not Python."""
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if not tagged:
        return {}
    source = tagged[0].get("source", "")
    source = source if isinstance(source, str) else "".join(source)
    tree = ast.parse(source)
    comments = _comments(source)
    found = (_parameter(statement, comments) for statement in tree.body)
    return {parameter.name: parameter for parameter in found if parameter is not None}


def check_parameters(notebook: str | Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the values given for a notebook to the types its parameters declare."""
    known = read_parameters(notebook)
    for name in values:
        if name not in known:
            raise InputError(_unknown(name, list(known), Path(notebook).name))
    return {name: known[name].convert(value) for name, value in values.items()}


def _unknown(name: str, known: list[str], notebook: str) -> str:
    if not known:
        return f"{notebook} takes no parameters (no cell is tagged 'parameters'), so {name!r} cannot be set."
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        plain = {other.replace("_", "").lower(): other for other in known}
        near = [plain[key] for key in [name.replace("_", "").replace("-", "").lower()] if key in plain]
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return f"{notebook} has no parameter {name!r}. {guess}It takes {name_some(known, most=12)}."


def _read_cells(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no notebook {str(path)!r}.") from None
    except (ValueError, OSError) as error:
        raise InputError(f"{str(path)!r} is not a notebook: {error}.") from None
    if not isinstance(document, dict) or document.get("nbformat") != 4:
        raise InputError(f"{str(path)!r} is not a notebook of format 4. Save it again from JupyterLab.")
    return [cell for cell in document.get("cells", []) if isinstance(cell, dict)]


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def _parameter(statement: ast.stmt, comments: Mapping[int, str]) -> Parameter | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            kind = ast.unparse(annotation)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind = ""
        case _:
            return None
    try:
        default = ast.literal_eval(value)
    except (ValueError, TypeError):
        return None
    kind = kind or ("str | None" if default is None else type(default).__name__)
    return Parameter(name, kind, default, comments.get(statement.end_lineno or statement.lineno, ""))


_NOT = object()


def _kinds(annotation: str) -> list[str]:
    """Split ``int | None``, ``Optional[int]`` or ``Literal["a", "b"]`` into the kinds to try in turn."""
    try:
        node = ast.parse(annotation.strip("'\""), mode="eval").body
    except SyntaxError:
        return ["str"]
    kinds = _kinds_of(node)
    return sorted(kinds, key=lambda kind: (kind != "None", kind == "str"))


def _kinds_of(node: ast.expr) -> list[str]:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [*_kinds_of(left), *_kinds_of(right)]
        case ast.Constant(value=None):
            return ["None"]
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return [*_kinds_of(inner), "None"]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            listed = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return [f"={ast.literal_eval(item)!r}" for item in listed]
        case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name) if name in _TYPES:
            return [name]
    return ["str"]


def _describe(kind: str) -> str:
    return kind[1:] if kind.startswith("=") else _WORDS[kind]


def _read(kind: str, value: Any) -> Any:
    if kind.startswith("="):
        literal = ast.literal_eval(kind[1:])
        return literal if value == literal or value == str(literal) else _NOT
    if kind == "str":
        return value if isinstance(value, str) else _NOT
    if isinstance(value, str):
        return _READERS[kind](value.strip())
    if kind == "float" and type(value) is int:
        return float(value)
    return value if type(value) is _TYPES[kind] else _NOT


def _read_float(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return _NOT
    return number if math.isfinite(number) else _NOT


def _read_json(text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return _NOT
    return value if isinstance(value, kind) else _NOT


_READERS = {
    "int": lambda text: int(text) if re.fullmatch(r"[+-]?(0|[1-9][0-9]*)", text) else _NOT,
    "float": _read_float,
    "bool": lambda text: _TRUTH.get(text.lower(), _NOT),
    "None": lambda text: None if text in ("None", "null") else _NOT,
    "list": lambda text: _read_json(text, list),
    "dict": lambda text: _read_json(text, dict),
}


def _hint(kinds: list[str], value: Any) -> str:
    if "int" in kinds and isinstance(value, str) and re.fullmatch(r"0[0-9]+", value):
        return "; its leading zero would be lost, so the notebook would have to declare it as str"
    if "str" in kinds and isinstance(value, int | float):
        return "; write it as text, so that no leading zero is lost"
    return ""
