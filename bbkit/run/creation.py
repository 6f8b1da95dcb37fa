"""How a run comes to be: a folder made whole, its description, its copy of a price file."""

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bbkit.catalog.prices import load_prices
from bbkit.core.errors import RunExistsError
from bbkit.core.files import move, write_text

if TYPE_CHECKING:
    from bbkit.run.run import Run

PRICES = "prices.json"
"""The copy of a price file of one's own within a run."""


def slug(name: str) -> str:
    """Make of a name what may stand in a job's name and in an S3 key that Bedrock takes."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).lstrip("-.")[:24].rstrip("-.")
    return plain or "run"


def validate_vacant(folder: Path) -> None:
    """Make sure that a folder can become a run."""
    if _is_bare(folder):
        return
    if (folder / "run.json").exists():
        raise RunExistsError(f"{folder} already holds a run. Open it with Run.open, or name another folder.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunExistsError(f"{folder} exists and is not an empty folder. Name another folder.")


def _is_bare(folder: Path) -> bool:
    """Tell whether a folder is a run without records, jobs, outputs and anything else."""
    if not (folder / "run.json").is_file():
        return False
    return {item.name for item in folder.iterdir()} <= {"run.json", ".gitignore", "source.parquet", PRICES}


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder beside its name, then rename it: it is there whole or not at all."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        (made / ".gitignore").write_text("*\n")
        yield made
        made.chmod(0o755)
        if _is_bare(folder):
            gone = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
            move(folder, gone)
            shutil.rmtree(gone)
        try:
            move(made, folder)
        except OSError as error:
            validate_vacant(folder)
            raise RunExistsError(f"{folder} cannot become a run: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def keep_prices(prices: str | Path, folder: Path) -> None:
    """Copy a price file of one's own into a run, so that a copied or moved run has it."""
    if prices:
        load_prices(prices)
        write_text(folder / PRICES, Path(prices).read_text("utf-8-sig"))


def write_description(run: "Run", folder: Path) -> None:
    """Write ``run.json``."""
    described = {name: value for name, value in vars(run).items() if name not in ("folder", "endpoint")}
    where = {"endpoint": run.endpoint.url, "account": run.endpoint.account, "region": run.endpoint.region}
    described |= where | {"created_at": run.created_at.isoformat()}
    write_text(folder / "run.json", json.dumps(described, indent=1, ensure_ascii=False))
