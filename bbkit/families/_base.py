"""What every family is made of: prompts in, bodies out; answers in, one flat value out."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bbkit.core.errors import InputError
from bbkit.families.requests import Request

Body = dict[str, Any]


class Answer(NamedTuple):
    """What a model answered in one record; what the line does not say is None."""

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


NO_ANSWER = Answer()


@dataclass(frozen=True)
class Media:
    """An image, document, video or audio beside the text of a prompt; `data` in the body or at `s3_uri`."""

    kind: Literal["image", "document", "video", "audio"]
    format: str
    data: bytes | None = None
    s3_uri: str | None = None
    name: str = ""


@dataclass(frozen=True)
class Prompt:
    """What a model is asked: a user turn, an optional system text, optional media."""

    text: str
    system: str = ""
    media: tuple[Media, ...] = ()


@dataclass(frozen=True)
class Family:
    """Models that share the shape of their bodies and answers: two pure functions and a request as data."""

    name: str
    title: str
    kind: Literal["text", "embedding"]
    body: Callable[..., Body] | None
    answer: Callable[[Mapping[str, Any]], Answer]
    request: Request | None
    max_tokens_path: tuple[str, ...]
    source: str

    @property
    def writable(self) -> bool:
        """Whether batch inference offers the family, so that bodies of it are written."""
        return self.body is not None


def whole(value: Any) -> int | None:
    """The value if it is a whole number, else None (a JSON ``true`` is not a number)."""
    return value if type(value) is int else None


def word(value: Any) -> str | None:
    """The value if it is a text, else None."""
    return value if type(value) is str else None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if type(value) is dict else {}


def first(value: Any) -> Mapping[str, Any]:
    """The first item of a list if it is an object, else an empty one."""
    return value[0] if type(value) is list and value and type(value[0]) is dict else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects among the items of a list; empty for anything else."""
    return [item for item in value if type(item) is dict] if type(value) is list else []


def encode(data: bytes) -> str:
    """Bytes as the base64 text that JSON bodies carry."""
    return base64.b64encode(data).decode("ascii")


def take(inference: Mapping[str, Any], names: Mapping[str, str], family: str) -> Body:
    """Rename inference parameters to the names of a body."""
    sent = {name: value for name, value in inference.items() if value is not None}
    for name in sent:
        if name not in names:
            accepted = ", ".join(names)
            raise InputError(f"Family {family} has no inference parameter {name!r}; it takes {accepted}.")
    return {names[name]: value for name, value in sent.items()}


def refuse_media(prompt: Prompt, family: str, kinds: tuple[str, ...] = ()) -> None:
    """Raise `InputError` for media of a kind that a family does not take."""
    for media in prompt.media:
        if media.kind not in kinds:
            takes = "takes " + ", ".join(kinds) if kinds else "takes text only"
            raise InputError(f"Family {family} {takes}; it was given {media.kind} {media.name!r}.")
        if media.data is None and media.s3_uri is None:
            raise InputError(
                f"The {media.kind} {media.name!r} has neither data nor an S3 URI. Give one of them."
            )


def media_bytes(media: Media, family: str) -> str:
    """The data of a medium as base64, for families whose bodies cannot point to S3."""
    if media.data is None:
        raise InputError(
            f"Family {family} takes {media.kind}s as bytes only; {media.s3_uri} is a place in S3."
        )
    return encode(media.data)


def own_format(
    media: Media, family: str, accepted: tuple[str, ...], called: Mapping[str, str] | None = None
) -> str:
    """A family's own name for the format of a medium."""
    name = (called or {}).get(media.format, media.format)
    if name not in accepted:
        raise InputError(
            f"The {media.kind} {media.name!r} is {media.format}; family {family} takes "
            f"{', '.join(accepted)}. Convert it."
        )
    return name
