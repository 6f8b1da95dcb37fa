"""How the values of a column lie, in a few bars: of all rows, and of those that pass."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from bbkit.core.panels import render
from bbkit.explorers.rows import Rows

_BINS = 16


class Distribution(NamedTuple):
    """The bin of each row, 0 for what is not known, how many each holds, and what they are in words."""

    bins: np.ndarray
    counts: np.ndarray
    title: str

    @classmethod
    def of(cls, rows: Rows, name: str) -> "Distribution | None":
        """That of a column of the list; None of ids, and of texts where all would have to be read."""
        if name == "ended":
            reasons = (
                rows["stop_reason"]
                .astype("string")
                .fillna(rows["outcome"].astype("string"))
                .fillna("not known")
            )
            codes, values = pd.factorize(reasons)
            order = np.argsort(-np.bincount(codes, minlength=len(values)), kind="stable")
            places = np.empty(len(values), int)
            places[order] = np.arange(1, len(values) + 1)
            bins = np.minimum(places[codes], _BINS) if len(values) else codes
            title = ", ".join(map(str, values[order][:_BINS]))
        elif name == "record_id" or (name == "text" and rows.is_dataset):
            return None
        else:
            if name == "text":
                numbers, unit = rows.compute("text", pc.utf8_length).to_numpy(), "characters"
            else:
                numbers, unit = rows[f"{name}_tokens"].to_numpy(float, na_value=np.nan), "tokens"
            known = numbers[~np.isnan(numbers.astype(float))]
            low, high = (known.min(), np.quantile(known, 0.99)) if len(known) else (0, 0)
            width = (high - low) / _BINS or 1
            bins = np.nan_to_num(np.clip((numbers - low) // width, 0, _BINS - 1) + 1).astype(np.int8)
            title = f"{low:,.0f} to {known.max() if len(known) else 0:,.0f} {unit}, 99 % up to {high:,.0f}"
        return cls(bins.astype(np.int8), np.bincount(bins, minlength=_BINS + 1)[1:], title)

    def show(self, chosen: np.ndarray) -> str:
        """Draw all in grey and the chosen rows before them."""
        counts = np.bincount(self.bins[chosen], minlength=_BINS + 1)[1:]
        most = max(self.counts.max(initial=0), 1)
        heights = [
            (100 * whole / most, 100 * some / max(whole, 1))
            for whole, some in zip(self.counts, counts, strict=True)
        ]
        return render("bars", room="explorers", heights=heights, title=self.title)
