"""Input that does not fit the context window of a model, as far as an estimate can tell."""

from typing import Any

from bbkit.catalog.models import find_model
from bbkit.core.findings import Finding
from bbkit.families import Family, user_text_of
from bbkit.records import estimate_tokens

_SAMPLE = 1 << 16
_PARTS = 16


class WindowCheck:
    """Estimates the tokens of records that are long enough to matter."""

    def __init__(self, model_id: str, family: Family):
        model = find_model(model_id)
        self.model_id = model_id
        self.family = model.family if model else family.name
        self.window = model.context_window if model else None
        self.source = model.context_window_source if model else None
        # A token is seldom shorter than two bytes: shorter lines fit whatever they hold.
        self.bytes = 2 * self.window if self.window else None

    def faults(self, body: Any) -> list[Finding]:
        """Report a text that is estimated to be longer than the window."""
        if self.window is None or type(body) is not dict:
            return []
        window = self.window
        if "context-1m" in str(body.get("anthropic_beta", "")):
            window = max(window, 1_000_000)
        text = user_text_of(body)
        sample = _sample(text)
        estimate = estimate_tokens([(None, {"prompt": sample})], family=self.family)
        scale = len(text) / max(1, len(sample))
        tokens, low = estimate.input_tokens * scale, estimate.low * scale
        if tokens <= window:
            return []
        severity = "error" if low > window else "warning"
        finding = (
            f"The input is about {tokens:,.0f} tokens (an estimate, {estimate.error:.0%} off either way); "
            f"{self.model_id} reads {window:,} ({self.source})."
        )
        return [Finding(severity, "context_window", finding, "Shorten or split the text.")]


def _sample(text: str) -> str:
    if len(text) <= 4 * _SAMPLE:
        return text
    part = _SAMPLE // _PARTS
    step = len(text) // _PARTS
    return "".join(text[start : start + part] for start in range(0, step * _PARTS, step))
