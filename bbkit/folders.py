"""Folders with the notebooks as files of one's own, set up for a table; git ignores what they will hold."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bbkit as bb
from bbkit.core.errors import InputError
from bbkit.core.files import find_shared, write_text
from bbkit.core.text import count_noun, name_some

_ROWS, _LONGEST_ID, _MOST_GROUPS = 10_000, 64, 20
_TEXT = ("string", "str", "object")
_LIKE_ID = re.compile(r"(?i)(\b|_)(id|key|number|nr|no)(\b|_)|(?-i:[a-z]I[dD]\b)")
_IGNORED = "# Notebooks that ran and runs hold people's words. Delete this file to keep them in git.\n*\n"


def make_folder(folder: Path, table: str = "") -> str:
    """Put the notebooks into a folder, with parameters proposed from a table; what was made, in words."""
    shared = sorted(find_shared("notebooks").glob("*.ipynb"))
    names = [".gitignore", "samples", *(path.name for path in shared)]
    if there := [name for name in names if (folder / name).exists()]:
        raise InputError(f"{folder} already holds {name_some(there)}. Name another folder.")
    values, told = _propose(folder, table) if table else ({"source_uri": "samples/call_transcripts.csv"}, "")
    name = re.sub(r"[^\w-]+", "-", Path(table).stem).strip("-")
    values["run_folder"] = f"runs/{name or 'calls'}"
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / ".gitignore", _IGNORED)
    for path in shared:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if "parameters" in cell["metadata"].get("tags", ()):
                cell["source"] = _set_defaults("".join(cell["source"]), values).splitlines(keepends=True)
        write_text(folder / path.name, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    if not table:
        (folder / "samples").mkdir()
        for path in find_shared("data/samples").glob("*.*"):
            shutil.copy(path, folder / "samples")
    return f"{folder} holds {count_noun(len(shared), 'notebook')}.{told}"


def _set_defaults(source: str, values: Mapping[str, Any]) -> str:
    """Give parameters that are there, each on a line of its own, other values."""
    for name, value in values.items():
        written = json.dumps(value, ensure_ascii=False).replace("\\", r"\\")
        source = re.sub(rf"(?m)^({name}: \w+ = ).*?(?=  #|$)", rf"\g<1>{written}", source)
    return source


def _propose(folder: Path, table: str) -> tuple[dict[str, Any], str]:
    """Propose parameters from the first rows of a table, and say which."""
    data = next(iter(bb.read_source(table, chunk_rows=_ROWS)))
    is_elsewhere = "://" in table or Path(table).is_absolute()
    place = table if is_elsewhere else os.path.relpath(table, folder).replace(os.sep, "/")
    values: dict[str, Any] = {"source_uri": place, "record_id": ""}
    if {"recordId", "modelInput", "custom_id"} & {*map(str, data)}:
        return values, f" {table} holds records, which are taken as they are."
    columns = [row for row in bb.profile_source(data).iloc[1:].to_dict("records") if row["filled"]]
    texts = [row for row in columns if row["type"] in _TEXT and not re.search("[{}]", row["column"])]
    text = max(texts, key=lambda row: row["median"], default={"column": ""})["column"]
    if text:
        values["prompt"] = f"Summarize this text in two to four sentences.\n\n{{{text}}}"
    others = [row for row in columns if row["column"] != text]
    ids = [row["column"] for row in others if _is_id(row, len(data))]
    values["record_id"] = next((name for name in ids if _LIKE_ID.search(name)), (*ids, "")[0])
    values["by"] = next((row["column"] for row in others if _is_group(row)), "")
    named = {"text": text, "record_id": values["record_id"], "by": values["by"]}
    proposed = ", ".join(f"{what} {name!r}" for what, name in named.items() if name)
    return values, f" From {table}: {proposed}." if proposed else ""


def _is_id(row: Mapping[str, Any], rows: int) -> bool:
    """Whether a column tells each row from all others, in few characters."""
    is_whole = row["filled"] == rows and not row["repeated"]
    return is_whole and row["longest"] <= _LONGEST_ID and "float" not in row["type"]


def _is_group(row: Mapping[str, Any]) -> bool:
    distinct = row["filled"] - row["repeated"]
    return 2 <= distinct <= _MOST_GROUPS and 5 * distinct <= row["filled"] and "float" not in row["type"]
