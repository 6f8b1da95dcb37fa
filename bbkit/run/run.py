"""A run: one folder for one batch of work, whose attributes are its ``run.json``."""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace as changed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit import __version__, aws
from bbkit.answers.schemas import is_given, read_document, schema_bytes
from bbkit.aws import Endpoint
from bbkit.core.errors import InputError, PlaceError
from bbkit.core.files import local_name
from bbkit.core.panels import render
from bbkit.families import FAMILIES, family_of
from bbkit.records.splitting import InputFile
from bbkit.run import creation
from bbkit.run.journal import Journal
from bbkit.run.snapshot import RunSnapshot, read_index
from bbkit.run.values import JOB_OPTIONS, validated

_CHANGEABLE = ("role_arn", "prices", "model", *JOB_OPTIONS)


@dataclass(frozen=True)
class Run:
    """One batch of work, which is a folder; its attributes are its ``run.json``.

    Attributes
    ----------
    folder : pathlib.Path
        Where it is now; a copied or moved folder is the same run.
    run_id : str
        32 random hexadecimal digits.
    name : str
        The folder's name when the run was made; jobs and S3 keys begin with it.
    model_id, model, family, invocation_type, s3_uri, role_arn, prompt, system, parameters, demo
        What `Run.create` was given or found.
    endpoint : bbkit.aws.Endpoint
        Endpoint, account and region it was made for.
    source_fingerprint : dict
        ``rows, columns, sha256`` of the rows the records were made of.
    created_at, bbkit_version : datetime, str
        When (UTC), and by which version, it was made.
    job_options : dict
        ``tags, kms_key_id, vpc_config, timeout_hours, bucket_owner``.
    prices : str
        Name of the user's own price file within the folder, or empty; `price_file` is its path.
    adopted : dict
        For a run made from a job's ARN: ``job_arn, input_uri, output_uri``.
    structured : str
        How its `schema` is asked for: ``native``, ``tool`` or ``prompt``; empty without one.
    """

    folder: Path
    run_id: str
    name: str
    model_id: str
    family: str
    invocation_type: str
    endpoint: Endpoint
    s3_uri: str
    role_arn: str
    prompt: str = ""
    system: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    source_fingerprint: dict[str, Any] = field(default_factory=dict)
    created_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    bbkit_version: str = __version__
    job_options: dict[str, Any] = field(default_factory=dict)
    prices: str = ""
    demo: bool = False
    adopted: dict[str, str] = field(default_factory=dict)
    model: str = ""
    structured: str = ""

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        model_id: str,
        s3_uri: str = "",
        role_arn: str = "",
        family: str | None = None,
        model: str = "",
        invocation_type: str = "InvokeModel",
        prompt: str = "",
        system: str = "",
        parameters: Mapping[str, Any] | None = None,
        source: pd.DataFrame | None = None,
        tags: Mapping[str, str] | str | None = None,
        kms_key_id: str = "",
        vpc_config: Mapping[str, Sequence[str]] | str | None = None,
        timeout_hours: int = 24,
        bucket_owner: str = "",
        prices: str | Path = "",
        demo: bool = False,
        replace: bool = False,
        schema: Any = None,
        structured: str = "auto",
    ) -> "Run":
        """Make the folder of a new run, bound to the account, region and endpoint now in use.

        Parameters
        ----------
        folder : str or pathlib.Path
            It must not exist, or be empty. It is there whole or not at all.
        model_id : str
            Model id, inference profile id or ARN, as CreateModelInvocationJob takes it
            (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html).
        s3_uri : str
            Place in S3; empty for the environment's ``BBKIT_S3_URI``.
        role_arn : str
            Role that Bedrock assumes; empty for ``BBKIT_ROLE_ARN``.
        family, model : str, optional
            Needed where the model id does not tell them: the shape of bodies, and the foundation model.
        invocation_type : str
            ``InvokeModel`` or ``Converse``.
        prompt, system : str
            The templates, to be shown in the report.
        parameters : mapping, optional
            Inference parameters, to be shown in the report.
        source : pandas.DataFrame, optional
            The rows, by record_id: the index, or a column ``record_id`` beside a plain index, or neither for
            row numbers as `build_records` gives them.
        tags : mapping or str, optional
            Tags of the jobs, also as ``"team: care, stage: trial"``.
        kms_key_id : str
            KMS key for input files and outputs (ARN, id or alias); without one the bucket's default holds.
        vpc_config : mapping or str, optional
            ``subnetIds`` and ``securityGroupIds``, or all these ids as ``"subnet-1 sg-2"``.
        timeout_hours : int
            24 to 168; after it a job is expired.
        bucket_owner : str
            Account that owns the bucket, where it is another one.
        prices : str or pathlib.Path
            A price file of your own (`bbkit.catalog.prices.load_prices`); the run keeps a copy.
        demo : bool
            Let ``bbkit demo`` replace this run.
        replace : bool
            Put it in the place of a run of which nothing was sent or is queued, whose folder a warning names.
        schema, structured : optional
            What an answer should be, kept as ``schema.json``, and how it is asked for: as `build_records`.

        Returns
        -------
        Run
            The run.

        Raises
        ------
        bbkit.core.errors.RunExistsError
            The folder holds something else, or a run with records or jobs; one without is replaced.
        bbkit.core.errors.InputError
            Values cannot be used: up to three in full, then their count.
        bbkit.core.errors.FamilyError
            The family cannot be told from the model id.
        bbkit.core.errors.CredentialsError
            There are no credentials.
        """
        folder = Path(folder).absolute()
        known = family_of(model or model_id, invocation_type=invocation_type, family=family)
        options = (tags, kms_key_id, vpc_config, timeout_hours, bucket_owner)
        made = cls(
            folder=folder,
            run_id=secrets.token_hex(16),
            name=folder.name,
            model_id=model_id,
            family=known.name,
            model=model,
            invocation_type=invocation_type,
            endpoint=Endpoint("", "", ""),
            s3_uri=(s3_uri or os.environ.get("BBKIT_S3_URI", "")).rstrip("/"),
            role_arn=role_arn or os.environ.get("BBKIT_ROLE_ARN", ""),
            prompt=prompt,
            system=system,
            parameters=dict(parameters or {}),
            created_at=datetime.now(UTC),
            job_options=dict(zip(JOB_OPTIONS, options, strict=True)),
            prices=creation.PRICES if prices else "",
            demo=demo,
        )
        run = validated(made)
        way = creation.plan_schema(run, schema, structured).way
        with creation.new_folder(folder, replace=replace) as place:
            kept = creation.write_source_rows(source, place / "source.parquet")
            run = changed(run, endpoint=aws.find_endpoint(), source_fingerprint=kept, structured=way)
            if is_given(schema):
                (place / creation.SCHEMA).write_bytes(schema_bytes(schema))
            creation.keep_prices(prices, place)
            creation.write_description(run, place)
        return run

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Open the run in a folder.

        Parameters
        ----------
        folder : str or pathlib.Path
            The folder.

        Returns
        -------
        Run
            The run, without talking to AWS.

        Raises
        ------
        bbkit.core.errors.RunNotFoundError
            There is no run in it.
        """
        return creation.read_description(cls, Path(folder).absolute())

    @classmethod
    def adopt(cls, job_arn: str, folder: str | Path, *, source: pd.DataFrame | None = None) -> "Run":
        """Make a run of a job that is already there, whoever made it.

        Parameters
        ----------
        job_arn : str
            The job's ARN.
        folder : str or pathlib.Path
            It must not exist, or be empty.
        source : pandas.DataFrame, optional
            The rows, by record_id (one that repeats: in sent order), or one per record in sent order.

        Returns
        -------
        Run
            With the job in its journal and, where they can still be read, the records it was given.

        Raises
        ------
        bbkit.core.errors.InputError
            It is no ARN of a batch job, or one of another account or region.
        bbkit.core.errors.CredentialsError
            There are no credentials.
        bbkit.core.errors.AwsError
            AWS knows no such job here, or refused.
        bbkit.core.errors.RunExistsError
            The folder holds a run or something else.
        """
        with creation.new_folder(folder := Path(folder).absolute()) as made:
            return creation.adopt_job(cls, job_arn, made, folder, source)

    def change(self, **options: Any) -> "Run":
        """Change what later submissions are made with, such as a role that was wrong.

        Parameters
        ----------
        **options
            ``role_arn, model, prices``, job options of `Run.create`. What is intended is repeated as it was.

        Returns
        -------
        Run
            The changed run; ``run.json`` is written anew.

        Raises
        ------
        bbkit.core.errors.InputError
            Another name, or a value that cannot be used.
        """
        if unknown := sorted(set(options) - set(_CHANGEABLE)):
            raise InputError(f"{unknown[0]!r} cannot change; these can: {', '.join(_CHANGEABLE)}.")
        job_options = {name: value for name, value in options.items() if name in JOB_OPTIONS}
        own: dict[str, Any] = {name: str(value) for name, value in options.items() if name not in JOB_OPTIONS}
        if own.get("prices"):
            own["prices"] = creation.PRICES
        run = validated(changed(self, **own, job_options={**self.job_options, **job_options}))
        creation.keep_prices(options.get("prices", ""), self.folder)
        creation.write_description(run, self.folder)
        return run

    @property
    def s3_prefix(self) -> str:
        """This run's own prefix in S3, ending in ``/``: ``input/`` and ``output/`` are under it."""
        return f"{self.s3_uri}/{self.label}/"

    @property
    def label(self) -> str:
        """Its name and the first eight digits of its id: what its jobs and objects are known by."""
        return f"{creation.slug(self.name)}-{self.run_id[:8]}"

    @property
    def schema(self) -> dict[str, Any] | None:
        """What an answer should be: the JSON Schema of ``schema.json``; None where it has none."""
        return read_document(self.folder / creation.SCHEMA) if self.structured else None

    @property
    def embeds(self) -> bool:
        """Whether its model answers with embeddings."""
        return self.family in FAMILIES and FAMILIES[self.family].kind == "embedding"

    @property
    def price_file(self) -> str:
        """The price file of one's own within the run's folder; empty where it has none."""
        return str(self.folder / self.prices) if self.prices else ""

    @property
    def journal(self) -> Journal:
        """The journal of its jobs."""
        return Journal(self.folder / "jobs.jsonl")

    def record_files(self, attempt: int | None = None) -> list[InputFile]:
        """The input files written, all or of one attempt, in order; none before `write_records`."""
        return [file for file in read_index(self.folder)[0] if attempt in (None, file.attempt)]

    def read_source(self) -> pd.DataFrame | None:
        """Read the rows the records were made of, by record_key; None where none were kept."""
        return creation.read_source_rows(self.folder / "source.parquet")

    @property
    def prompt_columns(self) -> list[str]:
        """Columns of the source that the prompt was filled from; none where no source was kept."""
        return creation.filled_columns(self.prompt, self.folder / "source.parquet")

    def output_folder(self, job_arn: str) -> Path:
        """The folder that takes a job's output files; it need not exist."""
        return self.folder / "outputs" / local_name(job_arn.rpartition("/")[2])

    def rows_folder(self) -> Path:
        """The folder that takes rows of `collect_outputs`; it need not exist."""
        return creation.find_rows_folder(self)

    def on_demand_folder(self, attempt: int) -> Path:
        """The folder that takes what comes back on demand; it need not exist."""
        return self.folder / "outputs" / f"on-demand-{attempt}"

    def output_uri(self, job_arn: str) -> str:
        """Where a job writes in S3, ending in ``/``: the service adds its id to the URI it was given."""
        # https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html
        own = job_arn != self.adopted.get("job_arn")
        base = f"{self.s3_prefix}output" if own else self.adopted["output_uri"]
        return f"{base}/{job_arn.rpartition('/')[2]}/"

    def check_endpoint(self) -> None:
        """Make sure that calls go where the run was made for.

        Raises
        ------
        bbkit.core.errors.PlaceError
            They go elsewhere now; both endpoints are named.
        bbkit.core.errors.CredentialsError
            There are no credentials.
        """
        # What needs no call is compared first: the other endpoint may not be reachable from here.
        _, now = aws.find_signer()
        if (now.region, now.is_standin) == (self.endpoint.region, self.endpoint.is_standin):
            now = aws.find_endpoint()
        if not self.endpoint.same_as(now):
            found = f"Run {self.name!r} was made for {self.endpoint}; the credentials now in use are for"
            raise PlaceError(f"{found} {now}. Set the environment it was made with.")

    def __repr__(self) -> str:
        lines = "\n".join(f"  {name:8} {text}" for name, text in RunSnapshot.read(self).summarize().items())
        return f"Run {self.name!r}\n{lines}"

    def _repr_html_(self) -> str:
        return render("run", room="run", name=self.name, facts=RunSnapshot.read(self).summarize())


def as_run(given: Any) -> Run:
    """Take a run, or open the one in a folder."""
    if isinstance(given, str | Path):
        return Run.open(given)
    if not isinstance(given, Run):
        kind = type(given).__name__
        raise InputError(f"A run is what Run.create or Run.open gave, or its folder, not {kind}.")
    return given
