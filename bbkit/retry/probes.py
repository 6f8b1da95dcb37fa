"""A few records, tried on demand before the rest."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from bbkit.core.errors import validate_number
from bbkit.core.frames import COUNT, OUTPUT_COLUMNS, TEXT
from bbkit.core.panels import render_panel
from bbkit.costs import CostEstimate, estimate_cost
from bbkit.outputs import collect_outputs
from bbkit.records.input_sets import file_lines
from bbkit.records.lines import read_records
from bbkit.retry.on_demand import append_line, send_records
from bbkit.run import Run, RunSnapshot, as_run


def is_cut_off(outputs: pd.DataFrame) -> pd.Series:
    """Tell which answers stopped at their maximum of output tokens."""
    return outputs["outcome"].isin(["succeeded"]) & outputs["stop_reason"].isin(["length"])


class Probe(pd.DataFrame):
    """Real answers to a few records: columns `OUTPUT_COLUMNS` and ``input_bytes``, and what they say of the
    whole.
    """

    @property
    def _constructor(self) -> type["Probe"]:
        return Probe

    @property
    def sentence(self) -> str:
        """What came back, what was cut off, and the cost of the whole extrapolated from it with its range."""
        return str(self.attrs.get("sentence", ""))

    def _repr_html_(self) -> str:
        return render_panel("probe", self.sentence, [("", pd.DataFrame(self))])


def probe_records(run: Run, n: int = 5, *, dry_run: bool = False) -> Probe | CostEstimate:
    """Send a few records on demand, with exactly the body of the batch, before the rest.

    Parameters
    ----------
    run : Run
        A run with records.
    n : int
        How many, 1 to 50; they are spread over the length of the input, the shortest and the longest among
        them.
    dry_run : bool
        Send nothing; price these records on demand.

    Returns
    -------
    Probe or CostEstimate
        A DataFrame with one row per record tried: columns `OUTPUT_COLUMNS` and ``input_bytes`` (Int64). Its
        ``.sentence`` says what came back and what the whole may cost; ``estimate_cost(run, probe=...)``
        takes it. Of a dry run, what these records may cost.

    Raises
    ------
    bbkit.core.errors.RunError
        The run has no records.
    bbkit.core.errors.InputError
        `n` is out of range.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials.
    bbkit.core.errors.AwsError
        AWS refused what holds for every record.
    """
    validate_number(n, "n", least=1, most=50, whole=True, what="A probe takes 1 to 50 records.")
    snapshot = RunSnapshot.read(as_run(run))
    run, files = snapshot.run, [file for file in snapshot.files if file.attempt == 1]
    snapshot.require_records()
    snapshot.access.ensure()
    sizes = np.fromiter((len(line) for file in files for line in file_lines(str(file.path))), dtype=np.int64)
    order = np.argsort(sizes, kind="stable")
    places = np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int)
    chosen = set(order[places].tolist())
    # A record without an id of its own, which Bedrock would name, goes by its number here.
    every = (record for file in files for record in read_records(file.path))
    records = [
        (record_id if record_id is not None else f"record {number + 1}", body)
        for number, (record_id, body) in enumerate(every)
        if number in chosen
    ]
    if dry_run:
        return estimate_cost(records, run.model_id, family=run.family, prices=run.price_file)
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "probe.jsonl.out").open("wb") as stream:
            for line in send_records(snapshot, records, concurrency=min(len(records), 5)):
                append_line(stream, line)
        frame = collect_outputs(folder, model_id=run.model_id, sent=[name for name, _ in records])
    frame["tier"] = pd.array(["on_demand"] * len(frame), dtype=TEXT)
    lengths = dict(zip((name for name, _ in records), sizes[sorted(chosen)].tolist(), strict=True))
    frame["input_bytes"] = pd.array([lengths[name] for name in frame["record_id"]], dtype=COUNT)
    probe = Probe(frame[[*OUTPUT_COLUMNS, "input_bytes"]])
    probe.attrs = {
        "sentence": _describe_probe(probe, len(sizes), estimate_cost(run, probe=probe, attempt=1).sentence)
    }
    return probe


def _describe_probe(probe: pd.DataFrame, records: int, cost: str) -> str:
    counts = probe["outcome"].value_counts()
    parts = " + ".join(f"{number} {outcome}" for outcome, number in counts.items())
    cut = int(is_cut_off(probe).sum())
    cut_off = f", {cut} of them cut off ({cut / len(probe):.0%})" if cut else ", none cut off"
    totals = {name: probe[f"{name}_tokens"].sum(min_count=1) for name in ("input", "output")}
    tokens = " and ".join(
        f"{name} tokens not reported" if pd.isna(total) else f"{total:,} {name} tokens"
        for name, total in totals.items()
    )
    return (
        f"{len(probe)} of {records:,} records sent on demand = {parts}{cut_off}; {tokens}. The whole: {cost}"
    )
