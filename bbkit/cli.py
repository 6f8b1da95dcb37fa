"""The command line: each command translates its arguments into one call of the package.

Exit status: 0 success, 1 findings or records not accounted for, 2 bad use or an error with a sentence,
130 interrupted.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbkit import __version__
from bbkit.core.errors import BbkitError

if TYPE_CHECKING:
    from bbkit.core.findings import Findings

SUCCESS, FOUND, BAD_USE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["standin"]:
        os.execv(sys.executable, [sys.executable, "-m", "bbkit.standin", *arguments[1:]])
    options = build_parser().parse_args(arguments)
    try:
        return options.command(options)
    except BbkitError as error:
        print(f"bbkit: {error}", file=sys.stderr)
        return BAD_USE
    except OSError as error:
        print(f"bbkit: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
        return BAD_USE
    except KeyboardInterrupt:
        print("bbkit: interrupted", file=sys.stderr)
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Describe every command and option."""
    parser = argparse.ArgumentParser(prog="bbkit", description="Bedrock Batch Kit", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"bbkit {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_first_steps(commands)
    _add_records(commands)
    _add_jobs(commands)
    _add_results(commands)
    return parser


def _add(commands: Any, name: str, command: Callable[[Any], int], text: str, example: str) -> Any:
    parser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=command)
    return parser


def _add_first_steps(commands: Any) -> None:
    demo = _add(
        commands, "demo", _demo, "Run the sample calls through a batch job on this machine.", "bbkit demo"
    )
    demo.add_argument("folder", nargs="?", default="", help="folder of the run (default: runs/demo)")
    demo.add_argument("--faults", action="store_true", help="let records error, go missing and be cut off")
    lab = _add(commands, "lab", _lab, "JupyterLab on the notebooks with a stand-in beside it.", "bbkit lab")
    lab.add_argument("folder", nargs="?", default="runs/standin", help="folder of the stand-in's state")
    lab.add_argument("--no-browser", action="store_true", help="do not open a browser")
    lab.add_argument("--port", type=int, default=8888, help="port of JupyterLab (default: 8888)")
    _add(commands, "standin", _demo, "Serve Bedrock batch, S3 and friends on 127.0.0.1 (bbkit standin -h).",
         "bbkit standin ~/.cache/standin")  # fmt: skip


def _add_records(commands: Any) -> None:
    check = _add(commands, "check", _check, "Check JSONL records before anything is sent or paid for.",
                 "bbkit check records.jsonl --model amazon.nova-lite-v1:0")  # fmt: skip
    check.add_argument("path", help="a .jsonl file, a folder of them, or an s3:// prefix")
    check.add_argument("--model", required=True, help="the model id or ARN of the job")
    check.add_argument("--family", help="the family, where the model id does not tell it")
    check.add_argument("--invocation-type", default="InvokeModel", choices=["InvokeModel", "Converse"])
    check.add_argument("--json", action="store_true", help="one JSON object per finding")
    prices = _add(commands, "prices", _prices, "Read today's prices from AWS into a file of your own.",
                  "bbkit prices refresh -o prices.json")  # fmt: skip
    prices.add_argument("action", choices=["refresh"])
    prices.add_argument("-o", "--output", required=True, help="the file to write")
    prices.add_argument("--region", default="us-east-1", help="the region whose prices to read")


def _add_run(parser: Any) -> None:
    parser.add_argument("run", help="the folder of the run")


def _add_jobs(commands: Any) -> None:
    doctor = _add(commands, "doctor", _doctor, "Check account, model, buckets and role before a launch.",
                  "bbkit doctor runs/calls --policies")  # fmt: skip
    _add_run(doctor)
    doctor.add_argument("--policies", action="store_true", help="print the least-privilege policies")
    doctor.add_argument("--json", action="store_true", help="one JSON object per finding")
    submit = _add(
        commands, "submit", _submit, "Submit the jobs of a run; never twice.", "bbkit submit runs/calls"
    )
    _add_run(submit)
    submit.add_argument("--again", nargs="+", default=[], metavar="STATUS", help="submit ended jobs again")
    submit.add_argument("--budget-usd", type=float, help="refuse above this high estimate, in US dollars")
    wait = _add(
        commands, "wait", _wait, "Wait until every job has ended.", "bbkit wait runs/calls --then ./done.sh"
    )
    _add_run(wait)
    wait.add_argument("--every", type=float, help="seconds between polls")
    wait.add_argument("--timeout", type=float, help="seconds to wait at most")
    wait.add_argument("--then", default="", metavar="CMD", help="a shell command to run when all have ended")
    stop = _add(commands, "stop", _stop, "Stop the jobs of a run.", "bbkit stop runs/calls")
    _add_run(stop)
    stop.add_argument("job_arns", nargs="*", help="only these")
    clean = _add(
        commands, "clean", _clean, "List, or delete, the S3 objects a run left.", "bbkit clean runs/calls"
    )
    _add_run(clean)
    clean.add_argument("--yes", action="store_true", help="delete them")


