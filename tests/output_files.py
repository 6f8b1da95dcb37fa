"""Output files as Bedrock writes them, made by hand for tests of what reads them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd


def nova_line(
    record_id: Any, text: str = "Fine.", *, stop: str = "end_turn", tokens: tuple[int, int] = (9, 4)
) -> dict:
    """A line of an Amazon Nova job, keys in the order the service writes them."""
    return {
        "modelInput": {
            "messages": [{"role": "user", "content": [{"text": "How was it?"}]}],
            "inferenceConfig": {"maxTokens": 100},
        },
        "modelOutput": {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": stop,
            "usage": {"inputTokens": tokens[0], "outputTokens": tokens[1], "totalTokens": sum(tokens)},
        },
        "recordId": record_id,
    }


def error_line(
    record_id: Any, code: int = 400, message: str = "bad request", *, inside: bool = False
) -> dict:
    """A line of a record that failed, in the documented shape or with the code inside modelOutput."""
    fault: dict[str, Any] = {"errorCode": code, "errorMessage": message}
    if inside:
        fault |= {"expired": False, "retryable": False}
        return {"recordId": record_id, "modelInput": {"max_tokens": 7}, "modelOutput": fault}
    return {"modelInput": {"max_tokens": 7}, "error": fault, "recordId": record_id}


def write_outputs(path: Path, lines: Iterable[dict | bytes | str], *, end: bytes = b"\n") -> Path:
    """Write lines, objects as JSON, bytes and text as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(_bytes(line) for line in lines) + end)
    return path


def _bytes(line: dict | bytes | str) -> bytes:
    if isinstance(line, bytes):
        return line
    return (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)).encode()


def write_manifest(folder: Path, succeeded: int, errored: int, **more: int) -> None:
    """Write the manifest of a job beside its files."""
    total = succeeded + errored
    manifest = {
        "totalRecordCount": total,
        "processedRecordCount": total,
        "successRecordCount": succeeded,
        "errorRecordCount": errored,
        **more,
    }
    (folder / "manifest.json.out").write_text(json.dumps(manifest))


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a file or folder as pandas 3 does: under pandas 2 too, texts lie in Arrow's memory."""
    with pd.option_context("mode.string_storage", "pyarrow"):
        return pd.read_parquet(path)
