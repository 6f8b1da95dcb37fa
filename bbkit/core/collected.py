"""What `collect_outputs` counted beside the rows of its frame, and how that travels with the frame."""

import json
from typing import Any

import msgspec
import pandas as pd

_KEY = "bbkit"


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of outputs beside their rows; `numbers` count records, `rows` the frame's by outcome."""

    numbers: dict[str, int | None] = {}
    rows: dict[str, int] = {}
    notes: list[str] = []
    manifests: list[dict[str, Any]] = []
    jobs: dict[str, dict[str, str]] = {}
    unsent: list[dict[str, Any]] | None = None
    unmatched: list[dict[str, Any]] = []
    paths: dict[str, str] = {}
    sent_paths: list[str] = []
    price_file: str = ""
    is_standin: bool = False

    def attach(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Let a frame carry this, as JSON text, which pandas copies, pickles and stores for nothing."""
        frame.attrs[_KEY] = json.dumps(msgspec.to_builtins(self))
        return frame

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Collected":
        """What a frame carries; of a frame that was not collected, nothing."""
        text = frame.attrs.get(_KEY)
        return msgspec.convert(json.loads(text), cls) if isinstance(text, str) else cls()
