"""How counts, nouns, sizes and names are written in sentences."""

import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SINGULAR = {"are": "is", "were": "was", "have": "has", "hold": "holds", "answer": "answers"}


def name_some(values: Iterable[object], *, most: int = 3) -> str:
    """Quote up to `most` values and count the rest: ``'a', 'b', 'c' and 41 more``."""
    listed = [str(value) for value in values]
    text = ", ".join(repr(value) for value in listed[:most])
    return f"{text} and {len(listed) - most:,} more" if len(listed) > most else text


def split_names(text: str, known: Iterable[str] = ()) -> list[str]:
    """Part a text into names, such as columns.

    Parameters
    ----------
    text : str
        Names parted by commas or blanks.
    known : iterable of str
        Names that may hold commas and blanks themselves.

    Returns
    -------
    list of str
        The names in their order, those that are not known too.
    """
    own = sorted((re.escape(name) for name in map(str, known) if name), key=len, reverse=True)
    return re.findall("(?:" + "|".join([*own, r"[^,\s]+"]) + r")(?![^,\s])", text)


def count_noun(count: int, noun: str, verb: str = "") -> str:
    """``1 record``, ``1,200 records``; with a verb such as ``are``, ``1 record is``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}{agree(count, verb)}"


def agree(count: int, verb: str) -> str:
    """A blank and the verb in the number that goes with the count; empty for no verb."""
    return f" {_SINGULAR[verb] if count == 1 else verb}" if verb else ""


def share_of(count: int, total: int, noun: str, verb: str = "") -> str:
    """``12 of 160 records (7.5 %) are``."""
    share = count / total
    percent = f"{100 * share:.1f}" if share >= 0.001 else f"{100 * share:.2g}"
    return f"{count:,} of {count_noun(total, noun)} ({percent} %){agree(count, verb)}"


def format_number(value: float) -> str:
    """``1,200`` or ``0.1235``: no decimals where it is whole or large, otherwise four digits."""
    is_plain = 1000 <= abs(value) < 1e15 or (abs(value) < 1e15 and float(value).is_integer())
    return f"{value:,.0f}" if is_plain else f"{value:,.4g}"


def format_usd(amount: Any) -> str:
    """Write an amount of US dollars: two digits after the point, more where it is small."""
    import pandas as pd  # here, so that `bbkit --help` does not wait for it

    if amount is None or pd.isna(amount):
        return "not known"
    size = abs(float(amount))
    if 0 < size < 5e-9:
        return "less than $0.00000001"
    digits = 2
    if 0 < size < 0.995:
        digits = 3 if size >= 0.1 else min(8, 1 - math.floor(math.log10(size)))
    sign = "-" if amount < 0 else ""
    return f"{sign}${size:,.{digits}f}"


def arn_region(arn: str) -> str:
    """The region that an ARN names; empty where it names none, or is no ARN."""
    return arn.split(":")[3] if arn.startswith("arn:") and arn.count(":") >= 5 else ""


def whole_characters(value: Any) -> Any:
    """JSON data whose surrogate pairs are joined; a lone half, which no file can hold, becomes U+FFFD."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {whole_characters(name): whole_characters(item) for name, item in value.items()}
    return value


# C0 and C1, halves of characters, and what turns the direction of the text after it.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def show_controls(text: str, keep: str = "") -> str:
    """Write what a terminal would obey as ``\\x1b``, except what is to be kept."""
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def one_line(value: object, most: int) -> str:
    """A text on one line, cut with an ellipsis where it is longer than `most` characters."""
    line = " ".join(str(value).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


_WIDTH, _LONG = 100, 44
_NUMBER = re.compile(r"(?:[-−+]?\$?[-−]?\d[\d,.]*(?: ?%)?|not known|)")


def are_numbers(texts: Iterable[str]) -> bool:
    """Whether texts are numbers, amounts, shares or nothing: those stand to the right."""
    return all(map(_NUMBER.fullmatch, texts))


def wrap(text: str, indent: str = "") -> str:
    """Break lines for a terminal, at blanks only, so that what is copied stays whole."""
    below = f"{indent}  "
    fill = textwrap.TextWrapper(
        _WIDTH, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(fill.fill(f"{indent}{line}") for line in text.split("\n"))


def lay_out(table: Mapping[Any, Sequence[str]]) -> list[str]:
    """Lines of plain text for columns of texts: those that fit in a line, and below it the others, whole."""
    cells = {str(name): [show_controls(text, "\n") for text in column] for name, column in table.items()}
    beside, room = {}, _WIDTH
    for name, column in cells.items():
        width = max(map(len, [name, *column]))
        if width <= min(_LONG, room) and not any("\n" in text for text in column):
            beside[name], room = width, room - width - 2
    right = {name for name in beside if are_numbers(cells[name])}
    rows = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
    lines = []
    for row in [{name: name for name in beside}, *rows] if rows else []:
        line = (row[name].rjust(n) if name in right else row[name].ljust(n) for name, n in beside.items())
        lines += [text] if (text := "  ".join(line).rstrip()) else []
        below = {name: row[name] for name in cells if name not in beside and row.get(name)}
        brief = ", ".join(
            f"{name} {text}".replace(" ", "\xa0") for name, text in below.items() if len(text) <= _LONG
        )
        long = (f"{name}: {text}" for name, text in below.items() if len(text) > _LONG)
        lines += [wrap(text, "  ").replace("\xa0", " ") for text in (*long, brief) if text]
    return lines