def _add_results(commands: Any) -> None:
    collect = _add(commands, "collect", _collect, "Read what came back and account for every record.",
                   "bbkit collect runs/calls --export calls.csv")  # fmt: skip
    collect.add_argument(
        "source", help="a run, a folder or file of .jsonl.out, an s3:// prefix, or a job ARN"
    )
    collect.add_argument("--sent", help="the records that were sent: a .jsonl path or URI")
    collect.add_argument("--export", metavar="PATH", help="write the rows as .csv, .parquet or .jsonl")
    report = _add(commands, "report", _report, "Run a notebook and render it to one HTML file to share.",
                  "bbkit report notebooks/03-explore.ipynb -p run_folder runs/calls")  # fmt: skip
    report.add_argument("notebook", help="the notebook to run")
    report.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    report.add_argument("-o", "--output", help="the HTML file (default: the notebook's name in this folder)")
    report.add_argument("--with-text", action="store_true", help="keep prompts and answers in the report")
    report.add_argument("--title", default="", help="title of the report")
    report.add_argument("--fail-on", nargs=3, action="append", default=[], metavar=("NAME", "OP", "NUMBER"),
                        help="exit 1 when it holds, such as: errored gt 0")  # fmt: skip
    report.add_argument("--list", action="store_true", help="list the notebook's parameters and stop")


def _demo(options: argparse.Namespace) -> int:
    from bbkit.demo import run_demo

    return run_demo(options.folder, faults=options.faults)


def _lab(options: argparse.Namespace) -> int:
    from bbkit.demo import run_lab

    return run_lab(options.folder, port=options.port, browser=not options.no_browser)


def _check(options: argparse.Namespace) -> int:
    from bbkit.checks import check_records

    found = check_records(
        options.path, options.model, family=options.family, invocation_type=options.invocation_type
    )
    return _show_findings(found, as_json=options.json)


def _show_findings(found: "Findings", *, as_json: bool) -> int:
    if as_json:
        for row in json.loads(found.to_json(orient="records")):
            print(json.dumps({name: value for name, value in row.items() if value is not None}))
    else:
        print(found.to_text())
    return FOUND if (found["severity"] != "info").any() else SUCCESS


def _prices(options: argparse.Namespace) -> int:
    from bbkit.catalog.price_lists import refresh_prices

    print(refresh_prices(options.output, region=options.region))
    return SUCCESS


def _doctor(options: argparse.Namespace) -> int:
    from bbkit.jobs.preflight import policies_for, preflight
    from bbkit.run import Run

    run = Run.open(options.run)
    if options.policies:
        print(json.dumps(policies_for(run), indent=2))
        return SUCCESS
    return _show_findings(preflight(run), as_json=options.json)


def _submit(options: argparse.Namespace) -> int:
    from bbkit.costs import check_budget, estimate_cost
    from bbkit.jobs import submit_jobs
    from bbkit.run import Run

    run = Run.open(options.run)
    run.check_endpoint()
    plan = submit_jobs(run, again=options.again, dry_run=True)
    if len(plan):
        print(plan.to_string())
        estimate = estimate_cost(run, jobs=plan["job"])
        print(estimate)
        check_budget(estimate, options.budget_usd)
    else:
        print("Nothing to submit.")
    print(submit_jobs(run, again=options.again).to_string())
    return SUCCESS


def _wait(options: argparse.Namespace) -> int:
    from bbkit.jobs import wait_for_jobs
    from bbkit.run import Run, RunSnapshot

    run = Run.open(options.run)
    jobs = wait_for_jobs(run, every=options.every, timeout=options.timeout, on_end=options.then or None)
    print(jobs.to_string())
    latest = RunSnapshot.read(run).latest.values()
    return SUCCESS if all(state.status == "Completed" for state in latest) else FOUND


def _stop(options: argparse.Namespace) -> int:
    from bbkit.jobs import stop_jobs
    from bbkit.run import Run

    print(stop_jobs(Run.open(options.run), options.job_arns or None).to_string())
    return SUCCESS


def _clean(options: argparse.Namespace) -> int:
    from bbkit.jobs import clean_run
    from bbkit.run import Run

    objects = clean_run(Run.open(options.run), delete=options.yes)
    print(objects.to_string() if len(objects) else "Nothing is left in S3.")
    return SUCCESS


def _collect(options: argparse.Namespace) -> int:
    from bbkit.outputs import accounting, collect_outputs
    from bbkit.outputs.exports import export_records

    outputs = collect_outputs(options.source, sent=options.sent)
    if options.export:
        export_records(outputs, options.export)
    told = accounting(outputs)
    print(told)
    return SUCCESS if told.complete else FOUND


def _report(options: argparse.Namespace) -> int:
    from bbkit.report import read_parameters, render_report

    if options.list:
        for parameter in read_parameters(options.notebook).values():
            print(f"{parameter.name}: {parameter.type} = {parameter.default!r}  # {parameter.help}")
        return SUCCESS
    output = options.output or Path(options.notebook).with_suffix(".html").name
    report = render_report(
        options.notebook,
        output,
        parameters=dict(options.parameter),
        with_text=options.with_text,
        title=options.title,
        fail_on=[tuple(rule) for rule in options.fail_on],
    )
    print(report.path)
    for rule in report.failed_on:
        print(f"bbkit: {rule}", file=sys.stderr)
    return FOUND if report.failed_on else SUCCESS
