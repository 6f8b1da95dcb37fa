"""The signature of a notebook: what its cell tagged `parameters` accepts, read from the syntax tree."""

import ast
import difflib
import io
import math
import os
import re
import tokenize
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args

import msgspec

from bbkit.core.errors import InputError
from bbkit.core.text import name_some

_ACCEPTED: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a JSON list",
    dict: "a JSON object",
    NoneType: "None",
}
_TYPES = {kind.__name__: kind for kind in _ACCEPTED}
_TRUTH = {"yes": "true", "on": "true", "no": "false", "off": "false"}


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    default: Any
    help: str

    def convert(self, value: Any) -> Any:
        """Return `value` as this parameter's type, or raise InputError saying what is accepted."""
        kinds = _kinds(self.type)
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        for kind in kinds:
            try:
                return _convert(value, kind)
            except (msgspec.DecodeError, ValueError):
                continue
        accepted = " or ".join(dict.fromkeys(_describe(kind) for kind in kinds))
        shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
        raise InputError(f"Parameter {self.name!r} takes {accepted}, not {shown}{_hint(kinds, value)}.")


def parse_parameters(source: str) -> dict[str, Parameter]:
    """Read the parameters from the source of their cell; SyntaxError where it is not Python."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}
    parameters = (_parameter(statement, comments) for statement in ast.parse(source).body)
    return {parameter.name: parameter for parameter in parameters if parameter is not None}


def convert_parameters(
    known: Mapping[str, Parameter], values: Mapping[str, Any], notebook: str
) -> dict[str, Any]:
    """Convert the values given for a notebook to the types its parameters declare."""
    for name in values:
        if name not in known:
            raise InputError(_unknown(name, known, notebook))
    return {name: known[name].convert(value) for name, value in values.items()}


def check_parameters(namespace: MutableMapping[str, Any]) -> None:
    """Give the parameters of the notebook that calls this the types their cell declares.

    Bare papermill puts whatever it was given under their names: a list where a text belongs, ``"false"``
    for a truth. This says so in the first cell, in the words of ``bbkit report``.

    Parameters
    ----------
    namespace : mapping
        The notebook's ``globals()``; values that say what is declared are converted in it. What is declared
        is read from IPython's ``In`` (https://ipython.readthedocs.io/en/stable/interactive/reference.html).

    Raises
    ------
    bbkit.core.errors.InputError
        A value is none of its parameter's type; what is accepted is said.
    """
    declared: dict[str, Parameter] = {}
    for source in namespace.get("In", ()):
        with suppress(SyntaxError):
            annotated = [each for each in ast.parse(source).body if isinstance(each, ast.AnnAssign)]
            declared |= {each.name: each for each in (_parameter(each, {}) for each in annotated) if each}
    for name in declared.keys() & namespace.keys():
        if declared[name].type in _TYPES:
            namespace[name] = declared[name].convert(namespace[name])


def _unknown(name: str, known: Iterable[str], notebook: str) -> str:
    if not known:
        return f"{notebook} takes no parameters (no cell is tagged 'parameters'), so {name!r} cannot be set."
    plain = {re.sub("[_-]", "", other).lower(): other for other in known}
    near = difflib.get_close_matches(re.sub("[_-]", "", name).lower(), plain, n=1, cutoff=0.5)
    guess = f"Did you mean {plain[near[0]]!r}? " if near else ""
    return f"{notebook} has no parameter {name!r}. {guess}It takes {name_some(known, most=12)}."


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


def _kinds(annotation: str) -> list[Any]:
    """Split ``int | None``, ``Optional[int]`` or ``Literal["a", "b"]`` into the types to try in turn."""
    try:
        kinds = _kinds_of(ast.parse(annotation.strip("'\""), mode="eval").body)
    except SyntaxError:
        return [str]
    return sorted(kinds, key=lambda kind: (kind is not NoneType, kind is str))


def _kinds_of(node: ast.expr) -> list[Any]:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [*_kinds_of(left), *_kinds_of(right)]
        case ast.Constant(value=None):
            return [NoneType]
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return [*_kinds_of(inner), NoneType]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            listed = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return [Literal[ast.literal_eval(item)] for item in listed]
        case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name) if name in _TYPES:
            return [_TYPES[name]]
    return [str]


def _describe(kind: Any) -> str:
    return _ACCEPTED.get(kind) or repr(get_args(kind)[0])


def _convert(value: Any, kind: Any) -> Any:
    """Convert a value as msgspec does: a text to what it says, anything else only to its own type."""
    for literal in get_args(kind):
        if value not in (literal, str(literal)):
            raise ValueError(value)
        return literal
    if not isinstance(value, str) or kind is str:
        return msgspec.convert(value, kind)
    text = value.strip()
    if kind in (list, dict):
        return msgspec.json.decode(text, type=kind)
    if kind is NoneType:
        return msgspec.convert({"None": None, "null": None}.get(text, text), NoneType)
    text = _TRUTH.get(text.lower(), text) if kind is bool else text.removeprefix("+")
    converted = msgspec.convert(text, kind, strict=False)
    if kind is float and not math.isfinite(converted):
        raise ValueError(value)
    return converted


def _hint(kinds: list[Any], value: Any) -> str:
    if {int, float} & {*kinds} and isinstance(value, str) and re.fullmatch(r"0[0-9]+", value):
        return "; its leading zero would be lost, so the notebook would have to declare it as str"
    if str in kinds and isinstance(value, int | float):
        return "; write it as text, so that no leading zero is lost"
    return ""
