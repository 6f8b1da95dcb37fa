"""How the values of a column lie, in a few bars: of all rows, and of those that pass."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from bbkit.core.panels import render
from bbkit.explorers.rows import Rows
from bbkit.explorers.views import column_of

_BINS = 16


class Distribution(NamedTuple):
    """The bin of each row, 0 for what is not known, how many each holds, and what they are in words."""

    bins: np.ndarray
    counts: np.ndarray
    title: str

    @classmethod
    def of(cls, rows: Rows, name: str) -> "Distribution | None":
        """That of a column of the list; None of ids, and of texts where all would have to be read."""
        if name == "record_id" or (name == "text" and rows.is_dataset):
            return None
        if name == "ended":
            reasons = rows["stop_reason"].astype("string").fillna(rows["outcome"].astype("string"))
            names = list(reasons.value_counts().index)[:_BINS]
            bins, title = pd.Categorical(reasons, names).codes + 1, ", ".join(names)
        else:
            values = (
                rows.compute(name, pc.utf8_length).to_pandas() if name == "text" else rows[column_of(name)]
            )
            numbers = values.to_numpy(float, na_value=np.nan)
            low, high, most = np.nanquantile(numbers, [0, 0.99, 1]) if values.notna().any() else (0, 0, 0)
            places = np.clip((numbers - low) // ((high - low) / _BINS or 1), 0, _BINS - 1)
            bins, title = np.nan_to_num(places + 1).astype(np.int8), f"{low:,.0f} to {most:,.0f}"
        return cls(bins, np.bincount(bins, minlength=_BINS + 1)[1:], title)

    def show(self, chosen: np.ndarray) -> str:
        """Draw all in grey and the chosen rows before them."""
        counts = np.bincount(self.bins[chosen], minlength=_BINS + 1)[1:]
        most = max(self.counts.max(initial=0), 1)
        heights = [
            (100 * whole / most, 100 * some / max(whole, 1))
            for whole, some in zip(self.counts, counts, strict=True)
        ]
        return render("bars", room="explorers", heights=heights, title=self.title)
