"""Families that are read and not written, since batch inference does not offer them now.

Titan text, Cohere Command R and Embed, AI21 Jamba, and DeepSeek R1 text completion.
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families import chat
from bbkit.families.family import Answer, read_family, vector_answer
from bbkit.families.reasoning import take_reasoning
from bbkit.families.values import as_int, as_list_of_dicts, as_str, first_dict


def _titan_answer(output: Mapping[str, Any]) -> Answer:
    # Output tokens are the sum over the results.
    results = as_list_of_dicts(output.get("results"))
    counts = [count for result in results if (count := as_int(result.get("tokenCount"))) is not None]
    return Answer(
        "".join(as_str(result.get("outputText")) or "" for result in results) if results else None,
        as_str(first_dict(results).get("completionReason")),
        as_int(output.get("inputTextTokenCount")),
        sum(counts) if counts else None,
    )


def _command_answer(output: Mapping[str, Any]) -> Answer:
    # It reports no tokens.
    calls = [
        {"id": None, "name": call.get("name"), "input": call.get("parameters")}
        for call in as_list_of_dicts(output.get("tool_calls"))
    ]
    return Answer(as_str(output.get("text")), as_str(output.get("finish_reason")), tool_calls=calls or None)


def _embed_answer(output: Mapping[str, Any]) -> Answer:
    # One vector, or the list of them; of several types the first that is there.
    vectors = output.get("embeddings")
    if type(vectors) is dict:
        vectors = vectors.get("float") or next((value for value in vectors.values() if value), None)
    return vector_answer(vectors if type(vectors) is list else [])


def _deepseek_answer(output: Mapping[str, Any]) -> Answer:
    # The prompt of the source opens <think>.
    choice = first_dict(output.get("choices"))
    answer = Answer(as_str(choice.get("text")), as_str(choice.get("stop_reason")))
    return take_reasoning(answer, opened=True)


TITAN_TEXT = read_family("titan_text", _titan_answer)
COHERE_COMMAND = read_family("cohere_command", _command_answer)
COHERE_EMBED = read_family("cohere_embed", _embed_answer)
AI21 = read_family("ai21", chat.answer)
DEEPSEEK_R1 = read_family("deepseek_r1", _deepseek_answer)
