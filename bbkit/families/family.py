"""What every family is made of: prompts in, bodies out; answers in, one flat value out."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from bbkit.core.errors import FamilyError, InputError
from bbkit.core.files import read_data
from bbkit.core.finding import Finding
from bbkit.families.requests import Field, read_field, write_out
from bbkit.families.traits import Model
from bbkit.families.values import as_dict, is_vector

Body = dict[str, Any]
Rules = Callable[[Mapping[str, Any], Model], Iterable[Finding]]

# Formats of one name and another: an .m4a file is sound in an MP4 container.
_SPELLINGS = {"jpg": "jpeg", "3gp": "three_gp"}
_OTHER_NAMES = {**_SPELLINGS, "three_gp": "3gp", "m4a": "mp4"}

EXTRA = "additionalModelRequestFields"
"""Where a Converse body has what only its model knows."""
MAX_TOKENS_PATHS = tuple(map(tuple, read_data("families")["max_tokens_paths"]))
"""Where bodies of any family say their maximum of output tokens."""


class Answer(NamedTuple):
    """What a model answered in one record; what the line does not say is None."""

    # Readers fill it by position: keywords would take a third longer, for each of millions of lines.
    text: str | None = None
    stop_reason_raw: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    model: str | None = None
    reasoning: str | None = None
    tool_calls: list[Any] | None = None
    embedding: list[Any] | None = None
    text_raw: str | None = None
    """The text as it came, where reasoning was taken off it."""
    cache_write_1h_tokens: int | None = None
    """How many of `cache_write_tokens` are kept for 1 hour, where the line tells; 0 beside None: a count of
    cached tokens was below 0, so that what they cost is not known."""
    remarks: str | None = None
    """Of ``reasoned``, ``several_choices``, ``no_tool_call``, ``negative_count``, ``truncated_input``."""


NO_ANSWER = Answer()
ERROR_BODY = Answer(remarks="error_body")
"""An error that the model gave as its answer, which the service takes for one."""


def with_hour(answer: Answer, short: int | None, hour: int | None, *, is_told: bool) -> Answer:
    """Add how many cache writes are kept for 1 hour; where it tells no sum, its parts are added."""
    if not is_told and (short or hour):
        answer = answer._replace(cache_write_tokens=(short or 0) + (hour or 0))
    return answer._replace(cache_write_1h_tokens=hour) if answer.cache_write_tokens else answer


def vector_answer(vectors: list[Any]) -> Answer:
    """The answer of a model of embeddings: its one vector, or the list of several; None where one is none."""
    usable = bool(vectors) and all(map(is_vector, vectors))
    return Answer(embedding=(vectors[0] if len(vectors) == 1 else vectors) if usable else None)


class Media(Struct, frozen=True):
    """An image, document, video or audio beside the text of a prompt; `data` in the body or at `s3_uri`."""

    kind: Literal["image", "document", "video", "audio"]
    format: str
    data: bytes | None = None
    s3_uri: str | None = None
    name: str = ""

    @property
    def base64(self) -> str:
        """The data as the base64 text that JSON bodies carry."""
        return base64.b64encode(self.data or b"").decode("ascii")

    @property
    def source(self) -> Body:
        """Where the data is, as the bodies that may point to S3 write it."""
        return {"s3Location": {"uri": self.s3_uri}} if self.s3_uri else {"bytes": self.base64}


class Prompt(Struct, frozen=True):
    """What a model is asked: a user turn, an optional system text, optional media."""

    text: str
    system: str = ""
    media: tuple[Media, ...] = ()


class Family(Struct, frozen=True):
    """Models that share the shape of their bodies and answers: two pure functions and a request as data.

    A family without `write` is read only: batch inference does not offer it.
    """

    name: str
    title: str
    source: str
    answer: Callable[[Mapping[str, Any]], Answer]
    rules: Rules
    """What single values of `request` cannot say; takes any object and what is known of the model."""
    max_tokens_path: tuple[str, ...] = ("max_tokens",)
    """Where a body says its maximum of output tokens; empty for embeddings."""
    write: Callable[[Prompt], Body] | None = None
    inference: Mapping[str, str] = {}
    """Where a body has each inference parameter, a path with dots."""
    media: Mapping[str, tuple[str, ...]] = {}
    """Formats of each kind of media that a body takes; without formats, whatever the service knows."""
    media_in_s3: bool = False
    described: str = ""
    """The name of the field that describes a request."""
    shape: str = ""
    """The service's own shape, to which `request` adds remarks."""
    ids: str = ""
    """How the bare ids of its models begin, as a pattern."""
    date: str = "2026-10"
    """When `source` was read."""

    @property
    def request(self) -> Field | None:
        """What a body holds; None where batch inference does not offer the family."""
        return read_field(self.described) if self.described else None

    @property
    def kind(self) -> Literal["text", "embedding"]:
        return "text" if self.max_tokens_path else "embedding"

    @property
    def writable(self) -> bool:
        """Whether batch inference offers the family, so that bodies of it are written."""
        return self.write is not None

    def body(self, prompt: Prompt, *, max_tokens: int | None = None, **inference: Any) -> Body:
        """Write the body of a prompt; None is left out, and embeddings have no use for `max_tokens`."""
        assert self.write is not None, f"{self.name} is read only"
        if prompt.system and self.kind == "embedding":
            raise InputError(
                f"Family {self.name} makes embeddings and takes no system text. Leave system empty."
            )
        if prompt.media:
            prompt = replace(prompt, media=tuple(map(self._own_media, prompt.media)))
        written = self.write(prompt)
        if max_tokens is not None and self.max_tokens_path:
            _put(written, self.max_tokens_path, max_tokens)
        for name, value in inference.items():
            if value is None:
                continue
            if name not in self.inference:
                accepted = ", ".join(self.inference)
                raise InputError(
                    f"Family {self.name} has no inference parameter {name!r}; it takes {accepted}."
                )
            _put(written, self.inference[name].split("."), value)
        return written

    def _own_media(self, media: Media) -> Media:
        """Name the format of a medium as the family does; raise for what the family does not take."""
        if media.kind not in self.media:
            takes = f"takes {', '.join(self.media)}" if self.media else "takes text only"
            raise InputError(f"Family {self.name} {takes}; it was given {media.kind} {media.name!r}.")
        if media.data is None and not media.s3_uri:
            raise InputError(
                f"The {media.kind} {media.name!r} has neither data nor an S3 URI. Give one of them."
            )
        if media.data is None and not self.media_in_s3:
            raise InputError(
                f"Family {self.name} takes {media.kind}s as bytes only; {media.s3_uri} is a place in S3."
            )
        accepted, name = self.media[media.kind], media.format
        if not accepted:
            return replace(media, format=_SPELLINGS.get(name, name))
        if name not in accepted:
            name = _OTHER_NAMES.get(name, name)
        if name not in accepted:
            raise InputError(
                f"The {media.kind} {media.name!r} is {media.format}; family {self.name} takes "
                f"{', '.join(accepted)}. Convert it."
            )
        return replace(media, format=name)

    def with_max_tokens(self, model_input: Mapping[str, Any], max_tokens: int) -> Body:
        """Copy a body with another maximum of output tokens, under the name that the body already uses."""
        if not self.max_tokens_path:
            raise FamilyError(f"Family {self.name} makes embeddings and has no max_tokens to change.")
        *outer, own = self.max_tokens_path
        written = dict(model_input)
        holder = written
        for part in outer:
            holder[part] = dict(as_dict(holder.get(part)))
            holder = holder[part]
        names = [name for *above, name in MAX_TOKENS_PATHS if above == outer]
        holder[next((name for name in names if name in holder), own)] = max_tokens
        return written


def read_family(name: str, answer: Any, write: Any = None, rules: Rules = lambda body, model: []) -> Family:
    """The family of a name in the table of families, with its functions."""
    said = write_out(read_data("families")["families"][name])
    return Family(name=name, answer=answer, write=write, rules=rules, **said)


def _put(body: Body, path: Sequence[str], value: Any) -> None:
    # The outermost object is made where it is not there; without a deeper one the value has no use.
    if len(path) > 1:
        body = body.setdefault(path[0], {})
    for part in path[1:-1]:
        if part not in body:
            return
        body = body[part]
    body[path[-1]] = value
