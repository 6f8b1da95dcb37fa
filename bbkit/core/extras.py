"""Parts of bbkit that are installed by name, and what to type where one is missing."""

from importlib.util import find_spec

from bbkit.core.errors import ExtraError

_MODULES = {
    "notebooks": ("ipywidgets", "jupyterlab", "nbconvert", "nh3", "papermill", "tinycss2"),
    "standin": ("nanio", "starlette", "uvicorn"),
    "excel": ("openpyxl",),
}
"""What shows that an extra of pyproject.toml is there."""


def require_extras(what: str, *extras: str) -> None:
    """Stop, with the command to type, where an extra that `what` needs is not installed."""
    if "standin" in extras and find_spec("fcntl") is None:
        raise ExtraError(f"{what} needs Linux or macOS. On Windows, run it inside WSL.")
    missing = [name for name in extras if not all(map(find_spec, _MODULES[name]))]
    if missing:
        raise ExtraError(
            f"{what} needs more than is installed. Type: pip install 'bbkit[{','.join(missing)}]'"
        )
