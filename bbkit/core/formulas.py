"""Formulas that a spreadsheet would run, in texts of others: guarded when written, restored when read."""

import re

# Blanks, marks and quotes that a spreadsheet may pass over, and what begins a formula behind them.
_BLANK = r" \x00-\x08\x0b\x0c\x0e-\x1f\x85\xa0\"'"
_BLANK += "\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff"
_BEGUN = rf"[{_BLANK};\t\r\n]*[=+\-@＝＋－＠]"
_FORMULA = re.compile(_BEGUN)
MAY_RUN = rf"(?:^|[;\t\r\n]){_BEGUN}"
"""What no text is without that `guard_formulas` changes, for Arrow's expressions too."""
# In the dialects of ; and tab a cell is cut there, quoted or not. A hyphen before a blank begins a list.
_CUT = rf"(?=[{_BLANK}]*(?:[=@＝＠]|[+\-＋－](?:[^\s+\-*]|[^;\t\r\n]*(?:\w\(|[|!]))))"
_BARE, _GUARDED = re.compile(rf"([;\t\r\n]){_CUT}"), re.compile(rf"([;\t\r\n])'{_CUT}")


def guard_formulas(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run, at the start or behind another delimiter."""
    text = _BARE.sub(r"\1'", text)
    return f"'{text}" if _FORMULA.match(text) else text


def restore_formulas(text: str) -> str:
    """Take the apostrophes of `guard_formulas` out again."""
    text = text[1:] if text[:1] == "'" and _FORMULA.match(text) else text
    return _GUARDED.sub(r"\1", text)
