"""What deserves attention in parsed answers: each cause for which they cannot be used, and what cures it."""

from collections.abc import Iterator

import pandas as pd

from bbkit.answers import list_fields
from bbkit.core.files import read_data
from bbkit.core.findings import Finding
from bbkit.core.frames import Collected
from bbkit.core.text import one_line, share_of
from bbkit.diagnostics.answers import finding_on


def iter_validity(outputs: pd.DataFrame, head: pd.DataFrame) -> Iterator[Finding]:
    """What is to be said of parsed answers, by frequency; `head` has the columns of their fields."""
    if "validity" not in outputs:
        return
    answers = outputs[outputs["validity"].notna()]
    for cause, count in answers["validity"].value_counts().items():
        if cause == "valid" or not count:
            continue
        said, alike = read_data("answers")["invalid"][cause], answers[answers["validity"] == cause]
        errors = alike["answer_error"].value_counts()
        most = f", most often {one_line(errors.index[0], 80)!r} ({errors.iloc[0]:,})" if len(errors) else ""
        verb, _, what = said["are"].partition(" ")
        found = f"{share_of(count, len(answers), 'answer', verb)} {what} (accepted: 0){most}."
        yield finding_on(alike, "warning", f"invalid_{cause}", found, said["cure"])
    fields = list_fields(Collected.of(head).schema or {})
    for name in fields:
        column = f"answer.{name}"
        if fields[name] == "Int64" and column in head and head[column].dtype != "Int64":
            found = f"{one_line(column, 60)} has an integer beyond 64 bits, so the column is JSON text."
            yield Finding("info", "big_integers", found, "Read it with int(), or let the schema say string.")
