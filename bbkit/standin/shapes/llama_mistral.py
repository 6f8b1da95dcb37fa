"""Bodies and answers of Meta's Llama and Mistral's older models, whose prompts carry chat tokens.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html
and https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html
"""

import re
from typing import Any

from bbkit.standin.engines import Media, Reply, Request, Stop, Turn
from bbkit.standin.shapes import openai_chat
from bbkit.standin.shapes.bodies import check_schema, known, malformed
from bbkit.standin.shapes.contents import decode_base64

_DEFAULT_MAX_TOKENS = 512
_HEADER = re.compile(
    r"<\|(?:start_header_id|header_start)\|>\s*(\w+)\s*<\|(?:end_header_id|header_end)\|>(.*?)"
    r"(?=<\|(?:eot_id|eot|eom_id|eom|end_of_text|start_header_id|header_start)\|>|\Z)",
    re.S,
)
_INSTRUCTION = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=\[INST\]|\Z)", re.S)
_SYSTEM = re.compile(r"<<SYS>>(.*?)<</SYS>>", re.S)
_MARKS = re.compile(r"<\|(?:begin_of_text|end_of_text|image|eot_id|eot)\|>|</?s>")


def read_llama(body: Any, model_id: str) -> Request:
    check_schema(body, "llama")
    system, turns = _read_llama_prompt(body["prompt"])
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
        options=_options(body),
    )


def write_llama(reply: Reply, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    """The answer in Llama's shape; it has no model field."""
    usage = known(prompt_token_count=reply.input_tokens, generation_token_count=reply.output_tokens)
    return {"generation": reply.text, **usage, "stop_reason": _stop(reply)}


def read_mistral_text(body: Any, model_id: str) -> Request:
    check_schema(body, "mistral text")
    system, turns = _read_mistral_prompt(body["prompt"])
    return Request(
        turns, system, body.get("max_tokens"), tuple(body.get("stop") or ()), options=_options(body)
    )


def read_mistral_chat(body: Any, model_id: str) -> Request:
    check_schema(body, "mistral chat")
    system, turns = openai_chat.read_messages(body["messages"])
    tools, choice = openai_chat.read_tools(body)
    return Request(
        turns, system, body.get("max_tokens"), tools=tools, tool_choice=choice, options=_options(body)
    )


def write_mistral_text(reply: Reply, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    return {"outputs": [{"text": reply.text, "stop_reason": _stop(reply)}]}


def write_mistral_chat(reply: Reply, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    """A chat answer; `stop_reason` stands where others have `finish_reason`, and it reports no tokens."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.tool_calls:
        message["tool_calls"] = [call.to_openai() for call in reply.tool_calls]
    stop = "tool_calls" if reply.stop == Stop.TOOL_USE else _stop(reply)
    return {"choices": [{"index": 0, "message": message, "stop_reason": stop}]}


def _options(body: dict[str, Any]) -> dict[str, Any]:
    return known(temperature=body.get("temperature"), top_p=body.get("top_p"))


def _stop(reply: Reply) -> str:
    return "length" if reply.stop == Stop.LENGTH else "stop"


def _read_llama_prompt(prompt: str) -> tuple[str, tuple[Turn, ...]]:
    """System text and turns of a Llama prompt; one without chat tokens is one user turn."""
    blocks = [(match[1], match[2].strip()) for match in _HEADER.finditer(prompt)]
    if not blocks:
        return _read_mistral_prompt(prompt)
    system = "\n".join(text for role, text in blocks if role == "system")
    turns = [
        Turn("assistant" if role == "assistant" else "user", _MARKS.sub("", text))
        for role, text in blocks
        if role != "system" and text
    ]
    return system, tuple(turns)


def _read_mistral_prompt(prompt: str) -> tuple[str, tuple[Turn, ...]]:
    """System text and turns of a prompt with [INST] marks; one without them is one user turn."""
    pairs = _INSTRUCTION.findall(prompt)
    if not pairs:
        return "", (Turn("user", _MARKS.sub("", prompt).strip()),)
    system, turns = "", []
    for asked, answered in pairs:
        found = _SYSTEM.search(asked)
        if found:
            system = found[1].strip()
        turns.append(Turn("user", _SYSTEM.sub("", asked).strip()))
        text = _MARKS.sub("", answered).strip()
        if text:
            turns.append(Turn("assistant", text))
    return system, tuple(turns)
