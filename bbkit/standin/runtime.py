"""``bedrock-runtime``: one record at a time over the same engine.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html and
API_runtime_Converse.
"""

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from bbkit.standin.engine_pool import EnginePool, engine_for
from bbkit.standin.errors import RecordError, ServiceError, render_json
from bbkit.standin.faults import CallFaults
from bbkit.standin.models import resolve_model
from bbkit.standin.service_models import Route, read_request
from bbkit.standin.settings import Settings
from bbkit.standin.signatures import Asked

if TYPE_CHECKING:
    from bbkit.standin.answers import Answered

CODE_OF_STATUS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


class Runtime:
    """Answers InvokeModel and Converse; in an engine of their own, so that no job keeps them waiting."""

    def __init__(self, settings: Settings, calls: CallFaults) -> None:
        self.settings = settings
        self.calls = calls
        self.pool = EnginePool(settings, settings.parallel if settings.waits else 1)

    async def answer(
        self, route: Route, labels: dict[str, str], asked: Asked, body: bytes, region: str
    ) -> Response:
        """Carry out one call."""
        if route.name not in ("InvokeModel", "Converse"):
            raise ServiceError(
                "NotImplemented",
                f"{route.name} is not part of this stand-in; it serves InvokeModel and Converse.",
            )
        self.calls.strike_by_switch(route.name)
        given = read_request(route, labels, asked.query, b"" if route.name == "InvokeModel" else body)
        model = resolve_model(
            given["modelId"], region, self.settings.account, self.settings.application_profiles
        )
        model_input = _read_object(body)
        began = time.monotonic()
        engine = self.settings.engine, self.settings.engine_options_json
        outcome = await asyncio.wrap_future(
            self.pool.submit(answer_one, *engine, model.model_id, route.name, model_input)
        )
        if isinstance(outcome, tuple):
            code, message = outcome
            raise ServiceError(CODE_OF_STATUS.get(code, "ModelErrorException"), message)
        response = render_json(outcome.output)
        if route.name == "InvokeModel":
            took = round(1000 * (time.monotonic() - began))
            response.headers["x-amzn-bedrock-invocation-latency"] = str(took)
            if outcome.input_tokens is not None:
                response.headers["x-amzn-bedrock-input-token-count"] = str(outcome.input_tokens)
            if outcome.output_tokens is not None:
                response.headers["x-amzn-bedrock-output-token-count"] = str(outcome.output_tokens)
        return response


def answer_one(
    engine: str, options: str, model_id: str, invocation_type: str, model_input: dict[str, Any]
) -> "Answered | tuple[int, str]":
    """Answer one body: the model's output, or the code and message of its refusal."""
    from bbkit.standin.answers import answer_record

    made = engine_for(engine, options)
    try:
        return answer_record(model_id, invocation_type, model_input, made, batch=False)
    except RecordError as error:
        return error.code, error.message
    except RecursionError:
        return 400, "Malformed input request: it is nested too deeply, please reformat your input."


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ServiceError("ValidationException", "The body is not a JSON object.")
    return value
