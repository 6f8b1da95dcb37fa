"""What each model takes, when it ends, where batch inference has it: a dated table, a source for each value.

What the table does not say is not known, and what is not known is never a fault.
"""

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from bbkit.core.errors import InputError
from bbkit.core.files import own_catalog, read_catalog
from bbkit.families.model_ids import bare_model_id


class Traits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one model takes; None is not known, an empty tuple is none."""

    lifecycle: Literal["active", "legacy"] | None = None
    """As AWS names it; the days say when it becomes another, as far as they are known."""
    legacy_from: dt.date | None = None
    end_of_life: dt.date | None = None
    """The day AWS names, or of the report that found the model ended."""
    successor: str | None = None
    """What AWS names in its place, or the next of its line that batch inference lists."""
    output_maximum: int | None = None
    """Tokens; where page and measurement differ the larger, so that it refuses only what surely fails."""
    context_window: int | None = None
    samplers: Literal["free", "one", "none"] | None = None
    """``one`` of temperature and top_p, or ``none`` of temperature, top_p and top_k."""
    effort: tuple[str, ...] | None = None
    effort_without_thinking: tuple[str, ...] | None = None
    """The levels that may stand beside thinking that is turned off."""
    thinking: Literal["none", "on_request", "by_default", "always"] | None = None
    thinking_types: tuple[str, ...] | None = None
    thinking_room: int | None = None
    """Output tokens below which thinking is reported to leave too few for the answer."""
    opens_thinking: bool | None = None
    """Whether its chat template opens ``<think>``, so that an answer may hold the closing tag alone."""
    forced_tools_with_thinking: bool | None = None
    prefill: bool | None = None
    structured_output: bool | Literal["disputed"] | None = None
    """``disputed`` where dated reports contradict the page."""
    caching: bool | None = None
    stop_sequences: bool | Literal["InvokeModel"] | None = None
    """``InvokeModel`` where Converse refuses them and the model's own body does not."""
    tool_types: tuple[str, ...] | None = None
    tool_schema_refused: tuple[str, ...] | None = None
    """Words that may not stand on top of a tool's schema."""
    inputs: tuple[str, ...] | None = None
    documents: bool | None = None
    media_in_s3: bool | None = None
    geographies: tuple[str, ...] | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model of the table, or with its id alone one that the table does not have."""

    model_id: str
    provider: str = ""
    family: str = ""
    batch: bool = False
    """Whether batch inference lists it."""
    single_region: tuple[str, ...] = ()
    profile_source_regions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Names in Service Quotas and the Price List that cannot be made out from the id."""
    names_elsewhere: tuple[str, ...] = ()
    """Ids that other endpoints than bedrock-runtime know it by."""
    traits: Traits = Traits()
    sources: Mapping[str, str] = {}
    """Address and date of each trait's source."""

    @property
    def known(self) -> bool:
        return bool(self.provider)

    def refuses(self, kind: str) -> bool:
        """Whether the model is known to take no input of a kind; AWS's own lists say speech for audio."""
        if kind == "document":
            return self.traits.documents is False
        takes = self.traits.inputs
        return takes is not None and kind not in takes and not (kind == "audio" and "speech" in takes)


class _Source(msgspec.Struct, forbid_unknown_fields=True):
    url: Annotated[str, msgspec.Meta(pattern=r"^https://\S+$")]
    date: Annotated[str, msgspec.Meta(pattern=r"^20\d\d-\d\d(-\d\d)?$")]


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    value: Any
    source: str


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table: the models by id, and the beta flags that AWS documents, with their source."""

    date: dt.date
    source: str
    beta_flags: tuple[str, ...]
    beta_source: str
    geographies: Mapping[str, tuple[str, ...]]
    """Of the inference profiles that a Region may have, by it or how its name begins; `global` aside."""
    models: Mapping[str, Model]
    refreshed: dt.date | None = None
    """When lives were read from AWS."""


def read_table(data: Mapping[str, Any]) -> Table:
    """Read the table of models, strictly: every name is known, every value typed, every source there."""
    rest = dict(data)
    sources = msgspec.convert(rest.pop("sources"), dict[str, _Source])
    flags, places = (msgspec.convert(rest.pop(name), _Given) for name in ("beta_flags", "geographies"))

    def shown(given: _Given) -> str:
        if given.source not in sources:
            raise InputError(f"The table of models has no source {given.source!r}. Add it to sources.")
        return f"{sources[given.source].url}, {sources[given.source].date}"

    models = {}
    for row in rest.pop("models"):
        given = msgspec.convert(row.get("traits", {}), dict[str, _Given])
        values = {name: one.value for name, one in given.items()}
        noted = {name: shown(one) for name, one in given.items()}
        models[row["model_id"]] = msgspec.convert(row | {"traits": values, "sources": noted}, Model)
    shown(places)
    own = {"beta_flags": flags.value, "beta_source": shown(flags), "geographies": places.value}
    return msgspec.convert(rest | own | {"models": models}, Table)


def model_table() -> Table:
    """The packaged table, and over it what the user's own catalog has of models."""
    return _read_table(*own_catalog())


@lru_cache(maxsize=2)
def _read_table(own: str, version: int) -> Table:
    try:
        return read_table(read_catalog("models", own, version))
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(f"The models of {own} are not of the form of this bbkit ({error}).") from error


def find_model(model_id: str) -> Model | None:
    """Find a model in the table, by any id or ARN that names it."""
    return model_table().models.get(bare_model_id(model_id))


def geographies_of(region: str) -> tuple[str, ...]:
    """The geographies whose inference profiles a region may have, ``global`` aside; none is not known."""
    known, parts = model_table().geographies, region.split("-")
    names = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((known[name] for name in names if name in known), ())
