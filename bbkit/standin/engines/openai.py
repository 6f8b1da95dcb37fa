"""The engine door: any OpenAI-compatible server (Ollama, llama.cpp, vLLM, ...) answers the records.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import urllib3

from bbkit.standin.engines import Interrupted, Media, Piece, Reply, Request, Stop, ToolCall, Turn, split_reply
from bbkit.standin.errors import EngineError

_RETRIED = frozenset((408, 409, 425, 429, 500, 502, 503, 504))
# Servers have names of their own for these; one that is not here is a stop.
_STOPS = {
    **dict.fromkeys(("length", "max_tokens", "model_length"), Stop.LENGTH),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), Stop.TOOL_USE),
    "content_filter": Stop.FILTERED,
}
_FAILED = frozenset(("abort", "aborted", "cancelled", "error"))
_LONGEST_WAIT = 30.0


class OpenAIEngine:
    def __init__(
        self,
        base_url: str = "http://localhost:11434/v1",
        model: str = "",
        api_key: str = "",
        concurrency: int = 4,
        timeout: float = 300.0,
        attempts: int = 5,
        backoff: float = 0.5,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.netloc:
            raise ValueError(
                f"The engine's base URL is {base_url!r}; it takes an http(s) URL such as http://localhost:11434/v1."
            )
        if not model:
            raise ValueError("The openai engine needs the server's name of a model, such as llama3.2.")
        if concurrency < 1 or attempts < 1:
            raise ValueError(f"concurrency and attempts start at 1; found {concurrency} and {attempts}.")
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._attempts = attempts
        self._backoff = backoff
        self._slots = threading.BoundedSemaphore(concurrency)
        key = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._headers = {"Content-Type": "application/json", **key}
        self._pool = urllib3.PoolManager(
            maxsize=concurrency,
            timeout=urllib3.Timeout(connect=min(10.0, timeout), read=timeout),
            retries=False,
        )

    def answer(self, request: Request, halt: threading.Event | None = None) -> Reply:
        """Send one request, again when it is worth it, and read the completion."""
        with self._slots:
            return self._read(_decode(self._send(self._body(request), halt).data))

    def speak(self, request: Request, halt: threading.Event | None = None) -> Iterator[Piece | Reply]:
        """Ask for a stream and hand on what comes of it; some servers send the whole all the same."""
        halt = halt or threading.Event()
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        with self._slots, closing(self._send(self._body(request) | asked, halt, stream=True)) as response:
            if "event-stream" not in response.headers.get("Content-Type", ""):
                yield from split_reply(self._read(_decode(response.data)))
                return
            whole: dict[str, Any] = {}
            for chunk in _read_events(response):
                if halt.is_set():
                    raise Interrupted
                yield from _add_chunk(whole, chunk, self.model)
            if not whole.get("choices", [{}])[0].get("finish_reason"):
                raise EngineError("The engine's server broke its answer off: no finish_reason came.", 424)
            yield self._read(whole)

    def check(self) -> None:
        """Ask the server for its models once; `EngineError` says what is wrong with the address."""
        _decode(self._send().data)

    def _body(self, request: Request) -> dict[str, Any]:
        messages = [{"role": "system", "content": request.system}] if request.system else []
        messages += [message for turn in request.turns for message in _messages(turn)]
        body: dict[str, Any] = {"model": self.model, "messages": messages, "stream": False, **request.options}
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if request.stop_sequences:
            body["stop"] = list(request.stop_sequences)
        if request.tools:
            functions = [
                {"name": tool.name, "description": tool.description, "parameters": tool.schema}
                for tool in request.tools
            ]
            body["tools"] = [{"type": "function", "function": function} for function in functions]
            plain = {"auto": "auto", "none": "none", "any": "required"}
            named = {"type": "function", "function": {"name": request.tool_choice}}
            body["tool_choice"] = plain.get(request.tool_choice, named)
        return body

    def _send(self, body: Any = None, halt: threading.Event | None = None, stream: bool = False) -> Any:
        """The server's answer to a body, or without one its models; a `stream` is still to be read."""
        method, path, attempts = (
            ("POST", "chat/completions", self._attempts) if body else ("GET", "models", 1)
        )
        url, data = f"{self.base_url}/{path}", json.dumps(body).encode() if body else None
        halt = halt or threading.Event()
        for attempt in range(1, attempts + 1):
            wait = min(self._backoff * 2 ** (attempt - 1), _LONGEST_WAIT)
            try:
                response = self._pool.request(
                    method, url, body=data, headers=self._headers, preload_content=not stream
                )
            except urllib3.exceptions.ReadTimeoutError:
                failure = EngineError("The engine's server took longer than the timeout to answer.", 408)
            except urllib3.exceptions.HTTPError as error:
                what = f"No engine answers at {self.base_url}: {type(error).__name__}."
                failure = EngineError(what, 503)
            else:
                if response.status == 200:
                    return response
                failure = _status_failure(response.status, response.data)
                if response.status not in _RETRIED:
                    raise failure
                wait = _retry_after(response.headers.get("Retry-After"), wait)
            if attempt < attempts and halt.wait(wait):
                raise Interrupted
        raise failure

    def _read(self, completion: dict[str, Any]) -> Reply:
        try:
            choice = completion["choices"][0]
            message = choice["message"]
            calls = tuple(_read_call(call) for call in message.get("tool_calls") or ())
            usage = completion.get("usage") or {}
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise EngineError(
                f"The engine's server gave a completion that cannot be read: {error!r}.", 424
            ) from error
        stop, matched = _read_stop(choice, bool(calls))
        details = usage.get("prompt_tokens_details") or {}
        return Reply(
            text=_read_text(message.get("content")),
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=_count(usage.get("completion_tokens")),
            stop=stop,
            model=PurePath(str(completion.get("model") or self.model)).name,
            stop_sequence=matched,
            reasoning=message.get("reasoning_content") or message.get("reasoning") or "",
            tool_calls=calls,
            cache_read_tokens=_count(details.get("cached_tokens")),
        )


