"""What a source looks like before anything is made of it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from bbkit.core.files import read_data
from bbkit.core.frames import COUNT, TEXT, as_frame, require_columns

PROFILE_COLUMNS = {
    "column": TEXT, "type": TEXT, "filled": COUNT, "nulls": COUNT, "repeated": COUNT,
    "shortest": COUNT, "median": COUNT, "longest": COUNT, "languages": TEXT,
}  # fmt: skip
"""One row per column; lengths are characters of the text that goes into a prompt."""

_SAMPLE = 200


def profile_source(data: pd.DataFrame) -> pd.DataFrame:
    """Describe rows before they become records: what is empty, repeated, long, and in which language.

    Parameters
    ----------
    data : pandas.DataFrame
        What `read_source` gave.

    Returns
    -------
    pandas.DataFrame
        One row per column, after one for whole rows: ``column, type``; how many cells are ``filled``, are
        ``nulls``, are ``repeated`` from a row above; ``shortest, median, longest`` in characters;
        ``languages``, a guess from common words or the script of some 200 texts, and their share.

    Raises
    ------
    bbkit.core.errors.InputError
        `data` is no frame, or has a column twice.
    """
    require_columns(data, [], "Pass what read_source returned.")
    texts = pd.DataFrame({str(name): data[name].map(str, na_action="ignore") for name in data}, dtype=object)
    lengths = texts.apply(lambda column: column.map(len, na_action="ignore"))
    whole = lengths.sum(axis=1) if len(texts.columns) else pd.Series(dtype=object)
    incomplete = int(texts.isna().any(axis=1).sum())
    rows = [_describe("(whole rows)", "", whole, texts) | {"nulls": incomplete, "languages": ""}]
    for name, kind in data.dtypes.astype(str).items():
        filled = texts[str(name)].dropna()
        languages = _guess_languages(filled) if kind in ("string", "str", "object") else ""
        rows.append(_describe(str(name), kind, lengths[str(name)], filled) | {"languages": languages})
    return as_frame(rows, PROFILE_COLUMNS)


def _describe(name: str, kind: str, lengths: pd.Series, texts: Any) -> dict[str, Any]:
    ordered = lengths.dropna().sort_values().to_list()
    return {
        "column": name,
        "type": kind,
        "filled": len(ordered),
        "nulls": len(lengths) - len(ordered),
        "repeated": int(texts.duplicated().sum()),
        "shortest": ordered[0] if ordered else None,
        "median": ordered[len(ordered) // 2] if ordered else None,
        "longest": ordered[-1] if ordered else None,
    }


def _guess_languages(texts: pd.Series) -> str:
    sample = texts.sample(min(_SAMPLE, len(texts)), random_state=0).to_list()
    counts = Counter(guess for text in sample if (guess := _guess_language(text)))
    shares = [f"{language} {100 * times / len(sample):.0f} %" for language, times in counts.most_common(3)]
    return ", ".join(shares)


def _guess_language(text: str) -> str:
    """The language whose common words a text has most of, or the script it is in; "" for neither."""
    words = re.findall(r"[^\W\d_]+", text[:2_000].lower())
    common: Iterable[tuple[str, str]] = read_data("languages")["common_words"].items()
    found = Counter({name: sum(map(set(known.split()).__contains__, words)) for name, known in common})
    language, times = found.most_common(1)[0]
    if times >= 3 and 12 * times >= len(words):
        return language
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in "".join(words))
    script = scripts.most_common(1)[0][0].capitalize() if words else ""
    return "" if script == "Latin" else script
