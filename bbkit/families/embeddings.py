"""Embeddings: Titan text, Titan multimodal, Nova multimodal."""

from collections.abc import Iterator, Mapping
from typing import Any

from bbkit.core.errors import InputError
from bbkit.core.finding import Finding, make_finding
from bbkit.families.family import Answer, Body, Prompt, read_family, vector_answer
from bbkit.families.traits import Model
from bbkit.families.values import as_dict, as_int, as_list_of_dicts, is_vector


def write_titan_image(prompt: Prompt) -> Body:
    """Write a Titan multimodal-embedding body: a text, an image or both."""
    if len(prompt.media) > 1:
        raise InputError(
            f"Family titan_embed_image takes one image a record; it was given {len(prompt.media)}."
        )
    written: Body = {"inputText": prompt.text} if prompt.text else {}
    if prompt.media:
        written["inputImage"] = prompt.media[0].base64
    return written


def write_nova(prompt: Prompt) -> Body:
    """Write a Nova multimodal-embedding body for one text, image, video or audio."""
    if len(prompt.media) + bool(prompt.text) > 1:
        raise InputError("Family nova_embed takes one text or one medium a record; it was given several.")
    single: Body = {"embeddingPurpose": "GENERIC_INDEX"}
    for media in prompt.media:
        single[media.kind] = {"format": media.format, "source": media.source}
        if media.kind == "video":
            single[media.kind]["embeddingMode"] = "AUDIO_VIDEO_COMBINED"
    if not prompt.media:
        single["text"] = {"truncationMode": "END", "value": prompt.text}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": single}


def titan_answer(output: Mapping[str, Any]) -> Answer:
    """Read a Titan embedding, of the first type that is there; it has no ``usage``."""
    vectors = (output.get("embedding"), *as_dict(output.get("embeddingsByType")).values())
    return Answer(
        input_tokens=as_int(output.get("inputTextTokenCount")),
        embedding=next(filter(is_vector, vectors), None),
    )


def nova_answer(output: Mapping[str, Any]) -> Answer:
    """Read Nova embeddings: one vector, or the list of them (video with separate audio); no token counts."""
    items = as_list_of_dicts(output.get("embeddings"))
    answer = vector_answer([item["embedding"] for item in items if "embedding" in item])
    is_cut = any(as_int(item.get("truncatedCharLength")) for item in items)
    return answer._replace(remarks="truncated_input") if is_cut else answer


def _image_rules(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    if "inputText" not in body and "inputImage" not in body:
        yield make_finding("required.input", "inputText")


TITAN_TEXT = read_family("titan_embed_text", titan_answer, lambda prompt: {"inputText": prompt.text})
TITAN_IMAGE = read_family("titan_embed_image", titan_answer, write_titan_image, _image_rules)
NOVA = read_family("nova_embed", nova_answer, write_nova)
