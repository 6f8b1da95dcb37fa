"""DeepSeek R1 text completion: read only, batch inference does not offer it now.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families._base import Answer, Family, first, word

SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html"


def answer(output: Mapping[str, Any]) -> Answer:
    """Read a DeepSeek R1 completion; its reasoning, up to ``</think>``, stays in the text."""
    choice = first(output.get("choices"))
    return Answer(word(choice.get("text")), word(choice.get("stop_reason")))


FAMILY = Family(
    name="deepseek_r1",
    title="DeepSeek R1",
    kind="text",
    body=None,
    answer=answer,
    request=None,
    max_tokens_path=("max_tokens",),
    source=SOURCE,
)
