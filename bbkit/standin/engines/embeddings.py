"""A real, simple text embedding: hashed word and character n-grams, signed, normalised.

Deterministic, of any dimension, and the same on every machine: texts that share words and stems are near.
"""

import re
import zlib
from itertools import pairwise

import numpy as np

from bbkit.standin.engines.cues import STOP_WORDS

_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")


def embed_text(text: str, dimension: int, normalise: bool = True) -> np.ndarray:
    """The vector of a text, float64 of length `dimension`; of length one when `normalise`."""
    weights: dict[str, float] = {}
    words = _WORDS.findall(text.lower())
    for word in words:
        light = 0.2 if word in STOP_WORDS else 1.0
        _add(weights, f"w {word}", light)
        if light == 1.0:
            size = 2 if _DENSE.search(word) else 4
            padded = word if size == 2 else f"<{word}>"
            grams = [padded[i : i + size] for i in range(max(len(padded) - size + 1, 1))]
            for gram in grams:
                _add(weights, f"g {gram}", 0.6 / len(grams) ** 0.5)
    for pair in pairwise(words):
        _add(weights, f"p {' '.join(pair)}", 0.3)
    vector = np.zeros(dimension)
    if not weights:
        _add(weights, f"raw {text}", 1.0)
    keys = [zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in weights]
    hashed = (np.asarray(keys, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)
    # Repeats count less than first mentions, as in any bag of words worth having.
    values = np.sqrt(np.fromiter(weights.values(), float)) * np.where(hashed & np.uint64(1), 1.0, -1.0)
    np.add.at(vector, ((hashed >> np.uint64(1)) % np.uint64(dimension)).astype(np.int64), values)
    norm = float(np.linalg.norm(vector))
    return vector / norm if normalise and norm else vector


def embed_bytes(data: bytes, dimension: int) -> np.ndarray:
    """The vector of a binary object, from its histogram of byte pairs: equal objects have equal vectors."""
    array = np.frombuffer(data, dtype=np.uint8).astype(np.uint64)
    pairs = array[:-1] * np.uint64(256) + array[1:] if len(array) > 1 else array
    counts = np.bincount(pairs.astype(np.int64), minlength=1)
    hit = np.flatnonzero(counts).astype(np.uint64)
    hashed = (hit * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)
    vector = np.zeros(dimension)
    values = np.sqrt(counts[hit.astype(np.int64)]) * np.where(hashed & np.uint64(1), 1.0, -1.0)
    np.add.at(vector, ((hashed >> np.uint64(1)) % np.uint64(dimension)).astype(np.int64), values)
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm else vector


def _add(weights: dict[str, float], name: str, weight: float) -> None:
    weights[name] = weights.get(name, 0.0) + weight
