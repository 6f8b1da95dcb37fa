"""``bedrock-runtime``: one record at a time over the same engine, whole or as a stream.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html and the pages of
Converse, ConverseStream, InvokeModelWithResponseStream and CountTokens.
"""

import asyncio
import base64
import json
import threading
import time
import traceback
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, NamedTuple

from botocore.model import OperationModel
from starlette.responses import Response

from bbkit.standin.engine_pool import EnginePool, engine_for
from bbkit.standin.engines import Interrupted
from bbkit.standin.errors import CODE_OF_STATUS, RecordError, ServiceError, invalid, refuse_call, render_json
from bbkit.standin.event_streams import EventStream, encode_event, encode_exception
from bbkit.standin.logs import Traces
from bbkit.standin.models import check_living, model_list, resolve_model
from bbkit.standin.service_models import read_request
from bbkit.standin.settings import Settings
from bbkit.standin.shapes.contents import decode_base64
from bbkit.standin.signatures import SignedRequest

OPERATIONS = ("InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream", "CountTokens")
# What anthropic 2 sends unless told otherwise, and the models that were seen to refuse it.
_NEW_VERSION = "2026-10-21"
_REFUSING = ("anthropic.claude-sonnet-4-5", "anthropic.claude-opus-4-5")


class Refusal(NamedTuple):
    """What a model, or its engine, refuses a body with."""

    code: int
    message: str


class Runtime:
    """Answers calls of models; in an engine of their own, so that no job keeps them waiting."""

    def __init__(self, settings: Settings, traces: Traces) -> None:
        self.settings = settings
        self.traces = traces
        self.pool = EnginePool(settings, settings.parallel if settings.waits else 1)
        self._warned: set[str] = set()

    async def answer(
        self,
        operation: OperationModel,
        labels: dict[str, str],
        request: SignedRequest,
        body: bytes,
        region: str,
        told: dict[str, Any],
    ) -> Response:
        """Answer a call; `told` learns how a stream ends that an error ends."""
        if operation.name not in OPERATIONS:
            raise refuse_call("no_runtime", operation=operation.name, known=", ".join(OPERATIONS))
        invokes = operation.name.startswith("Invoke")
        given = read_request(operation, labels, request.query, b"" if invokes else body)
        settings = self.settings
        if operation.name == "CountTokens":
            return await self.count(given, region)
        model = resolve_model(given["modelId"], region, settings.account, settings.application_profiles)
        check_living(model.model_id, settings.as_of)
        what = model.model_id, "InvokeModel" if invokes else "Converse", _read_object(body)
        self.warn(*what)
        if "Stream" in operation.name:
            return await self.stream(operation, told, *what)
        began = time.monotonic()
        outcome = await self.ask("answer", *what)
        response = render_json(outcome.output)
        if invokes:
            numbers = {
                "invocation-latency": round(1000 * (time.monotonic() - began)),
                "input-token-count": outcome.input_tokens,
                "output-token-count": outcome.output_tokens,
            }
            known = {name: str(number) for name, number in numbers.items() if number is not None}
            response.headers.update({f"x-amzn-bedrock-{name}": number for name, number in known.items()})
        return response

    async def ask(self, act: str, *what: Any) -> Any:
        settings = self.settings
        asking = self.pool.submit(list_outcomes, act, settings.engine, settings.engine_options_json, *what)
        (outcome,) = await asyncio.wrap_future(asking)
        return _unless_refused(outcome)

    async def count(self, given: dict[str, Any], region: str) -> Response:
        """Count what a Claude model would read, by its own id: AWS counts for no other, by no profile."""
        model_id = given["modelId"].rpartition("/")[2]
        model = model_list().get(model_id)
        places = (*model["single_region"], *model["profile_source_regions"]) if model else ()
        if region not in places or not model_id.startswith("anthropic."):
            raise refuse_call("no_count")
        check_living(model_id, self.settings.as_of)
        ((kind, content),) = given["input"].items()
        if kind == "converse":
            what = "Converse", content
        else:
            what = "InvokeModel", _read_object(decode_base64(content["body"]) or b"")
        return render_json({"inputTokens": await self.ask("count", model_id, *what)})

    def warn(self, model_id: str, invocation_type: str, body: dict[str, Any]) -> None:
        """Say once of a model that Bedrock was seen to refuse what is taken here."""
        asked = body.get("anthropic_version")
        if asked != _NEW_VERSION or not model_id.startswith(_REFUSING) or model_id in self._warned:
            return
        self._warned.add(model_id)
        text = (
            f"{model_id} was called with anthropic_version {asked}, which anthropic 2 sends by default. It is"
            " taken here, but Bedrock was seen to refuse it for this model with 'Invalid API version'"
            " (https://github.com/anthropics/anthropic-sdk-python/issues/2031). Every Claude model takes"
            " bedrock-2023-05-31: give it as extra_body={'anthropic_version': 'bedrock-2023-05-31'}."
        )
        self.traces.log(warning=text)
        self.traces.print(text)

    async def stream(
        self, operation: OperationModel, told: dict[str, Any], *what: *tuple[str, str, dict[str, Any]]
    ) -> EventStream:
        """Answer once the first event is there: what is refused until then is refused as any call is."""
        events = self.events(*what)
        first = _unless_refused(await anext(events))
        return EventStream(operation, self.frames(operation, told, first, events), str(uuid.uuid4()))

    async def events(self, model_id: str, invocation_type: str, body: dict[str, Any]) -> AsyncGenerator[Any]:
        """The events of an answer as its engine makes them; one that computes makes them all at once."""
        settings, halt = self.settings, threading.Event()
        engine = settings.engine, settings.engine_options_json
        arguments = "stream", *engine, model_id, invocation_type, body
        if not settings.waits:
            for event in await asyncio.wrap_future(self.pool.submit(list_outcomes, *arguments)):
                yield event
            return
        coming: asyncio.Queue[Any] = asyncio.Queue()
        put = asyncio.get_running_loop().call_soon_threadsafe

        def hand_over() -> None:
            try:
                for event in carry_out(*arguments, halt):
                    put(coming.put_nowait, event)
            finally:
                put(coming.put_nowait, None)

        speaking = self.pool.submit(hand_over)
        try:
            while (event := await coming.get()) is not None:
                yield event
            await asyncio.wrap_future(speaking)
        finally:
            halt.set()  # where a client went away, its answer is no longer made

    async def frames(
        self,
        operation: OperationModel,
        told: dict[str, Any],
        first: dict[str, Any],
        events: AsyncGenerator[Any],
    ) -> AsyncGenerator[bytes]:
        yield _frame(operation, first)
        refusal = None
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Refusal):
                        refusal = event
                    else:
                        yield _frame(operation, event)
        except Exception:  # a fault of ours must still arrive as an answer, and be found
            told["traceback"] = traceback.format_exc()
            refusal = Refusal(500, "The stand-in failed.")
        if refusal:
            told |= {
                "code": CODE_OF_STATUS.get(refusal.code, "ModelErrorException"),
                "reason": refusal.message,
            }
            yield encode_exception(operation, *refusal)


