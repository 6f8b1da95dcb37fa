"""The commands."""

import datetime as dt
import json
import shlex
import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from runpy import run_module
from typing import Any

import bbkit as bb
from bbkit.cli.parsing import argument, command, completion_script
from bbkit.core.errors import require_extras
from bbkit.core.text import count_noun, show_controls

SUCCESS, FOUND, NOT_YET = 0, 1, 75

_RUN = argument("run", help="the folder of the run")
_MANY: dict[str, Any] = {"action": "append", "default": []}
_FAIL_ON = "exit 1 when it holds, such as: errored gt 0"


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date; write it as 2026-11-29") from None


_AS_OF = argument(
    "--as-of",
    type=_day,
    metavar="DATE",
    help="the day for which the model's lifecycle is judged (default: today)",
)
_JSON = argument("--json", action="store_true", help="one JSON object per finding")
_REFRESH = argument("action", choices=["refresh"])
_FILE = argument("-o", "--output", required=True, help="the file to write")


@command(
    "demo",
    argument("folder", nargs="?", default="", help="folder of the run (default: runs/demo)"),
    argument("--faults", action="store_true", help="let records error, go missing and be cut off"),
    argument("--schema", action="store_true", help="sort the calls into queues, by the schema beside them"),
    argument("--embeddings", action="store_true", help="embed the calls, and look for near-duplicates"),
)
def demo(options: Namespace) -> int:
    """Run the sample calls through a batch job on this machine."""
    from bbkit.demo import run_demo

    return run_demo(
        options.folder, faults=options.faults, schema=options.schema, embeddings=options.embeddings
    )


@command(
    "new reviews reviews.csv",
    argument("folder", help="the folder to make"),
    argument("table", nargs="?", default="", help="what 01-prepare is to read: a table, a folder, or s3://"),
)
def new(options: Namespace) -> int:
    """Make a folder with notebooks of your own, set up for a table."""
    from bbkit.folders import make_folder

    print(make_folder(Path(options.folder), options.table))
    print(f"Next: cd {options.folder} && bbkit lab, to practise on this machine; jupyter lab, for AWS.")
    return SUCCESS


@command(
    "lab --fault record-errors=0.06 --speed realistic",
    argument("folder", nargs="?", default="", help="folder of the notebooks (default: this one, or lab)"),
    argument("--no-browser", action="store_true", help="do not open a browser"),
    argument("--port", type=int, default=8888, help="port of JupyterLab (default: 8888)"),
    argument("--speed", default="fast", help="the stand-in's clock: instant, fast, realistic, or a factor"),
    argument("--fault", metavar="FAULT", help="of the stand-in (bbkit standin -h lists them)", **_MANY),
)
def lab(options: Namespace) -> int:
    """JupyterLab on notebooks of your own with a stand-in beside it."""
    from bbkit.demo import run_lab

    return run_lab(
        options.folder,
        port=options.port,
        browser=not options.no_browser,
        speed=options.speed,
        faults=options.fault,
    )


