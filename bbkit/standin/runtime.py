"""``bedrock-runtime``: one record at a time over the same engine.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html and
API_runtime_Converse.
"""

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from botocore.model import OperationModel
from starlette.responses import Response

from bbkit.standin.engine_pool import EnginePool, engine_for
from bbkit.standin.errors import CODE_OF_STATUS, RecordError, ServiceError, invalid, refuse_call, render_json
from bbkit.standin.models import check_living, resolve_model
from bbkit.standin.service_models import read_request
from bbkit.standin.settings import Settings
from bbkit.standin.signatures import SignedRequest

if TYPE_CHECKING:
    from bbkit.standin.answers import Answered


class Runtime:
    """Answers InvokeModel and Converse; in an engine of their own, so that no job keeps them waiting."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool = EnginePool(settings, settings.parallel if settings.waits else 1)

    async def answer(
        self,
        operation: OperationModel,
        labels: dict[str, str],
        request: SignedRequest,
        body: bytes,
        region: str,
    ) -> Response:
        if operation.name not in ("InvokeModel", "Converse"):
            raise refuse_call("no_runtime", operation=operation.name)
        given = read_request(
            operation, labels, request.query, b"" if operation.name == "InvokeModel" else body
        )
        settings = self.settings
        model = resolve_model(given["modelId"], region, settings.account, settings.application_profiles)
        check_living(model.model_id, settings.as_of)
        what = model.model_id, operation.name, _read_object(body)
        began = time.monotonic()
        answering = self.pool.submit(answer_one, settings.engine, settings.engine_options_json, *what)
        outcome = await asyncio.wrap_future(answering)
        if isinstance(outcome, tuple):
            code, message = outcome
            raise ServiceError(CODE_OF_STATUS.get(code, "ModelErrorException"), message)
        response = render_json(outcome.output)
        if operation.name == "InvokeModel":
            numbers = {
                "invocation-latency": round(1000 * (time.monotonic() - began)),
                "input-token-count": outcome.input_tokens,
                "output-token-count": outcome.output_tokens,
            }
            known = {name: str(number) for name, number in numbers.items() if number is not None}
            response.headers.update({f"x-amzn-bedrock-{name}": number for name, number in known.items()})
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
        raise invalid("The body is not a JSON object.")
    return value