def _frame(operation: OperationModel, event: dict[str, Any]) -> bytes:
    if operation.name == "ConverseStream":
        ((name, told),) = event.items()
        return encode_event("event", name, told)
    chunk = json.dumps(event, separators=(",", ":")).encode()
    return encode_event("event", "chunk", {"bytes": base64.b64encode(chunk).decode()})


def _unless_refused(outcome: Any) -> Any:
    if isinstance(outcome, Refusal):
        raise ServiceError(CODE_OF_STATUS.get(outcome.code, "ModelErrorException"), outcome.message)
    return outcome


def list_outcomes(*arguments: Any) -> list[Any]:
    return list(carry_out(*arguments))


def carry_out(
    act: str,
    engine: str,
    options: str,
    model_id: str,
    invocation_type: str,
    body: dict[str, Any],
    halt: threading.Event | None = None,
) -> Iterator[Any]:
    """Answer, stream or count one body: what comes of it, or of it and its refusal."""
    from bbkit.standin.answers import answer_record, count_record, stream_record

    made = engine_for(engine, options)
    try:
        if act == "count":
            yield count_record(model_id, invocation_type, body)
        elif act == "stream":
            yield from stream_record(model_id, invocation_type, body, made, halt)
        else:
            yield answer_record(model_id, invocation_type, body, made, batch=False)
    except RecordError as error:
        yield Refusal(error.code, error.message)
    except Interrupted:
        return
    except RecursionError:
        yield Refusal(400, "Malformed input request: it is nested too deeply, please reformat your input.")


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid("The body is not a JSON object.")
    return value
