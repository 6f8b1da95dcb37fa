"""Cohere Command R and Embed: read only, batch inference does not offer them now.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families._base import Answer, Family, objects, word

COMMAND_SOURCE = (
    "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html"
)
EMBED_SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html"


def command_answer(output: Mapping[str, Any]) -> Answer:
    """Read a Command R answer; it reports no tokens."""
    calls = [
        {"id": None, "name": call.get("name"), "input": call.get("parameters")}
        for call in objects(output.get("tool_calls"))
    ]
    return Answer(word(output.get("text")), word(output.get("finish_reason")), tool_calls=calls or None)


def embed_answer(output: Mapping[str, Any]) -> Answer:
    """Read Cohere embeddings: one vector, or the list of them; of several types the first that is there."""
    vectors = output.get("embeddings")
    if type(vectors) is dict:
        vectors = vectors.get("float") or next((value for value in vectors.values() if value), None)
    if type(vectors) is not list or not vectors:
        return Answer()
    return Answer(embedding=vectors[0] if len(vectors) == 1 else vectors)


COMMAND = Family(
    name="cohere_command",
    title="Cohere Command R",
    kind="text",
    body=None,
    answer=command_answer,
    request=None,
    max_tokens_path=("max_tokens",),
    source=COMMAND_SOURCE,
)
EMBED = Family(
    name="cohere_embed",
    title="Cohere Embed",
    kind="embedding",
    body=None,
    answer=embed_answer,
    request=None,
    max_tokens_path=(),
    source=EMBED_SOURCE,
)
