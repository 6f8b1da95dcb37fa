"""What the core does in a few seconds: outputs, charts, checks, exports, on whatever versions are installed.

    python tests/smoke.py        # needs bbkit alone: no extra, no pytest

``.ci/run`` runs it under the lowest versions that pyproject.toml names, and docs/runs-in.md says where else.
"""

import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import pandas as pd

import bbkit as bb
from bbkit import charts

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


def main(folder: Path) -> None:
    outputs = bb.collect_outputs(SAMPLES / "outputs")
    assert len(outputs) == 65
    assert {str(kind) for kind in outputs.dtypes} == {"string", "Int64"}
    assert {kind.storage for kind in outputs.select_dtypes("string").dtypes} == {"pyarrow"}

    for name in ("outcomes", "stop_reasons", "token_usage", "input_output", "output_lengths", "errors"):
        figure = getattr(charts, name)(outputs)
        assert figure.data and figure.layout.title.text and len(figure.to_json()) > 1000, name
    assert charts.cost(bb.cost_of(outputs)).layout.title.text
    assert charts.stop_reasons(outputs, by="family").data

    calls = bb.read_source(SAMPLES / "call_transcripts.csv")
    records = bb.build_records(
        calls, "amazon.nova-lite-v1:0", prompt="Summarize: {transcript}", record_id="call_id"
    )
    assert len(records) == len(calls) == 120
    assert bb.check_records(records, "amazon.nova-lite-v1:0").empty
    records["model_input"].iloc[0]["inferenceConfig"] = {"maxTokens": -1}
    assert not bb.check_records(records, "amazon.nova-lite-v1:0").empty
    schema = {"jsonSchema": {"schema": '{"type": "object", "additionalProperties": false}'}}
    structured = {
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": schema}},
    }
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    found = bb.check_records([("1", structured)] * 100, model, invocation_type="Converse")
    assert "outputConfig" not in " ".join(found["finding"]), found

    bb.export_records(outputs, folder / "rows.parquet")
    again = pd.read_parquet(folder / "rows.parquet")
    assert again["input_tokens"].isna().sum() == outputs["input_tokens"].isna().sum()
    bb.export_records(outputs, folder / "rows.csv")
    assert len(pd.read_csv(folder / "rows.csv")) == len(outputs)


if __name__ == "__main__":
    warnings.simplefilter("error", FutureWarning)
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
    names = (
        "numpy",
        "pandas",
        "pyarrow",
        "plotly",
        "boto3",
        "botocore",
        "msgspec",
        "jinja2",
        "filelock",
    )
    print("bbkit works with", ", ".join(f"{name} {version(name)}" for name in names))