def _read_events(response: Any) -> Iterator[dict[str, Any]]:
    """The JSON of a stream of server-sent events, each as it comes."""
    # urllib3 1.26 has no read1, and its read waits for all that it is asked for.
    read, size = (response.read1, 1 << 16) if hasattr(response, "read1") else (response.read, 1)
    block, rest = b"start", b""
    try:
        while block:
            _acknowledge(response)
            block = read(size)
            *lines, rest = (rest + (block or b"\n")).split(b"\n")
            for line in lines:
                if line.startswith(b"data:") and line[5:].strip() != b"[DONE]":
                    yield _decode(line[5:])
    except urllib3.exceptions.ReadTimeoutError:
        raise EngineError("The engine's server took longer than the timeout to go on.", 408) from None
    except urllib3.exceptions.HTTPError as error:
        raise EngineError(f"The engine's server broke its answer off: {type(error).__name__}.", 424) from None


def _acknowledge(response: Any) -> None:
    """Acknowledge at once what came: a server that waits for that (Nagle) holds its next piece for 40 ms."""
    sock = getattr(response.connection, "sock", None)
    if sock is not None and hasattr(socket, "TCP_QUICKACK"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _add_chunk(whole: dict[str, Any], chunk: dict[str, Any], model: str) -> Iterator[Piece]:
    """Add a chunk to the completion that it is a piece of, and tell what it brought."""
    if chunk.get("error"):
        raise EngineError(f"The engine's server broke its answer off: {str(chunk['error'])[:500]}", 424)
    whole |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
    model = PurePath(str(whole.get("model") or model)).name
    empty = {"content": "", "reasoning_content": "", "tool_calls": []}
    try:
        for given in chunk.get("choices") or ():
            choice = whole.setdefault("choices", [{"message": empty}])[0]
            choice |= {name: given[name] for name in ("finish_reason", "stop_reason") if given.get(name)}
            delta, message = given.get("delta") or {}, choice["message"]
            reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
            texts = {"reasoning_content": reasoning, "content": _read_text(delta.get("content"))}
            for name, text in texts.items():
                message[name] += text
                kind = "text" if name == "content" else "reasoning"
                yield from [Piece(kind, text, model)] if text else []
            for part in delta.get("tool_calls") or ():
                yield _add_call(message["tool_calls"], part, model)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise EngineError(f"The engine's server gave a chunk that cannot be read: {error!r}.", 424) from error


def _add_call(calls: list[dict[str, Any]], part: dict[str, Any], model: str) -> Piece:
    number, function = part.get("index", len(calls)), part.get("function") or {}
    if number >= len(calls):
        identity = part.get("id") or f"call_{function['name']}"
        calls.append({"id": identity, "function": {"name": function["name"], "arguments": ""}})
    call, text = calls[number], function.get("arguments") or ""
    call["function"]["arguments"] += text
    return Piece("call", text, model, call["id"], call["function"]["name"])


def _read_stop(choice: dict[str, Any], calls: bool) -> tuple[str, str | None]:
    finish = str(choice.get("finish_reason") or "stop").lower()
    if finish in _FAILED:
        raise EngineError(f"The engine's server broke its answer off: finish_reason {finish!r}.", 424)
    stop = _STOPS.get(finish, Stop.END)
    matched = choice.get("stop_reason") if isinstance(choice.get("stop_reason"), str) else None
    if stop == Stop.END and calls:
        stop = Stop.TOOL_USE
    if stop == Stop.END and matched:
        return Stop.SEQUENCE, matched
    return stop, None


def _read_text(content: Any) -> str:
    """The text of an answer, which some servers give in parts."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [None]
    texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    if len(texts) != len(parts):
        raise EngineError(f"The engine's server gave content that is no text: {str(content)[:200]}", 424)
    return "".join(texts)


def _count(number: Any) -> int | None:
    return number if isinstance(number, int) and number >= 0 else None


def _messages(turn: Turn) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": result.id, "content": result.text} for result in turn.tool_results
    ]
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.media:
        parts = [{"type": "text", "text": turn.text}] if turn.text else []
        message["content"] = [*parts, *map(_media_part, turn.media)]
    if turn.tool_calls:
        message["tool_calls"] = [call.to_openai() for call in turn.tool_calls]
    return messages if messages and not turn.text and not turn.media else [*messages, message]


def _media_part(media: Media) -> dict[str, Any]:
    if media.data is not None and media.kind in ("image", "audio"):
        data = base64.b64encode(media.data).decode()
        if media.kind == "image":
            url = f"data:image/{media.format or 'png'};base64,{data}"
            return {"type": "image_url", "image_url": {"url": url}}
        return {"type": "input_audio", "input_audio": {"data": data, "format": media.format}}
    where = "" if media.data is not None else " that lies in S3"
    raise EngineError(
        f"The engine behind this stand-in cannot read {media.kind} of format {media.format!r}{where}; "
        "it takes text, images and audio.",
        400,
    )


def _read_call(call: dict[str, Any]) -> ToolCall:
    function = call["function"]
    identity = str(call.get("id") or f"call_{function['name']}")
    return ToolCall(identity, function["name"], function.get("arguments"))


def _status_failure(status: int, data: bytes) -> EngineError:
    code = {429: 429, 401: 403, 403: 403, 404: 404, 408: 408}.get(status, 400 if status < 500 else 503)
    try:
        error = json.loads(data)
        error = error.get("error", error)
        text = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        text = data[:200].decode("utf-8", "replace")
    return EngineError(f"The engine's server answered {status}: {str(text)[:500]}", code)


def _retry_after(header: str | None, otherwise: float) -> float:
    try:
        return min(max(float(header or ""), 0.0), _LONGEST_WAIT)
    except ValueError:
        return otherwise


def _decode(data: bytes) -> dict[str, Any]:
    try:
        completion = json.loads(data)
    except ValueError as error:
        raise EngineError("The engine's server answered 200 with something that is not JSON.", 424) from error
    if not isinstance(completion, dict):
        raise EngineError("The engine's server answered 200 with something that is not a JSON object.", 424)
    return completion
