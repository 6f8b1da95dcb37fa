"""The accounting: one sentence, numbers that add up, and a frame that does not claim more than it holds."""

import copy
import pickle
from pathlib import Path

import pandas as pd
import pytest
from output_files import error_line, nova_line, write_outputs

import bbkit as bb
from bbkit.core.errors import InputError
from bbkit.core.frames import BUNDLE

_HOSTILE = b'{"recordId": "<b>$5</b>", "modelOutput": {"generation": "x"}}'
_SENTENCE = (
    "160 sent = 157 succeeded + 2 errored + 1 missing; 1 unreadable line, 2 duplicate lines, 1 unexpected id"
)


@pytest.fixture
def outputs(tmp_path: Path) -> pd.DataFrame:
    lines = [nova_line(f"{n:03}") for n in range(157)] + [error_line("157"), error_line("158"), b"{cut"]
    lines += [nova_line("000"), nova_line("001"), _HOSTILE]
    return bb.collect_outputs(
        write_outputs(tmp_path / "x.jsonl.out", lines), sent=[f"{n:03}" for n in range(160)]
    )


def test_the_sentence_adds_up_and_leaves_zero_terms_out(outputs: pd.DataFrame, tmp_path: Path):
    told = bb.accounting(outputs)
    assert str(told) == told.sentence == _SENTENCE
    assert not told.complete
    path = write_outputs(tmp_path / "all.jsonl.out", [nova_line("a"), nova_line("b")])
    whole = bb.accounting(bb.collect_outputs(path, sent=["b", "a"]))
    assert (whole.sentence, whole.complete) == ("2 sent = 2 succeeded", True)
    nothing = bb.accounting(bb.collect_outputs(path, sent=[]))
    assert nothing.sentence == "0 sent; 2 unexpected ids"
    assert not nothing.complete


def test_the_table_has_one_row_per_outcome(outputs: pd.DataFrame):
    table = bb.accounting(outputs).table
    assert table["outcome"].tolist() == ["succeeded", "errored", "missing", "pending"]
    assert table["records"].tolist() == [157, 2, 1, 0]
    assert table["share"].sum() == pytest.approx(1)


def test_thousands_are_separated(tmp_path: Path):
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("0")])
    told = bb.accounting(bb.collect_outputs(path, sent=[str(n) for n in range(1234)]))
    assert told.sentence == "1,234 sent = 1 succeeded + 1,233 missing"


def test_it_shows_sentence_table_and_numbers_and_escapes_what_models_wrote(outputs: pd.DataFrame):
    shown = bb.accounting(outputs)._repr_mimebundle_()
    assert shown["text/plain"].startswith("160 sent = ")
    assert shown["text/html"].index("160 sent") < shown["text/html"].index("<table")
    assert "mathjax_ignore" in shown["text/html"]
    assert "<b>$5</b>" not in shown["text/html"]
    assert "$5" in shown["text/html"]
    assert shown[BUNDLE]["numbers"] == {
        "sent": 160, "succeeded": 157, "errored": 2, "missing": 1, "pending": 0,
        "cut_off": 0, "unreadable": 1, "duplicate": 2, "unexpected": 1, "ambiguous": 0,
    }  # fmt: skip
    assert shown[BUNDLE]["rows"][2] == {"outcome": "missing", "records": 1, "share": pytest.approx(1 / 160)}


def test_a_selection_never_claims_to_be_the_whole(outputs: pd.DataFrame):
    whole = bb.accounting(outputs).sentence
    for part in (
        outputs[outputs["outcome"] == "errored"],
        outputs.head(159),
        outputs.iloc[:0],
        pd.concat([outputs, outputs]),
        pd.concat([outputs.iloc[:80], outputs.iloc[:80]]),
        outputs.sample(160, replace=True, random_state=1),
        pd.DataFrame(outputs.to_dict("list")),
    ):
        told = bb.accounting(part)
        assert told.sentence.startswith(f"{len(part):,} rows selected")
        assert not told.complete and told.numbers["sent"] is None
        assert told.numbers["errored"] == (part["outcome"] == "errored").sum()
    for same in (
        outputs.sort_values("outcome"),
        outputs.sample(frac=1, random_state=1),
        outputs.assign(label=1),
        outputs.set_index("record_id", drop=False),
        outputs.sort_values("text").reset_index(drop=True),
        copy.deepcopy(outputs),
        pickle.loads(pickle.dumps(outputs)),
    ):
        assert bb.accounting(same).sentence == whole
        assert len(bb.accounting(same).lines) == 4


def test_it_survives_parquet_by_its_numbers(outputs: pd.DataFrame, tmp_path: Path):
    outputs.to_parquet(tmp_path / "kept.parquet")
    assert (
        bb.accounting(pd.read_parquet(tmp_path / "kept.parquet")).sentence == bb.accounting(outputs).sentence
    )


def test_an_accounting_is_its_own_accounting(outputs: pd.DataFrame, tmp_path: Path):
    told = bb.accounting(outputs)
    assert bb.accounting(told) is told
    with pytest.raises(InputError, match="into="):
        _ = told.dataset
    with pytest.raises(InputError, match="'outcome'"):
        bb.accounting(pd.DataFrame({"a": [1]}))
