"""ROUGE of the stand-in's extractive engine against lead-3, on conversations that have references.

    BBKIT_BENCH_DATA=calls.jsonl python tests/benchmarks/bench_engine_rouge.py [--limit N]

A row has `text` (or `transcript`) and `summary` (or `reference_summary`); JSONL or CSV, several paths joined
by the path separator. Lead-3 is measured both as the first three turns and as the first three sentences. The
interval is that of a paired bootstrap over conversations (10,000 resamples, seeded).
"""

import argparse
import csv
import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
from rouge_score.rouge_scorer import RougeScorer

from bbkit.standin.engine_pool import make_engine
from bbkit.standin.engines import Request, Turn

KINDS = ("rouge1", "rouge2", "rougeL")
PROMPT = "Summarize this conversation.\n\n"
MAX_TOKENS = 1024


def read_conversations(path: Path) -> list[tuple[str, str]]:
    """Pairs of conversation and reference; rows without a reference are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]
    pairs = [
        (r.get("text") or r.get("transcript"), r.get("summary") or r.get("reference_summary")) for r in rows
    ]
    return [(text, reference) for text, reference in pairs if text and reference]


def lead_turns(text: str) -> str:
    """The first three turns."""
    return " ".join([line for line in text.split("\n") if line.strip()][:3])


def lead_sentences(text: str) -> str:
    """The first three sentences."""
    return " ".join(re.split(r"(?<=[.!?])\s+|\n+", text.strip())[:3])


def score_all(answers: list[str], references: list[str]) -> np.ndarray:
    """F1 per conversation and kind."""
    scorer = RougeScorer(list(KINDS), use_stemmer=True)
    scores = [scorer.score(reference, answer) for answer, reference in zip(answers, references, strict=True)]
    return np.array([[score[kind].fmeasure for kind in KINDS] for score in scores])


def interval_of(differences: np.ndarray, resamples: int = 10_000) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of paired differences."""
    generator = np.random.default_rng(0)
    means = np.empty(resamples)
    for at in range(0, resamples, 100):
        picks = generator.integers(0, len(differences), (min(100, resamples - at), len(differences)))
        means[at : at + 100] = differences[picks].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def compare(path: Path, limit: int | None) -> bool:
    """Print the comparison for one file; False when an R1 or R2 interval lies below 0."""
    pairs = read_conversations(path)[:limit]
    if not pairs:
        print(f"{path.name}: no row has a reference; skipped")
        return True
    texts, references = [text for text, _ in pairs], [reference for _, reference in pairs]
    engine = make_engine("extractive")
    started = time.perf_counter()
    answers = [
        engine.answer(Request((Turn("user", PROMPT + text),), max_tokens=MAX_TOKENS)).text for text in texts
    ]
    rate = len(texts) / (time.perf_counter() - started)
    ours = score_all(answers, references)
    lengths = [
        float(np.median([len(text.split()) for text in column])) for column in (texts, references, answers)
    ]
    print(f"{path.name}: {len(pairs)} conversations, {rate:.0f} records/s")
    print("  median words: conversation {:.0f}, reference {:.0f}, answer {:.0f}".format(*lengths))
    good = True
    for name, lead in (("lead-3 turns", lead_turns), ("lead-3 sentences", lead_sentences)):
        theirs = score_all([lead(text) for text in texts], references)
        for column, kind in enumerate(KINDS):
            low, high = interval_of(ours[:, column] - theirs[:, column])
            ours_mean, theirs_mean = ours[:, column].mean(), theirs[:, column].mean()
            print(f"  {kind:7s} extractive {ours_mean:.4f}  {name} {theirs_mean:.4f}", end="  ")
            print(f"difference {ours_mean - theirs_mean:+.4f}  95 % interval [{low:+.4f}, {high:+.4f}]")
            good &= kind == "rougeL" or low >= 0
    return good


def main() -> int:
    """Compare on every file BBKIT_BENCH_DATA names; exit 1 when an interval of R1 or R2 is not above 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=None, help="conversations per file")
    arguments = parser.parse_args()
    paths = [Path(part) for part in os.environ.get("BBKIT_BENCH_DATA", "").split(os.pathsep) if part]
    if not paths:
        print("SKIPPED: BBKIT_BENCH_DATA names no conversations with references", file=sys.stderr)
        return 0
    files = [file for path in paths for file in (sorted(path.glob("*.jsonl")) if path.is_dir() else [path])]
    results = [compare(file, arguments.limit) for file in files]
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
