"""Embeddings: Titan text, Titan multimodal, Nova multimodal."""

from collections.abc import Mapping
from typing import Any

from bbkit.core.errors import InputError
from bbkit.core.finding import Finding, make_finding
from bbkit.families import requests as r
from bbkit.families.family import (
    Answer,
    Body,
    Family,
    Prompt,
    as_dict,
    as_int,
    as_list_of_dicts,
    vector_answer,
)
from bbkit.families.messages import S3_LOCATION, medium
from bbkit.families.traits import Model

_GUIDE = "https://docs.aws.amazon.com/bedrock/latest/userguide/"
_NOVA_FORMATS = {
    "image": ("png", "jpeg", "gif", "webp"),
    "video": ("mp4", "mov", "mkv", "webm", "flv", "mpeg", "mpg", "wmv", "3gp"),
    "audio": ("mp3", "wav", "ogg"),
}


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
    vector = output.get("embedding")
    if type(vector) is not list or not vector:
        vector = next((value for value in as_dict(output.get("embeddingsByType")).values() if value), None)
    return Answer(
        input_tokens=as_int(output.get("inputTextTokenCount")),
        embedding=vector if type(vector) is list else None,
    )


def nova_answer(output: Mapping[str, Any]) -> Answer:
    """Read Nova embeddings: one vector, or the list of them (video with separate audio); no token counts."""
    items = as_list_of_dicts(output.get("embeddings"))
    return vector_answer([item["embedding"] for item in items if "embedding" in item])


_TITAN_MISTAKES = {
    **r.COMMON_MISTAKES,
    "texts": r.Mistake("One record embeds one text: use inputText, and one record for each text."),
    "input": r.Mistake("Use inputText."),
    "textGenerationConfig": r.Mistake("Leave it out: an embedding model writes no text."),
    "max_tokens": r.Mistake("Leave it out: an embedding model writes no text."),
    **r.foreign("anthropic or openai_chat", "messages", "anthropic_version"),
    **r.foreign("converse", "inferenceConfig"),
    **r.foreign("nova_embed", "taskType", "singleEmbeddingParams"),
}
_TITAN_TEXT = r.record(
    {
        "inputText": r.required(r.string(min_length=1, max_length=50_000, blank="warning")),
        "dimensions": r.integer(values=(256, 512, 1024)),
        "normalize": r.boolean(),
        "embeddingTypes": r.array(r.string(values=("float", "binary")), min_length=1),
    },
    mistakes={**_TITAN_MISTAKES, **r.foreign("titan_embed_image", "inputImage", "embeddingConfig")},
)
_TITAN_IMAGE = r.record(
    {
        "inputText": r.string(min_length=1, blank="warning"),
        "inputImage": r.string(min_length=1, base64=True),
        "embeddingConfig": r.record({"outputEmbeddingLength": r.integer(values=(256, 384, 1024))}),
    },
    mistakes={
        **_TITAN_MISTAKES,
        **r.foreign("titan_embed_text", "dimensions", "normalize", "embeddingTypes"),
    },
)


def _image_rules(body: Mapping[str, Any], model: Model) -> list[Finding]:
    if "inputText" in body or "inputImage" in body:
        return []
    return [make_finding("required.input", "inputText")]


_PURPOSES = (
    "GENERIC_INDEX",
    "GENERIC_RETRIEVAL",
    "TEXT_RETRIEVAL",
    "IMAGE_RETRIEVAL",
    "VIDEO_RETRIEVAL",
    "DOCUMENT_RETRIEVAL",
    "AUDIO_RETRIEVAL",
    "CLASSIFICATION",
    "CLUSTERING",
)
_ONE_AT_A_TIME = "segmented embeddings belong to asynchronous invocation."
_NOVA_TEXT = r.record(
    {
        "truncationMode": r.required(r.string(values=("START", "END", "NONE"))),
        "value": r.string(min_length=1, blank="warning"),
        "source": r.record({"s3Location": r.required(S3_LOCATION)}),
    },
    exactly_one=(("value", "source"),),
)
_NOVA_PARAMS = r.record(
    {
        "embeddingPurpose": r.required(r.string(values=_PURPOSES)),
        "embeddingDimension": r.integer(values=(256, 384, 1024, 3072)),
        "text": _NOVA_TEXT,
        "image": medium(
            _NOVA_FORMATS["image"], detailLevel=r.string(values=("STANDARD_IMAGE", "DOCUMENT_IMAGE"))
        ),
        "audio": medium(_NOVA_FORMATS["audio"]),
        "video": medium(
            _NOVA_FORMATS["video"],
            embeddingMode=r.required(r.string(values=("AUDIO_VIDEO_COMBINED", "AUDIO_VIDEO_SEPARATE"))),
        ),
    },
    exactly_one=(("text", "image", "audio", "video"),),
)
_NOVA_TASK = r.string(
    values=("SINGLE_EMBEDDING",),
    mistakes={"SEGMENTED_EMBEDDING": r.Mistake(f"Use SINGLE_EMBEDDING: {_ONE_AT_A_TIME}")},
)
_NOVA = r.record(
    {
        "schemaVersion": r.string(values=("nova-multimodal-embed-v1",)),
        "taskType": r.required(_NOVA_TASK),
        "singleEmbeddingParams": r.required(_NOVA_PARAMS),
    },
    mistakes={
        **r.COMMON_MISTAKES,
        **r.foreign("titan_embed_text", "inputText", "dimensions", "normalize"),
        **r.foreign("titan_embed_image", "inputImage", "embeddingConfig"),
        **r.foreign("nova", "messages", "inferenceConfig"),
        "segmentedEmbeddingParams": r.Mistake(f"Use singleEmbeddingParams: {_ONE_AT_A_TIME}"),
    },
)

TITAN_TEXT = Family(
    name="titan_embed_text",
    title="Amazon Titan Text Embeddings",
    source=f"{_GUIDE}model-parameters-titan-embed-text.html",
    answer=titan_answer,
    max_tokens_path=(),
    write=lambda prompt: {"inputText": prompt.text},
    inference={"dimensions": "dimensions", "normalize": "normalize", "embedding_types": "embeddingTypes"},
    request=_TITAN_TEXT,
)
TITAN_IMAGE = Family(
    name="titan_embed_image",
    title="Amazon Titan Multimodal Embeddings",
    source=f"{_GUIDE}model-parameters-titan-embed-mm.html",
    answer=titan_answer,
    max_tokens_path=(),
    write=write_titan_image,
    inference={"dimensions": "embeddingConfig.outputEmbeddingLength"},
    media={"image": ()},
    request=_TITAN_IMAGE,
    rules=_image_rules,
)
NOVA = Family(
    name="nova_embed",
    title="Amazon Nova Multimodal Embeddings",
    source="https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html",
    answer=nova_answer,
    max_tokens_path=(),
    write=write_nova,
    inference={
        "dimensions": "singleEmbeddingParams.embeddingDimension",
        "embedding_mode": "singleEmbeddingParams.video.embeddingMode",
        "embedding_purpose": "singleEmbeddingParams.embeddingPurpose",
        "truncation_mode": "singleEmbeddingParams.text.truncationMode",
    },
    media=_NOVA_FORMATS,
    media_in_s3=True,
    request=_NOVA,
)
