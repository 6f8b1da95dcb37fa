"""Amazon Titan text: read only, batch inference does not offer it now.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families._base import Answer, Family, first, objects, whole, word

SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html"


def answer(output: Mapping[str, Any]) -> Answer:
    """Read a Titan text answer; output tokens are the sum over its results."""
    results = objects(output.get("results"))
    counts = [count for result in results if (count := whole(result.get("tokenCount"))) is not None]
    return Answer(
        "".join(word(result.get("outputText")) or "" for result in results) if results else None,
        word(first(results).get("completionReason")),
        whole(output.get("inputTextTokenCount")),
        sum(counts) if counts else None,
    )


FAMILY = Family(
    name="titan_text",
    title="Amazon Titan Text",
    kind="text",
    body=None,
    answer=answer,
    request=None,
    max_tokens_path=("textGenerationConfig", "maxTokenCount"),
    source=SOURCE,
)
