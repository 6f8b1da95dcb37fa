"""What messages hold beside plain text: documents, media, and the blocks that Converse and Nova share."""

import base64
import binascii
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

from bbkit.standin.engines import Media, Reply, Request, Stop, Tool, ToolCall, ToolResult, Turn
from bbkit.standin.errors import RecordError, refuse_record
from bbkit.standin.shapes.bodies import known
from bbkit.standin.shapes.grammar import check_grammar

STOPS = {
    Stop.END: "end_turn",
    Stop.LENGTH: "max_tokens",
    Stop.SEQUENCE: "stop_sequence",
    Stop.TOOL_USE: "tool_use",
    Stop.FILTERED: "content_filtered",
}
MEDIA = ("image", "document", "video", "audio")
_TEXT_FORMATS = frozenset(("txt", "md", "csv", "html", "plain", "text", "markdown", "json", "xml"))


class _Page(HTMLParser):
    """Gathers the text of a page, without its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.parts.append("\n" if tag in ("p", "br", "div", "li", "tr") else " ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= self._hidden > 0 and tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def decode_base64(value: Any) -> bytes | None:
    """The bytes of a base64 string; None when it is not one."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def read_document(data: bytes, form: str) -> str | None:
    """The text of a plain-text document; None when the format is a binary one or the bytes are not UTF-8."""
    if form.lower() not in _TEXT_FORMATS:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if form.lower() != "html":
        return text
    page = _Page()
    page.feed(text)
    page.close()
    return "".join(page.parts)


def document_part(data: bytes | None, form: str, name: str = "") -> tuple[str, Media | None]:
    """A document as text, or as media where it cannot be read as text."""
    text = read_document(data, form) if data is not None else None
    return (text, None) if text is not None else ("", Media("document", form, data, name))


def check_messages(messages: list[dict[str, Any]]) -> None:
    """Who speaks when, no blank text and no message without content, in Converse's words."""
    if messages[0]["role"] != "user":
        raise refuse_record("first_turn")
    if any(before["role"] == after["role"] for before, after in pairwise(messages)):
        raise refuse_record("alternate")
    for number, message in enumerate(messages):
        if not message["content"]:
            raise refuse_record("no_content", number=number)
        for place, block in enumerate(message["content"]):
            if "text" in block and not (block["text"] or "").strip():
                raise refuse_record("blank_text", number=number, place=place)


def read_request(body: dict[str, Any], max_tokens: int | None, options: dict[str, Any]) -> Request:
    """A body as an engine needs it; documents of text become text of their turn."""
    tools, choice = _read_tools(body.get("toolConfig"))
    turns = tuple(_read_turn(message, number) for number, message in enumerate(body["messages"]))
    system = "\n".join(block["text"] for block in body.get("system") or () if "text" in block)
    stops = tuple((body.get("inferenceConfig") or {}).get("stopSequences") or ())
    return Request(turns, system, max_tokens, stops, tools, choice, options)


def _read_tools(config: dict[str, Any] | None) -> tuple[tuple[Tool, ...], str]:
    if not config:
        return (), "auto"
    tools: tuple[Tool, ...] = ()
    for spec in (tool["toolSpec"] for tool in config.get("tools", ()) if tool.get("toolSpec")):
        schema = spec.get("inputSchema", {}).get("json", {})
        tools += (Tool(spec["name"], spec.get("description", ""), schema),)
        at, strict = f"toolConfig.tools.{spec['name']}.inputSchema.json", spec.get("strict") is True
        check_grammar(schema, at, closed=False, strict=strict)
    choice = config.get("toolChoice") or {"auto": {}}
    named = choice["tool"]["name"] if "tool" in choice else next(iter(choice))
    check_choice(named, tools)
    return tools, named


def check_choice(choice: str, tools: tuple[Tool, ...]) -> None:
    if choice not in ("auto", "none", *(tool.name for tool in tools)) and (choice != "any" or not tools):
        raise RecordError(f"The tool choice {choice!r} is none of the tools of this request.")


def write_output(reply: Reply) -> dict[str, Any]:
    """The assistant's message (reasoning when there is some, text, tool calls), why it ended, its tokens."""
    content: list[dict[str, Any]] = []
    if reply.reasoning:
        content.append({"reasoningContent": {"reasoningText": {"text": reply.reasoning}}})
    if reply.text or not reply.tool_calls:
        content.append({"text": reply.text})
    content += [
        {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.input}}
        for call in reply.tool_calls
    ]
    message = {"role": "assistant", "content": content}
    usage = known(
        inputTokens=reply.fresh_tokens, outputTokens=reply.output_tokens, totalTokens=reply.total_tokens
    )
    answer = {"output": {"message": message}, "stopReason": STOPS[Stop(reply.stop)]}
    return answer | ({"usage": usage} if usage else {})


def _read_turn(message: dict[str, Any], number: int) -> Turn:
    texts, media, calls, results = [], [], [], []
    for place, block in enumerate(message["content"]):
        for kind, value in block.items():
            where = f"messages.{number}.content.{place}.{kind}"
            match kind:
                case "text":
                    texts.append(value)
                case "document":
                    text, part = _read_document(value, where)
                    texts += [text] if text else []
                    media += [part] if part else []
                case "image" | "video" | "audio":
                    media.append(
                        Media(kind, value.get("format", ""), _read_bytes(value.get("source"), where))
                    )
                case "toolUse":
                    calls.append(ToolCall(value["toolUseId"], value["name"], value.get("input") or {}))
                case "toolResult":
                    results.append(ToolResult(value["toolUseId"], _result_text(value.get("content"))))
                case "guardContent":
                    texts.append((value.get("text") or {}).get("text", ""))
    return Turn(message["role"], "\n\n".join(texts), tuple(media), tuple(calls), tuple(results))


def _read_document(value: dict[str, Any], where: str) -> tuple[str, Media | None]:
    source = value.get("source") or {}
    if "text" in source:
        return source["text"], None
    if "content" in source:
        return "\n".join(block.get("text", "") for block in source["content"]), None
    return document_part(_read_bytes(source, where), value.get("format") or "txt", value.get("name", ""))


def _read_bytes(source: dict[str, Any] | None, where: str) -> bytes | None:
    """The bytes of a source; None where the body only names an S3 object, which an engine cannot see."""
    if not source or "bytes" not in source:
        return None
    data = decode_base64(source["bytes"])
    if data is None:
        raise refuse_record("base64", where=where)
    return data


def _result_text(content: list[dict[str, Any]] | None) -> str:
    return "\n".join(
        block["text"] if "text" in block else str(block.get("json", "")) for block in content or ()
    )