@command(
    "standin ~/.cache/standin",
    argument("arguments", nargs="*"),
    prefix_chars="\0",  # it reads its own options
    add_help=False,
)
def standin(options: Namespace) -> int:
    """Serve Bedrock batch, S3 and friends on 127.0.0.1 (bbkit standin -h)."""
    if not {"-h", "--help"} & set(options.arguments):
        require_extras("bbkit standin", "standin")
    sys.argv[1:] = options.arguments
    try:
        # In this very process, so that whoever started it has its pid.
        run_module("bbkit.standin", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


@command(
    "check records.jsonl --model amazon.nova-lite-v1:0",
    argument("path", help="a .jsonl file, a folder of them, or an s3:// prefix"),
    argument("--model", required=True, help="the model id or ARN of the job"),
    argument("--family", help="the family, where the model id does not tell it"),
    argument("--foundation-model", default="", metavar="ID", help="the model behind an application profile"),
    argument("--invocation-type", default="InvokeModel", choices=["InvokeModel", "Converse"]),
    argument("--write-good", default="", metavar="FILE", help="write the lines without an error"),
    argument("--write-bad", default="", metavar="FILE", help="write the lines with an error"),
    argument("--overwrite", action="store_true", help="let these replace files that are there"),
    _AS_OF,
    _JSON,
)
def check(options: Namespace) -> int:
    """Check JSONL records before anything is sent or paid for."""
    findings = bb.check_records(
        options.path,
        options.model,
        family=options.family,
        invocation_type=options.invocation_type,
        as_of=options.as_of,
        write_good=options.write_good,
        write_bad=options.write_bad,
        overwrite=options.overwrite,
        model=options.foundation_model,
    )
    for path, count in findings.attrs.get("written", {}).items():
        print(f"{path}: {count_noun(count, 'record')}", file=sys.stderr)
    return _show_findings(findings, as_json=options.json)


def _show_findings(findings: Any, *, as_json: bool) -> int:
    if as_json:
        for row in json.loads(findings.to_json(orient="records")):
            print(json.dumps({name: value for name, value in row.items() if value is not None}))
    else:
        print(findings.to_text())
    return FOUND if (findings["severity"] != "info").any() else SUCCESS


@command(
    "prices refresh -o prices.json",
    _REFRESH,
    _FILE,
    argument("--region", default="us-east-1", help="the region whose prices to read"),
)
def prices(options: Namespace) -> int:
    """Read today's prices from AWS into a file of your own."""
    from bbkit.catalog.refreshes import refresh_prices

    print(refresh_prices(options.output, region=options.region))
    return SUCCESS


@command("catalog refresh -o catalog.json", _REFRESH, _FILE)
def catalog(options: Namespace) -> int:
    """Read models, lives, profiles, quotas and prices of your region from AWS, for BBKIT_CATALOG to name."""
    from bbkit.catalog.refreshes import refresh_catalog

    print(refresh_catalog(options.output))
    return SUCCESS


@command(
    "preflight runs/calls --policies",
    _RUN,
    argument("--policies", action="store_true", help="print the least-privilege policies"),
    argument("--events", action="store_true", help="print an EventBridge rule for the ends of its jobs"),
    _AS_OF,
    _JSON,
    alias="doctor",
)
def preflight(options: Namespace) -> int:
    """Check account, model, buckets and role before a launch."""
    from bbkit.jobs.preflight import events_for, policies_for

    run = bb.Run.open(options.run)
    text = (policies_for(run) if options.policies else {}) | (events_for(run) if options.events else {})
    if not text:
        return _show_findings(bb.preflight(run, as_of=options.as_of), as_json=options.json)
    print(json.dumps(text, indent=2))
    return SUCCESS


@command(
    "submit runs/calls",
    _RUN,
    argument("--again", nargs="+", default=[], metavar="STATUS", help="submit ended jobs again"),
    argument("--budget-usd", type=float, help="refuse above this high estimate, in US dollars"),
)
def submit(options: Namespace) -> int:
    """Submit the jobs of a run; never twice."""
    run = bb.Run.open(options.run)
    run.check_endpoint()
    plan = bb.submit_jobs(run, again=options.again, dry_run=True)
    print(plan)
    if len(plan):
        estimate = bb.estimate_cost(run, jobs=plan["job"])
        print(estimate)
        bb.check_budget(estimate, options.budget_usd)
    print(bb.submit_jobs(run, again=options.again))
    return SUCCESS


@command(
    "wait runs/calls --then ./done.sh",
    _RUN,
    argument("--every", type=float, help="seconds between polls"),
    argument(
        "--timeout", type=float, help="seconds to wait at most; exit 75 where jobs have not ended by then"
    ),
    argument("--then", default="", metavar="CMD", help="a shell command to run when all have ended"),
    argument("--json", action="store_true", help="the jobs table: one JSON object per job"),
)
def wait(options: Namespace) -> int:
    """Wait until every job has ended: exit 0 when all are Completed, 1 when one ended otherwise."""
    run = bb.Run.open(options.run)
    jobs = bb.wait_for_jobs(run, every=options.every, timeout=options.timeout, on_end=options.then or None)
    if options.json:
        for row in json.loads(jobs.to_json(orient="records", date_format="iso")):
            print(json.dumps(row))
    else:
        print(jobs)
    return NOT_YET if not jobs.attrs["done"] else FOUND if jobs.attrs["left"] else SUCCESS


@command("stop runs/calls", _RUN, argument("job_arns", nargs="*", help="only these"))
def stop(options: Namespace) -> int:
    """Stop the jobs of a run."""
    print(bb.stop_jobs(bb.Run.open(options.run), options.job_arns or None))
    return SUCCESS


@command("clean runs/calls", _RUN, argument("--yes", action="store_true", help="delete them"))
def clean(options: Namespace) -> int:
    """List, or delete, the S3 objects a run left."""
    from bbkit.jobs import clean_run

    objects = clean_run(bb.Run.open(options.run), delete=options.yes)
    print(objects)
    return SUCCESS


@command(
    "collect runs/calls --export calls.xlsx --with-source",
    argument("source", help="a run, a folder or file of .jsonl.out, an s3:// prefix, or a job ARN"),
    argument("--sent", help="the records that were sent: a .jsonl path or URI"),
    argument(
        "--export", metavar="PATH", help="write the rows as .csv, .xlsx, .parquet or .jsonl, also to s3://"
    ),
    argument("--with-source", action="store_true", help="the columns of the run's source first"),
    argument("--into", metavar="PLACE", help="a folder, or an s3:// prefix as a table, in bounded memory"),
)
def collect(options: Namespace) -> int:
    """Read what came back and account for every record."""
    from bbkit.core.frames import Collected

    if (Path(options.source) / "run.json").is_file() and bb.Run.open(options.source).structured:
        require_extras("An answer of a schema", "schemas")
    outputs = bb.collect_outputs(
        options.source, sent=options.sent, into=options.into, source_columns=options.with_source
    )
    outputs = bb.parse_answers(outputs) if Collected.of(outputs).schema else outputs
    if options.export:
        bb.export_records(outputs, options.export, with_source=options.with_source)
    account = bb.accounting(outputs)
    print(account)
    return SUCCESS if account.complete else FOUND


@command(
    "complete runs/calls --until usable_share ge 0.999 --budget-usd 5",
    _RUN,
    argument("--until", nargs=3, metavar=("NAME", "OP", "NUMBER"), help="the goal (default: as below)"),
    argument("--budget-usd", type=float, help="US dollars for all attempts made; inf waives it"),
    argument("--max-attempts", type=int, default=4, help="the last attempt to make (default: 4)"),
    argument("--on-demand", action="store_true", help="send on demand what is too few for a batch job"),
    argument("--dry-run", action="store_true", help="send nothing; say what the next attempt would cost"),
)
def complete(options: Namespace) -> int:
    """Send again what cannot be used until a goal holds: exit 0 when it does, 1 when it is missed."""
    completion = bb.complete_run(
        bb.Run.open(options.run),
        **({"until": options.until} if options.until else {}),
        budget_usd=options.budget_usd,
        max_attempts=options.max_attempts,
        on_demand=options.on_demand,
        dry_run=options.dry_run,
    )
    print(completion)
    return SUCCESS if completion.reached else FOUND


@command(
    "verify runs/calls --fetch",
    _RUN,
    argument("--fetch", action="store_true", help="take from S3 what differs or is not here"),
    _JSON,
)
def verify(options: Namespace) -> int:
    """Compare a run's files with what was written, what S3 holds and what manifests count."""
    findings = bb.verify_run(bb.Run.open(options.run), fetch=options.fetch)
    return _show_findings(findings, as_json=options.json)


_NEXT = {
    "01-prepare": "bbkit report 02-launch -p run_folder {0}",
    "02-launch": "bbkit wait {0} and, when the jobs have ended, bbkit report {0}",
    "03-explore": "bbkit report 04-retry -p run_folder {0}",
    "04-retry": "bbkit report {0}",
}


@command(
    "report runs/calls",
    argument(
        "notebook",
        help="a run's folder, for its 03-explore; or a notebook: its path, or the name of one of bbkit's",
    ),
    argument("-p", "--parameter", nargs=2, metavar=("NAME", "VALUE"), **_MANY),
    argument(
        "-o", "--output", metavar="HTML", help="default: in reports/ of the run, or, before it is made, here"
    ),
    argument(
        "--with-text", action="store_true", help="keep prompts and answers in the report, without masks"
    ),
    argument("--with-ids", action="store_true", help="keep the ids of records in its table, masked"),
    argument("--title", default="", help="title of the report (default: the run and what was looked at)"),
    argument("--note", default="", metavar="FILE", help="a Markdown file to put above the rest"),
    argument("--pdf", action="store_true", help="print it to a PDF too, where Chromium or Chrome is"),
    argument("--fail-on", nargs=3, metavar=("NAME", "OP", "NUMBER"), help=_FAIL_ON, **_MANY),
    argument("--list", action="store_true", help="list the notebook's parameters and stop"),
)
def report(options: Namespace) -> int:
    """Run a notebook, a run's 03-explore unless another is named, and render it to one HTML file."""
    from bbkit.report import print_report, read_parameters, render_report
    from bbkit.run import RunSnapshot

    notebook, parameters = options.notebook, dict(options.parameter)
    if Path(notebook, "run.json").is_file():
        notebook, parameters = "03-explore", {"run_folder": notebook, **parameters}
    if options.list:
        for parameter in read_parameters(notebook).values():
            print(f"{parameter.name}: {parameter.type} = {parameter.default!r}  # {parameter.help}")
        return SUCCESS
    known = {"run_folder": ""} | {each.name: each.default for each in read_parameters(notebook).values()}
    run, name = Path(str((known | parameters)["run_folder"])), Path(notebook).stem
    here = run / "reports" if (run / "run.json").is_file() else Path()
    made = render_report(
        notebook,
        options.output or here / f"{name}.html",
        parameters=parameters,
        with_text=options.with_text,
        with_ids=options.with_ids,
        title=options.title,
        note=Path(options.note).read_text(encoding="utf-8", errors="replace") if options.note else "",
        fail_on=options.fail_on,
    )
    print(made.path)
    for warning in made.warnings:
        print(f"bbkit: warning: {show_controls(warning)}", file=sys.stderr)
    for condition in made.failed_on:
        print(f"bbkit: {condition}", file=sys.stderr)
    follows = name in _NEXT and (name != "03-explore" or made.left)
    if name == "02-launch" and (run / "run.json").is_file() and not RunSnapshot.read(bb.Run.open(run)).open:
        name = "04-retry"  # what comes after any jobs that have ended
    step = f" Next: {_NEXT[name].format(shlex.quote(str(run)))}" if follows else ""
    print(f"It opens without a network; -o puts it elsewhere.{step}", file=sys.stderr)
    if options.pdf:
        print(print_report(made.path))
    return FOUND if made.failed_on else SUCCESS


@command(
    "completion bash > ~/.local/share/bash-completion/completions/bbkit",
    argument("shell", choices=["bash", "zsh"]),
)
def completion(options: Namespace) -> int:
    """Print what completes commands and options in a shell."""
    if options.shell == "zsh":
        print("autoload -U +X compinit bashcompinit && compinit && bashcompinit")
    print(completion_script())
    return SUCCESS
