"""Bodies and answers of the embedding models. The vectors are always the stand-in's own, whatever the engine.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html and
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
"""

import re
import zlib
from itertools import pairwise
from typing import Any

import numpy as np

from bbkit.standin.engines import count_tokens, cut_tokens
from bbkit.standin.engines.texts import STOP_WORDS
from bbkit.standin.errors import refuse_record
from bbkit.standin.images import check_images
from bbkit.standin.shapes.bodies import check_schema, malformed
from bbkit.standin.shapes.contents import decode_base64

_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_NOVA_KINDS = ("text", "image", "video", "audio")
_TITAN_IMAGE_TOKENS = 256


Embedded = tuple[dict[str, Any], int | None]
"""An answer and the tokens it took; None where only media were read, which nobody counts in tokens here."""


def answer_titan_text(body: Any) -> Embedded:
    """Titan text embeddings v2: floats under `embedding`, and by type; no usage."""
    check_schema(body, "titan text")
    text, dimension = body["inputText"], body.get("dimensions") or 1024
    vector = embed_text(text, dimension, body.get("normalize") is not False)
    made = {"float": vector.tolist(), "binary": (vector > 0).astype(int).tolist()}
    types = body.get("embeddingTypes") or ["float"]
    by_type = {name: numbers for name, numbers in made.items() if name in types}
    head = {"embedding": made["float"]} if "float" in types else {}
    tokens = count_tokens(text)
    return {**head, "embeddingsByType": by_type, "inputTextTokenCount": tokens}, tokens


def answer_titan_image(body: Any) -> Embedded:
    """Titan multimodal embeddings: text, image, or the mean of both."""
    check_schema(body, "titan image")
    text, image = body.get("inputText"), body.get("inputImage")
    if not text and not image:
        raise malformed("#: at least one of [inputText] and [inputImage] is required")
    dimension = (body.get("embeddingConfig") or {}).get("outputEmbeddingLength") or 1024
    vectors = []
    tokens = count_tokens(text) if text else 0
    if tokens > _TITAN_IMAGE_TOKENS:
        raise refuse_record("many_tokens", most=_TITAN_IMAGE_TOKENS, tokens=tokens)
    if text:
        vectors.append(embed_text(text, dimension))
    if image:
        data = _decode(image, "#/inputImage")
        check_images([data], "amazon.titan-embed-image-v1")
        vectors.append(embed_bytes(data, dimension))
    mean = _normalise(np.mean(vectors, axis=0))
    return {"embedding": mean.tolist(), "inputTextTokenCount": tokens, "message": None}, tokens


def answer_nova(body: Any) -> Embedded:
    """Nova multimodal embeddings: one vector, two for audio and video apart; it reports no tokens."""
    check_schema(body, "nova embeddings")
    params = body["singleEmbeddingParams"]
    given = [kind for kind in _NOVA_KINDS if params.get(kind) is not None]
    if len(given) != 1:
        raise malformed(
            f"#/singleEmbeddingParams: exactly one of {', '.join(_NOVA_KINDS)} is required, "
            f"found {len(given)}"
        )
    kind, dimension = given[0], params.get("embeddingDimension") or 3072
    value = params[kind]
    if kind == "text":
        embedding, tokens = _nova_text(value, dimension)
        return {"embeddings": [embedding]}, tokens
    data = _read_source(value["source"], f"#/singleEmbeddingParams/{kind}/source")
    names = [kind.upper()]
    if kind == "video":
        mode = value["embeddingMode"]
        names = ["VIDEO", "AUDIO"] if mode == "AUDIO_VIDEO_SEPARATE" else [mode]
    vectors = [
        {"embeddingType": name, "embedding": embed_bytes(name.encode() + data, dimension).tolist()}
        for name in names
    ]
    return {"embeddings": vectors}, None


def _nova_text(value: dict[str, Any], dimension: int) -> tuple[dict[str, Any], int]:
    """Text up to 8,192 tokens; beyond that `truncationMode` decides."""
    if ("value" in value) == ("source" in value):
        raise malformed("#/singleEmbeddingParams/text: exactly one of [value] and [source] is required")
    text = value.get("value")
    if text is None:
        data = _read_source(value.get("source") or {}, "#/singleEmbeddingParams/text/source")
        text = data.decode("utf-8", "replace")
    shortened, tokens, cut = cut_tokens(text, 8192)
    answer: dict[str, Any] = {"embeddingType": "TEXT"}
    if cut and value["truncationMode"] == "NONE":
        raise refuse_record("long_text")
    if cut and value["truncationMode"] == "START":
        shortened = text[-len(shortened) :]
    answer["embedding"] = embed_text(shortened, dimension).tolist()
    if cut:
        answer["truncatedCharLength"] = len(shortened)
    return answer, tokens


def _read_source(source: dict[str, Any], where: str) -> bytes:
    """The bytes given inline; for an S3 object its address stands for it (engines do not reach into S3)."""
    if source.get("s3Location"):
        return str(source["s3Location"]["uri"]).encode()
    return _decode(source.get("bytes") or "", f"{where}/bytes")


def _decode(value: str, where: str) -> bytes:
    data = decode_base64(value)
    if not data:
        raise malformed(f"{where}: not valid base64")
    return data


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
    if not weights:
        _add(weights, f"raw {text}", 1.0)
    keys = np.asarray(
        [zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in weights], dtype=np.uint64
    )
    vector = _spread(keys, np.fromiter(weights.values(), float), dimension)
    return _normalise(vector) if normalise else vector


def embed_bytes(data: bytes, dimension: int) -> np.ndarray:
    """The vector of a binary object, from its histogram of byte pairs: equal objects have equal vectors."""
    array = np.frombuffer(data, dtype=np.uint8).astype(np.uint64)
    pairs = array[:-1] * np.uint64(256) + array[1:] if len(array) > 1 else array
    counts = np.bincount(pairs.astype(np.int64), minlength=1)
    present = np.flatnonzero(counts)
    return _normalise(_spread(present.astype(np.uint64), counts[present], dimension))


def _normalise(vector: np.ndarray) -> np.ndarray:
    return vector / (float(np.linalg.norm(vector)) or 1.0)


def _spread(keys: np.ndarray, weights: np.ndarray, dimension: int) -> np.ndarray:
    """Add the weights at hashed places with hashed signs; repeats count less than first mentions."""
    hashed = (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)
    values = np.sqrt(weights) * np.where(hashed & np.uint64(1), 1.0, -1.0)
    vector = np.zeros(dimension)
    np.add.at(vector, ((hashed >> np.uint64(1)) % np.uint64(dimension)).astype(np.int64), values)
    return vector


def _add(weights: dict[str, float], name: str, weight: float) -> None:
    weights[name] = weights.get(name, 0.0) + weight
