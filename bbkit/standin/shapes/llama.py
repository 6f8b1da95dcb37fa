"""Meta Llama's own bodies and answers (InvokeModel).

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html
"""

from typing import Any

from bbkit.standin.engines.base import CUT_OFF, Media, Reply, Request, Turn
from bbkit.standin.shapes.bodies import Field, check_schema, known, malformed
from bbkit.standin.shapes.chat_tokens import read_llama
from bbkit.standin.shapes.media import decode_base64

_DEFAULT_MAX_TOKENS = 512
_BODY = Field(
    "object",
    fields={
        "prompt": Field("string", required=True, min_size=1),
        "max_gen_len": Field("integer", minimum=1, maximum=8192),
        "temperature": Field("number", minimum=0, maximum=1),
        "top_p": Field("number", minimum=0, maximum=1),
        "images": Field("array", items=Field("string")),
    },
)


def read_body(body: Any, model_id: str) -> Request:
    """Check the body as the model would, and read it."""
    check_schema(body, _BODY)
    system, turns = read_llama(body["prompt"])
    media = []
    for number, image in enumerate(body.get("images") or ()):
        data = decode_base64(image)
        if data is None:
            raise malformed(f"#/images/{number}: not valid base64")
        media.append(Media("image", "", data))
    if media and turns:
        turns = (*turns[:-1], Turn(turns[-1].role, turns[-1].text, tuple(media)))
    limit = body.get("max_gen_len")
    return Request(
        turns=turns,
        system=system,
        max_tokens=_DEFAULT_MAX_TOKENS if limit is None else limit,
        options={name: body[name] for name in ("temperature", "top_p") if body.get(name) is not None},
    )


def write_answer(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    """The answer in Llama's shape; it has no model field."""
    answer: dict[str, Any] = {"generation": reply.text}
    answer |= known(prompt_token_count=reply.input_tokens, generation_token_count=reply.output_tokens)
    answer["stop_reason"] = "length" if reply.stop == CUT_OFF else "stop"
    return answer
