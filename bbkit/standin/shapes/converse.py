"""Converse bodies, checked by botocore's own description of ConverseRequest, and Converse answers.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import json
import re
from functools import cache
from typing import Any

from bbkit.standin.engines import Reply, Request
from bbkit.standin.errors import RecordError, refuse_record
from bbkit.standin.models import traits_of
from bbkit.standin.service_models import field_of, service_model
from bbkit.standin.shapes import anthropic, bodies, contents, nova, openai_chat
from bbkit.standin.shapes.bodies import answer_format, check_schema, known, malformed
from bbkit.standin.shapes.grammar import check_form, refuse_citations

# As measured, where the answer itself leaves the underscore out and says white space for the space alone:
# https://github.com/aws-samples/generative-ai-use-cases/issues/1671 (2026-08-21).
_ODD_NAME = re.compile(r"[^\w ()\[\]-]|  ", re.ASCII)


def read_body(body: Any, model_id: str, batch: bool = True) -> Request:
    """Check the body as Converse would, and read it. On demand (`batch` False) tools are allowed."""
    if isinstance(body, dict):
        if "modelId" in body:
            raise malformed("#: extraneous key [modelId] is not permitted")
        body = {"modelId": model_id, **body}
    violations = bodies.find_violations(body, _request())
    if count := len(violations):
        faults = map(bodies.service_words, violations[:3])
        raise RecordError(f"{count} validation error{'s' * (count > 1)} detected: {'; '.join(faults)}")
    messages = body.get("messages") or []
    if not messages:
        raise refuse_record("no_messages")
    if batch and body.get("toolConfig"):
        raise RecordError("toolConfig is not supported in batch inference with the Converse API.")
    contents.check_messages(messages)
    _check_media(messages, traits_of(model_id))
    inference, extra = body.get("inferenceConfig") or {}, body.get("additionalModelRequestFields") or {}
    if not isinstance(extra, dict):
        raise malformed("#/additionalModelRequestFields: expected type: JSONObject")
    _check_model(body, inference, extra, model_id)
    own = anthropic.read_form(extra) if model_id.startswith("anthropic.") else {}
    options = own | _options(body, inference, model_id)
    return contents.read_request(body, inference.get("maxTokens"), options)


@cache
def _request() -> bodies.Field:
    return field_of(service_model("bedrock-runtime").shape_for("ConverseRequest"), closed=True)


def write_answer(reply: Reply, latency_ms: int) -> dict[str, Any]:
    """The Converse answer, without ResponseMetadata, as a batch output line carries it."""
    answer = contents.write_output(reply)
    if "usage" in answer:
        answer["usage"] |= known(cacheReadInputTokens=reply.cache_read_tokens)
    answer["metrics"] = {"latencyMs": latency_ms}
    return answer


def _options(body: dict[str, Any], inference: dict[str, Any], model_id: str) -> dict[str, Any]:
    options = known(temperature=inference.get("temperature"), top_p=inference.get("topP"))
    form = (body.get("outputConfig") or {}).get("textFormat") or {}
    schema = ((form.get("structure") or {}).get("jsonSchema") or {}).get("schema")
    if schema is not None:
        try:
            parsed = json.loads(schema)
        except ValueError as error:
            raise RecordError(f"The schema at outputConfig.textFormat is not valid JSON: {error}.") from None
        closed = "anthropic.claude" in model_id
        check_form(parsed, "output_config.format.schema", traits_of(model_id), closed=closed)
        if closed:
            refuse_citations(body["messages"])
        options["response_format"] = answer_format(parsed)
    return options


def _check_model(body: Any, inference: dict[str, Any], extra: Any, model_id: str) -> None:
    """What the model itself refuses of a sound body."""
    traits = traits_of(model_id)
    if traits.get("caching") is False and '"cachePoint":' in json.dumps(body):
        text = "You invoked an unsupported model or your request did not allow prompt caching."
        raise RecordError(text, 403)
    inner = extra.get("inferenceConfig") or {}
    asked = [extra.get(name) for name in ("max_tokens", "max_completion_tokens")]
    asked += [inner.get(name) for name in ("maxTokens", "max_new_tokens")] if isinstance(inner, dict) else []
    for most in (one for one in asked if isinstance(one, int) and one > traits.get("output_maximum", one)):
        raise RecordError(f"The maximum tokens you requested, {most}, exceeds the model limit.")
    if model_id.startswith("amazon.nova-"):
        check_schema(extra, "nova extra")
        for reasoning in (extra.get("reasoningConfig"), inner.get("reasoningConfig")):
            nova.check_reasoning(reasoning, inference | inner, model_id)
    elif model_id.startswith("anthropic."):
        anthropic.check_converse(body, inference, extra, model_id)
    else:
        openai_chat.check_effort(extra, traits)


def _check_media(messages: list[dict[str, Any]], traits: dict[str, Any]) -> None:
    names: list[str] = []
    for number, message in enumerate(messages):
        kinds = {kind for block in message["content"] for kind in block}
        if "document" in kinds and traits.get("documents") is False:
            raise RecordError("This model does not support documents.")
        media = [block[kind] for block in message["content"] for kind in contents.MEDIA if kind in block]
        linked = any("s3Location" in (one.get("source") or {}) for one in media)
        if linked and traits.get("media_in_s3") is False:
            raise RecordError(f"messages.{number}.content.0.document.source.type: Field required")
        names += [block["document"]["name"] for block in message["content"] if "document" in block]
        if any(_ODD_NAME.search(name) for name in names):
            raise refuse_record("document_name")
        if len(set(names)) < len(names):
            raise RecordError("Messages can't contain duplicate document names.")
        if "document" in kinds and "text" not in kinds:
            raise refuse_record("document_alone", number=number)
        if message["role"] == "assistant" and kinds & {"image", "document", "video", "audio"}:
            raise RecordError(f"messages.{number}: images and documents come from the user role only.")
