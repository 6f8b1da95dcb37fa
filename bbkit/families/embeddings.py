"""Embeddings: Titan text, Titan multimodal, Nova multimodal.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html and
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.core.errors import InputError
from bbkit.core.findings import Finding
from bbkit.families._base import (
    Answer,
    Body,
    Family,
    Prompt,
    encode,
    mapping,
    media_bytes,
    objects,
    own_format,
    refuse_media,
    take,
    whole,
)
from bbkit.families.requests import (
    COMMON_MISTAKES,
    Field,
    Mistake,
    Request,
    always_silent,
    array,
    boolean,
    error_at,
    foreign,
    integer,
    record,
    required,
    string,
)

TEXT_SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html"
IMAGE_SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html"
NOVA_SOURCE = "https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html"


_NOVA_FORMATS = {
    "image": ("png", "jpeg", "gif", "webp"),
    "video": ("mp4", "mov", "mkv", "webm", "flv", "mpeg", "mpg", "wmv", "3gp"),
    "audio": ("mp3", "wav", "ogg"),
}


def titan_text_body(prompt: Prompt, *, max_tokens: int | None = None, **inference: Any) -> Body:
    """Write a Titan text-embedding body; an embedding has no output tokens, so `max_tokens` has no use."""
    _refuse_system(prompt, "titan_embed_text")
    refuse_media(prompt, "titan_embed_text")
    names = {"dimensions": "dimensions", "normalize": "normalize", "embedding_types": "embeddingTypes"}
    return {"inputText": prompt.text} | take(inference, names, "titan_embed_text")


def titan_image_body(prompt: Prompt, *, max_tokens: int | None = None, **inference: Any) -> Body:
    """Write a Titan multimodal-embedding body: a text, an image or both; `max_tokens` has no use."""
    _refuse_system(prompt, "titan_embed_image")
    refuse_media(prompt, "titan_embed_image", ("image",))
    if len(prompt.media) > 1:
        raise InputError(
            f"Family titan_embed_image takes one image a record; it was given {len(prompt.media)}."
        )
    written: Body = {"inputText": prompt.text} if prompt.text else {}
    if prompt.media:
        written["inputImage"] = media_bytes(prompt.media[0], "titan_embed_image")
    if sent := take(inference, {"dimensions": "outputEmbeddingLength"}, "titan_embed_image"):
        written["embeddingConfig"] = sent
    return written


def nova_body(
    prompt: Prompt,
    *,
    max_tokens: int | None = None,
    embedding_purpose: str = "GENERIC_INDEX",
    truncation_mode: str = "END",
    **inference: Any,
) -> Body:
    """Write a Nova multimodal-embedding body for one text, image, video or audio; `max_tokens` has no use."""
    _refuse_system(prompt, "nova_embed")
    refuse_media(prompt, "nova_embed", tuple(_NOVA_FORMATS))
    if len(prompt.media) + bool(prompt.text) > 1:
        raise InputError("Family nova_embed takes one text or one medium a record; it was given several.")
    names = {"dimensions": "embeddingDimension", "embedding_mode": ""}
    mode = inference.pop("embedding_mode", None)
    single: Body = {"embeddingPurpose": embedding_purpose} | take(inference, names, "nova_embed")
    if not prompt.media:
        single["text"] = {"truncationMode": truncation_mode, "value": prompt.text}
        return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": single}
    media = prompt.media[0]
    place = {"s3Location": {"uri": media.s3_uri}} if media.s3_uri else {"bytes": encode(media.data or b"")}
    called = {"jpg": "jpeg", "three_gp": "3gp"}
    form = own_format(media, "nova_embed", _NOVA_FORMATS[media.kind], called)
    medium: Body = {"format": form, "source": place}
    if media.kind == "video":
        medium["embeddingMode"] = mode or "AUDIO_VIDEO_COMBINED"
    single[media.kind] = medium
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": single}


def _refuse_system(prompt: Prompt, family: str) -> None:
    if prompt.system:
        raise InputError(f"Family {family} makes embeddings and takes no system text. Leave system empty.")


def titan_answer(output: Mapping[str, Any]) -> Answer:
    """Read a Titan embedding, of the first type that is there; it has no ``usage``."""
    vector = output.get("embedding")
    if type(vector) is not list:
        vector = next((value for value in mapping(output.get("embeddingsByType")).values() if value), None)
    return Answer(
        input_tokens=whole(output.get("inputTextTokenCount")),
        embedding=vector if type(vector) is list else None,
    )


def nova_answer(output: Mapping[str, Any]) -> Answer:
    """Read Nova embeddings: one vector, or the list of them (video with separate audio); no token counts."""
    vectors = [item["embedding"] for item in objects(output.get("embeddings")) if "embedding" in item]
    if not vectors:
        return Answer()
    return Answer(embedding=vectors[0] if len(vectors) == 1 else vectors)


_TITAN_MISTAKES = {
    **COMMON_MISTAKES,
    "texts": Mistake("One record embeds one text: use inputText, and one record for each text."),
    "input": Mistake("Use inputText."),
    "textGenerationConfig": Mistake("Leave it out: an embedding model writes no text."),
    "max_tokens": Mistake("Leave it out: an embedding model writes no text."),
    **foreign("anthropic or openai_chat", "messages", "anthropic_version"),
    **foreign("converse", "inferenceConfig"),
    **foreign("nova_embed", "taskType", "singleEmbeddingParams"),
}
_TITAN_TEXT = record(
    {
        "inputText": required(string(min_length=1, max_length=50_000, blank="warning")),
        "dimensions": integer(values=(256, 512, 1024)),
        "normalize": boolean(),
        "embeddingTypes": array(string(values=("float", "binary")), min_length=1),
    },
    mistakes={**_TITAN_MISTAKES, **foreign("titan_embed_image", "inputImage", "embeddingConfig")},
)
_TITAN_IMAGE = record(
    {
        "inputText": string(min_length=1, blank="warning"),
        "inputImage": string(min_length=1, base64=True),
        "embeddingConfig": record({"outputEmbeddingLength": integer(values=(256, 384, 1024))}),
    },
    mistakes={**_TITAN_MISTAKES, **foreign("titan_embed_text", "dimensions", "normalize", "embeddingTypes")},
)


def _image_rules(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    if "inputText" in body or "inputImage" in body:
        return []
    return [
        error_at(
            "inputText",
            "required",
            "Neither inputText nor inputImage is there.",
            "Give a text, an image or both.",
        )
    ]


_S3 = record(
    {
        "uri": required(string(min_length=1, prefix=("s3://",))),
        "bucketOwner": string(min_length=12, max_length=12),
    }
)
_SOURCE = record(
    {"bytes": string(min_length=1, base64=True), "s3Location": _S3},
    exactly_one=(("bytes", "s3Location"),),
    mistakes={"url": Mistake("Send the bytes as base64, or a place in S3.", "url_media")},
)


def _medium(formats: tuple[str, ...], members: dict[str, Field] | None = None) -> Field:
    return record(
        {"format": required(string(values=formats)), "source": required(_SOURCE), **(members or {})}
    )


_NOVA_IMAGE = _medium(
    _NOVA_FORMATS["image"], {"detailLevel": string(values=("STANDARD_IMAGE", "DOCUMENT_IMAGE"))}
)
_NOVA_VIDEO = _medium(
    _NOVA_FORMATS["video"],
    {"embeddingMode": required(string(values=("AUDIO_VIDEO_COMBINED", "AUDIO_VIDEO_SEPARATE")))},
)
_NOVA = record(
    {
        "schemaVersion": string(values=("nova-multimodal-embed-v1",)),
        "taskType": required(
            string(
                values=("SINGLE_EMBEDDING",),
                mistakes={
                    "SEGMENTED_EMBEDDING": Mistake(
                        "Use SINGLE_EMBEDDING: segmented embeddings belong to asynchronous invocation."
                    )
                },
            )
        ),
        "singleEmbeddingParams": required(
            record(
                {
                    "embeddingPurpose": required(
                        string(
                            values=(
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
                        )
                    ),
                    "embeddingDimension": integer(values=(256, 384, 1024, 3072)),
                    "text": record(
                        {
                            "truncationMode": required(string(values=("START", "END", "NONE"))),
                            "value": string(min_length=1, blank="warning"),
                            "source": record({"s3Location": required(_S3)}),
                        },
                        exactly_one=(("value", "source"),),
                    ),
                    "image": _NOVA_IMAGE,
                    "audio": _medium(_NOVA_FORMATS["audio"]),
                    "video": _NOVA_VIDEO,
                },
                exactly_one=(("text", "image", "audio", "video"),),
            )
        ),
    },
    mistakes={
        **COMMON_MISTAKES,
        **foreign("titan_embed_text", "inputText", "dimensions", "normalize"),
        **foreign("titan_embed_image", "inputImage", "embeddingConfig"),
        **foreign("nova", "messages", "inferenceConfig"),
        "segmentedEmbeddingParams": Mistake(
            "Use singleEmbeddingParams: segmented embeddings belong to asynchronous invocation."
        ),
    },
)


def _family(name: str, title: str, **parts: Any) -> Family:
    return Family(name=name, title=title, kind="embedding", max_tokens_path=(), **parts)


TITAN_TEXT = _family(
    "titan_embed_text",
    "Amazon Titan Text Embeddings",
    body=titan_text_body,
    answer=titan_answer,
    request=Request(body=_TITAN_TEXT, silent=always_silent, source=TEXT_SOURCE, date="2026-10"),
    source=TEXT_SOURCE,
)
TITAN_IMAGE = _family(
    "titan_embed_image",
    "Amazon Titan Multimodal Embeddings",
    body=titan_image_body,
    answer=titan_answer,
    request=Request(body=_TITAN_IMAGE, rules=_image_rules, source=IMAGE_SOURCE, date="2026-10"),
    source=IMAGE_SOURCE,
)
NOVA = _family(
    "nova_embed",
    "Amazon Nova Multimodal Embeddings",
    body=nova_body,
    answer=nova_answer,
    request=Request(body=_NOVA, silent=always_silent, source=NOVA_SOURCE, date="2026-10"),
    source=NOVA_SOURCE,
)
