"""Every error bbkit raises: what was found, what is accepted and its source, what to do next.

Each class has two parents: `BbkitError`, so that one `except` catches all of ours, and the Python class
one would guess. Arguments of the wrong kind are refused here too.
"""

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from numbers import Integral, Real
from typing import Any


class BbkitError(Exception):
    """Base of every error that bbkit raises on purpose. Its text is one or two sentences for a person."""


class InputError(BbkitError, ValueError):
    """A parameter has a value that cannot be used."""


class ExtraError(BbkitError, ImportError):
    """A part of bbkit that is installed by name, such as ``bbkit[notebooks]``, is not."""


class SourceError(BbkitError, ValueError):
    """A source file cannot be read as the table it should be."""


class FamilyError(BbkitError, LookupError):
    """The family of a model cannot be told, or no family has that name."""


class QuotaError(BbkitError, ValueError):
    """Records cannot be arranged within the quotas of a batch job."""


class BudgetError(BbkitError, ValueError):
    """A run may cost more than its budget, or its cost is unknown."""


class RecordsError(BbkitError, ValueError):
    """Records that Bedrock or the model would refuse.

    Attributes
    ----------
    findings : bbkit.core.frames.Findings
        What was found, one row per finding.
    """

    def __init__(self, message: str, findings: object = None):
        super().__init__(message)
        self.findings = findings


class RunError(BbkitError, RuntimeError):
    """A run cannot do what was asked in the state it is in."""


class RunExistsError(BbkitError, FileExistsError):
    """The folder already holds a run or something else."""


class RunNotFoundError(BbkitError, FileNotFoundError):
    """The folder holds no run."""


class PlaceError(BbkitError, PermissionError):
    """A run was made for another endpoint, account or region than the one now in use."""


class CredentialsError(BbkitError, PermissionError):
    """There are no usable AWS credentials.

    Attributes
    ----------
    expired : bool
        Whether there were some, which may be renewed beside us, such as by ``aws sso login``.
    """

    def __init__(self, message: str, *, expired: bool = False):
        super().__init__(message)
        self.expired = expired


class AwsError(BbkitError, RuntimeError):
    """AWS refused a call, and there is something to say about what to do.

    Attributes
    ----------
    code : str
        The error code of AWS, such as ``AccessDeniedException``; empty where none came.
    """

    def __init__(self, message: str, code: str = ""):
        super().__init__(message)
        self.code = code


class ReportError(BbkitError, RuntimeError):
    """A notebook could not be run or rendered to the end."""


def as_names(value: Any, name: str, accepted: Sequence[str], hint: str = "") -> list[str]:
    """Take names from a list, or from a text that separates them by spaces."""
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, Iterable) or isinstance(names, bytes):
        raise InputError(f"{name} is {value!r}. It is a list of {', '.join(accepted)}.")
    chosen = list(names)
    for one in chosen:
        if one not in accepted:
            from difflib import get_close_matches

            near = get_close_matches(str(one).lower(), [each.lower() for each in accepted], 1)
            meant = next((f" Did you mean {each!r}?" for each in accepted if each.lower() in near), "")
            raise InputError(f"{name} names {one!r}. It takes {', '.join(accepted)}.{meant}{hint}")
    return chosen


def as_mapping(value: Any, name: str) -> dict[str, Any]:
    """Take a mapping, or a text such as ``team: care, stage=trial``."""
    if not isinstance(value, str):
        return dict(value or {})
    pairs = [re.split("[:=]", pair, maxsplit=1) for pair in value.split(",") if pair.strip()]
    if not all(len(pair) == 2 and pair[0].strip() for pair in pairs):
        raise InputError(f"{name} is {value!r}. It takes pairs parted by commas, such as 'this: that'.")
    return {key.strip(): text.strip() for key, text in pairs}


def validate_number(
    value: Any, name: str, *, least: float, most: float | None = None, whole: bool = False, what: str = ""
) -> None:
    is_number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if is_number and value >= least and (most is None or value <= most):
        return
    shown = value if is_number else repr(value)
    raise InputError(f"{name} is {shown}. {what}")


_MODULES = {
    "notebooks": ("ipywidgets", "jupyterlab", "nbconvert", "nh3", "papermill", "tinycss2"),
    "standin": ("starlette", "uvicorn"),
    "excel": ("openpyxl",),
    "schemas": ("jsonschema", "referencing"),
}
"""What shows that an extra of pyproject.toml is there."""


def require_extras(what: str, *extras: str) -> None:
    """Stop, with the command to type, where an extra that `what` needs is not installed."""
    if "standin" in extras and find_spec("fcntl") is None:
        raise ExtraError(f"{what} needs Linux or macOS. On Windows, run it inside WSL.")
    missing = {name: [each for each in _MODULES[name] if find_spec(each) is None] for name in extras}
    if wanted := [name for name in extras if missing[name]]:
        modules = " and ".join(each for name in wanted for each in missing[name])
        raise ExtraError(
            f"{what} needs {modules}, not installed here. Type: pip install 'bbkit[{','.join(wanted)}]'"
        )
