"""A run is a folder: made whole, opened anywhere, adopted from a job; and its journal."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Standin
from hypothesis import given, settings, strategies as st

import bbkit as bb
from bbkit import aws
from bbkit.core.errors import (
    AwsError,
    FamilyError,
    InputError,
    PlaceError,
    QuotaError,
    RecordsError,
    RunError,
    RunExistsError,
    RunNotFoundError,
)
from bbkit.core.files import file_sha256
from bbkit.core.frames import JOB_COLUMNS
from bbkit.records import iter_record_ids, read_records
from bbkit.run import RunSnapshot
from bbkit.run.creation import slug
from bbkit.run.journal import Journal, replay

MODEL = "amazon.nova-micro-v1:0"
BODY = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


def read_ids(run: bb.Run, attempt: int = 1) -> list[str | None]:
    return [name for file in run.record_files(attempt) for name in iter_record_ids(file.path)]


def pairs(number: int) -> list[tuple[str, dict[str, Any]]]:
    return [(f"c{index:04d}", BODY) for index in range(number)]


def test_records_of_an_ended_model_are_written_where_it_lives_on(standin: Standin, tmp_path: Path) -> None:
    ended = {"model_id": "us.anthropic.claude-sonnet-4-20250514-v1:0"}
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, **BODY}
    records = [(f"c{n}", {**body, "messages": [{"role": "user", "content": "Hello"}]}) for n in range(100)]
    run = bb.Run.create(tmp_path / "run", **ended)
    with pytest.raises(RecordsError, match=r'ended on 2026-10-14.*allow=\["model_ended"\]'):
        bb.write_records(records, run)
    bb.write_records(records, run, allow=["model_ended"])
    before = bb.Run.create(tmp_path / "before", **ended)
    bb.write_records(records, before, as_of=date(2026, 3, 1))
    assert len(read_ids(before)) == 100
    with pytest.raises(RecordsError) as refused:
        bb.write_records([("a", {"x": 1})] * 100, bb.Run.create(tmp_path / "other", model_id=MODEL))
    assert "model_ended" not in str(refused.value)


def test_a_run_is_what_its_folder_says(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(
        tmp_path / "calls",
        model_id=MODEL,
        prompt="Résumé: {text}",
        parameters={"max_tokens": 300},
        tags={"team": "calls of 2026"},
        timeout_hours=72,
    )
    assert bb.Run.open(tmp_path / "calls") == run
    assert (run.family, run.endpoint.account, run.endpoint.is_standin) == ("nova", standin.account, True)
    assert run.s3_prefix == f"s3://bbkit-standin/runs/calls-{run.run_id[:8]}/"
    assert (run.folder / ".gitignore").read_text() == "*\n"
    assert RunSnapshot.read(run).table().dtypes.astype(str).to_dict() == JOB_COLUMNS
    text, page = repr(run), run._repr_html_()
    assert MODEL in text and MODEL in page
    assert "none written yet" in text


def test_a_copied_or_renamed_folder_is_the_same_run(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "calls", model_id=MODEL)
    bb.write_records(pairs(100), run)
    shutil.copytree(run.folder, tmp_path / "elsewhere" / "copy")
    copy = bb.Run.open(tmp_path / "elsewhere" / "copy")
    assert (copy.run_id, copy.s3_prefix) == (run.run_id, run.s3_prefix)
    first, second = bb.submit_jobs(run), bb.submit_jobs(copy)
    assert list(first["job_arn"]) == list(second["job_arn"])


def test_source_rows_come_back_by_record_id(standin: Standin, tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "call_id": ["007", "008", "009"],
            "seconds": [1, 2, 3],
            "mixed": [{"a": 1}, [2], None],
            "when": pd.to_datetime(["2026-01-01", None, "2026-01-03"]),
            "odd": pd.Series(["a\ud800b", "x", "y"], dtype=object),
            "empty": [np.nan, np.nan, np.nan],
        }
    )
    cases = {
        "named": (rows.set_index("call_id", drop=False), ["007", "008", "009"]),
        "numbered": (rows, ["00000000001", "00000000002", "00000000003"]),
        "column": (rows.rename(columns={"call_id": "record_id"}), ["007", "008", "009"]),
    }
    for name, (source, ids) in cases.items():
        run = bb.Run.create(tmp_path / name, model_id=MODEL, source=source)
        kept = run.read_source()
        assert kept is not None
        assert (list(kept.index), kept.index.name) == (ids, "record_id")
        assert list(kept.columns) == list(source.columns)
        assert list(kept["seconds"]) == [1, 2, 3]
        assert kept["mixed"].iloc[0] == '{"a": 1}'
        assert run.source_fingerprint["rows"] == 3
    assert bb.Run.create(tmp_path / "none", model_id=MODEL).read_source() is None


def test_an_occupied_folder_is_left_alone(standin: Standin, tmp_path: Path) -> None:
    bb.write_records(pairs(100), bb.Run.create(tmp_path / "run", model_id=MODEL))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, words in (("run", "already holds a run"), ("other", "not an empty"), ("file", "not an empty")):
        with pytest.raises(RunExistsError, match=words):
            bb.Run.create(tmp_path / name, model_id=MODEL)
    (tmp_path / "empty").mkdir()
    assert bb.Run.create(tmp_path / "empty", model_id=MODEL).name == "empty"
    with pytest.raises(RunNotFoundError, match="holds no run"):
        bb.Run.open(tmp_path / "other")
    with pytest.raises(FileNotFoundError):
        bb.Run.open(tmp_path / "nowhere")


def test_a_run_can_be_made_anew_until_something_of_it_was_sent(standin: Standin, tmp_path: Path) -> None:
    first = bb.Run.create(tmp_path / "run", model_id=MODEL)
    bb.write_records(pairs(100), first)
    with pytest.raises(RunExistsError, match="or pass replace=True, which keeps it aside"):
        bb.Run.create(tmp_path / "run", model_id=MODEL)
    kept = tmp_path / "run-replaced-1"
    with pytest.warns(UserWarning, match=f"is kept in {kept}") as said:
        second = bb.Run.create(tmp_path / "run", model_id=MODEL, replace=True)
    assert said[0].filename == __file__
    assert bb.Run.open(kept).run_id == first.run_id
    assert len(bb.Run.open(kept).record_files()) == 1
    assert not second.record_files()
    bb.write_records(pairs(100), second)
    with pytest.warns(UserWarning, match="run-replaced-2"):
        third = bb.Run.create(tmp_path / "run", model_id=MODEL, replace=True)
    bb.write_records(pairs(100), third)
    bb.submit_jobs(third)
    with pytest.raises(RunExistsError, match="of which something was sent or is queued"):
        bb.Run.create(tmp_path / "run", model_id=MODEL, replace=True)
    assert bb.Run.open(tmp_path / "run").run_id == third.run_id
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("mine")
    with pytest.raises(RunExistsError, match="not an empty"):
        bb.Run.create(tmp_path / "other", model_id=MODEL, replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "other",
        "run",
        "run-replaced-1",
        "run-replaced-2",
    ]


def test_a_run_sent_on_demand_is_not_replaced(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    bb.write_records(pairs(3), run, allow=["min_records_per_job"])
    bb.send_on_demand(run)
    with pytest.raises(RunExistsError, match="of which something was sent"):
        bb.Run.create(tmp_path / "run", model_id=MODEL, replace=True)


def test_tags_and_network_are_also_taken_as_text(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(
        tmp_path / "run",
        model_id=MODEL,
        tags="team: care, cost center=1:7",
        vpc_config="subnet-1, sg-2 subnet-3",
    )
    assert run.job_options["tags"] == {"team": "care", "cost center": "1:7"}
    assert run.job_options["vpc_config"] == {
        "subnetIds": ["subnet-1", "subnet-3"],
        "securityGroupIds": ["sg-2"],
    }
    assert (
        bb.Run.create(tmp_path / "none", model_id=MODEL, tags="", vpc_config="").job_options["vpc_config"]
        == {}
    )
    for options, said in (
        ({"tags": "care"}, "takes pairs parted by commas"),
        ({"vpc_config": "sg-1"}, r"vpc_config has subnetIds \[\]; it takes a list of 1 to 16 ids"),
    ):
        with pytest.raises(InputError, match=said):
            bb.Run.create(tmp_path / "wrong", model_id=MODEL, **options)


def test_a_run_whose_records_were_refused_can_be_made_again(standin: Standin, tmp_path: Path) -> None:
    first = bb.Run.create(tmp_path / "run", model_id=MODEL, source=pd.DataFrame({"a": range(3)}))
    with pytest.raises(RecordsError):
        bb.write_records([(name, {"x": 1}) for name, _ in pairs(100)], first)
    again = bb.Run.create(tmp_path / "run", model_id=MODEL)
    assert bb.Run.open(tmp_path / "run").run_id == again.run_id != first.run_id
    assert again.read_source() is None
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    for name in ("jobs.jsonl", "notes.txt"):
        (again.folder / name).touch()
        with pytest.raises(RunExistsError, match="already holds a run"):
            bb.Run.create(tmp_path / "run", model_id=MODEL)
        (again.folder / name).unlink()
    bb.write_records(pairs(100), again)
    with pytest.raises(RunExistsError, match="already holds a run"):
        bb.Run.create(tmp_path / "run", model_id=MODEL)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (
            {"model_id": "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/x1"},
            FamilyError,
            "family=",
        ),
        ({"s3_uri": "bucket/key"}, InputError, "s3"),
        ({"s3_uri": "s3://bucket/dt=2026-01-01"}, InputError, "dt="),
        ({"role_arn": "not-a-role"}, InputError, "not-a-role"),
        ({"timeout_hours": 2}, InputError, "24 to 168"),
        ({"invocation_type": "Stream"}, InputError, "Stream"),
        ({"bucket_owner": "12"}, InputError, "12 digits"),
        ({"bucket_owner": 111122223333}, InputError, "12 digits"),
        ({"vpc_config": {"subnets": ["a"]}}, InputError, "subnetIds"),
        ({"vpc_config": ["a"]}, InputError, "takes a mapping"),
        ({"vpc_config": {"subnetIds": "subnet-0a", "securityGroupIds": ["sg-0b"]}}, InputError, "1 to 16"),
        ({"vpc_config": {"subnetIds": ["subnet-0a"], "securityGroupIds": ["sg 0b"]}}, InputError, "1 to 5"),
        ({"vpc_config": {"subnetIds": ["s"] * 17, "securityGroupIds": ["sg-0b"]}}, InputError, "1 to 16"),
        ({"tags": ["a"]}, InputError, "takes a mapping"),
        ({"tags": {"a!": "x"}}, InputError, "the key 'a!'; it takes text of 1 to 128"),
        ({"tags": {"": "x"}}, InputError, "1 to 128"),
        ({"tags": {"team": "é"}}, InputError, "the value 'é'; it takes text of 0 to 256"),
        ({"tags": {"team": 7}}, InputError, "0 to 256"),
        ({"tags": {str(number): "" for number in range(51)}}, InputError, "at most 50"),
        ({"kms_key_id": "bad key"}, InputError, "kms_key_id: 'bad key' is not"),
        ({"kms_key_id": 5}, InputError, "kms_key_id"),
    ],
)
def test_what_create_would_refuse_is_refused_before_anything_is_written(
    standin: Standin, tmp_path: Path, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        bb.Run.create(tmp_path / "run", **{"model_id": MODEL, **options})
    assert list(tmp_path.iterdir()) == []


def test_every_fault_of_the_values_is_told_at_once(standin: Standin, tmp_path: Path) -> None:
    wrong = {"s3_uri": "bucket/key", "role_arn": "not-a-role", "timeout_hours": 2}
    with pytest.raises(InputError, match=r"does not begin with s3://.*'not-a-role' is not.*24 to 168\.$"):
        bb.Run.create(tmp_path / "run", model_id=MODEL, **wrong)
    more = {"bucket_owner": "12", "kms_key_id": "bad key", "tags": {"a!": "b!"}}
    with pytest.raises(InputError, match=r"the key 'a!'.* \(4 more errors\)$"):
        bb.Run.create(tmp_path / "run", model_id=MODEL, **wrong, **more)
    assert list(tmp_path.iterdir()) == []


def test_what_create_would_refuse_no_change_brings_in(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL, kms_key_id="alias/calls", tags={"a:b/c": "@ d"})
    for options in (
        {"tags": ["a"]},
        {"tags": {"a": "x!"}},
        {"kms_key_id": "arn:aws:kms:x"},
        {"timeout_hours": 1},
    ):
        with pytest.raises(InputError):
            run.change(**options)
    assert bb.Run.open(run.folder) == run


def test_the_place_in_s3_and_the_role_must_be_named(
    standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s3_uri", "role_arn"):
        with monkeypatch.context() as patch:
            patch.delenv(f"BBKIT_{name.upper()}")
            with pytest.raises(InputError, match=f"Pass {name}=, or set BBKIT_{name.upper()}"):
                bb.Run.create(tmp_path / "run", model_id=MODEL)


def test_without_credentials_nothing_is_left_on_disk(tmp_path: Path) -> None:
    script = (
        "import bbkit as bb\nbb.Run.create('runs/deep/calls', model_id='amazon.nova-micro-v1:0', "
        "s3_uri='s3://calls/runs', role_arn='arn:aws:iam::111122223333:role/r')"
    )
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=bare, capture_output=True, text=True, check=False
    )
    assert "CredentialsError: There are no AWS credentials." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_records_are_written_whole_or_not_at_all(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    before = sorted(run.folder.rglob("*"))
    with pytest.raises(RecordsError, match="a batch job takes at least 100") as caught:
        bb.write_records(pairs(90), run)
    assert len(caught.value.findings.errors) == 1
    with pytest.raises(RecordsError, match="'c0000'"):
        bb.write_records(pairs(100) + pairs(1), run)
    with pytest.raises(RecordsError, match="modelId"):
        bb.write_records([(name, {**body, "modelId": MODEL}) for name, body in pairs(100)], run)

    def broken() -> Any:
        yield from pairs(150)
        raise OSError("the source went away")

    def stopped() -> Any:
        yield from pairs(150)
        raise KeyboardInterrupt

    with pytest.raises(OSError, match="went away"):
        bb.write_records(broken(), run)
    with pytest.raises(KeyboardInterrupt):
        bb.write_records(stopped(), run)
    assert sorted(run.folder.rglob("*")) == before
    written = bb.write_records(iter(pairs(120)), run)
    assert list(written["records"]) == [120]
    assert list(read_ids(run)) == [name for name, _ in pairs(120)]
    with pytest.raises(RunExistsError, match="already has 120 records"):
        bb.write_records(pairs(120), run)


def test_lines_that_other_code_made_are_written_from_memory(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    for wrong, named in ((None, "NoneType"), ([("a", BODY, 1)], "tuple with 3 members")):
        with pytest.raises(InputError, match=named):
            bb.write_records(wrong, run)
    lines = [{"recordId": name, "modelInput": body} for name, body in pairs(100)]
    bb.write_records(lines, run)
    assert list(read_records(run.record_files()[0].path)) == pairs(100)


def test_a_prefix_in_s3_is_written_without_what_begins_alike(standin: Standin, tmp_path: Path) -> None:
    for key, name in (("march/a", "a"), ("march-bad/b", "b")):
        content = "".join(
            json.dumps({"recordId": f"{name}{n}", "modelInput": BODY}) + "\n" for n in range(100)
        )
        place = f"prefix-test/{key}.jsonl"
        standin.client("s3").put_object(Bucket="bbkit-standin", Key=place, Body=content)
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    assert bb.write_records("s3://bbkit-standin/prefix-test/march", run)["records"].to_list() == [100]
    assert {record_id[0] for record_id, _ in read_records(run.record_files()[0].path)} == {"a"}


def test_allowed_rules_do_not_stop_records(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    odd = [(name, {**body, "modelId": MODEL}) for name, body in pairs(100)]
    rules = set(bb.check_records(odd, MODEL).errors["rule"])
    bb.write_records(odd, run, allow=tuple(rules))
    assert run.record_files()[0].records == 100


def test_a_record_that_cannot_be_written_is_never_left_out(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    for odd in (float("nan"), "\ud800", object()):
        records = [*pairs(100), ("odd", {**BODY, "requestMetadata": {"x": odd}})]
        rules = list(bb.check_records(records, MODEL).errors["rule"])
        for form in (records, iter(records), pd.DataFrame(records, columns=["record_id", "model_input"])):
            with pytest.raises(RecordsError) as caught:
                bb.write_records(form, run, allow=rules)
            assert "odd" in set(caught.value.findings["record_id"].dropna())
    assert not run.record_files()


def test_findings_name_the_files_that_were_given(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"recordId": "a", "modelInput": BODY}) + "\n" for _ in range(100)))
    with pytest.raises(RecordsError, match="occurs 100 times") as caught:
        bb.write_records(path, run)
    assert caught.value.findings.errors["file"].tolist() == [str(path)]


def test_files_follow_the_quotas_given(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    tight = replace(bb.Quotas.defaults(MODEL), max_records_per_job=110)
    before = sorted(run.folder.rglob("*"))
    with pytest.raises(QuotaError):
        bb.write_records(pairs(115), run, quotas=tight)
    assert sorted(run.folder.rglob("*")) == before
    written = bb.write_records(pairs(220), run, quotas=tight)
    assert list(written["records"]) == [110, 110]
    assert written["job"].nunique() == 2
    files = run.record_files()
    assert [file.sha256 for file in files] == [file_sha256(file.path) for file in files]
    assert [file.bytes for file in files] == [file.path.stat().st_size for file in files]


def test_a_job_of_several_files_reads_its_own_folder(
    start_standin: Callable[..., Standin], tmp_path: Path
) -> None:
    start_standin("--min-records", "8", "--max-records-per-file", "4")
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    written = bb.write_records(pairs(16), run, quotas=bb.Quotas.read(MODEL))
    assert len(written) == 4
    jobs = bb.submit_jobs(run)
    given = aws.get_job(jobs["job_arn"].iloc[0])["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
    assert given.endswith("/input/1-0001/") or len(jobs) == 4
    bb.wait_for_jobs(run, timeout=30)
    assert str(bb.accounting(bb.collect_outputs(run))) == "16 sent = 16 succeeded"


def test_options_can_change_and_the_identity_cannot(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    role = f"arn:aws:iam::{standin.account}:role/Repaired"
    changed = run.change(role_arn=role, timeout_hours=100)
    assert bb.Run.open(run.folder) == changed
    assert (changed.role_arn, changed.job_options["timeout_hours"]) == (role, 100)
    with pytest.raises(InputError, match="'model_id' cannot change"):
        run.change(model_id="x")
    with pytest.raises(InputError, match="24 to 168"):
        run.change(timeout_hours=1)


def test_a_job_is_adopted_with_its_records_and_its_end(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    bb.write_records(pairs(100), run)
    bb.submit_jobs(run)
    arn = bb.wait_for_jobs(run)["job_arn"].iloc[0]
    adopted = bb.Run.adopt(arn, tmp_path / "adopted")
    assert bb.Run.open(adopted.folder) == adopted
    assert (adopted.model_id, adopted.family) == (MODEL, "nova")
    assert list(RunSnapshot.read(adopted).table()["status"]) == ["Completed"]
    assert list(read_ids(adopted)) == list(read_ids(run))
    assert str(bb.accounting(bb.collect_outputs(adopted))) == "100 sent = 100 succeeded"
    assert len(bb.submit_jobs(adopted)) == 1
    # The inputs of an old job may be gone: what came back is read all the same.
    aws.delete_objects([f"{run.s3_prefix}input/1-0001.jsonl"])
    late = bb.Run.adopt(arn, tmp_path / "late")
    outputs = bb.collect_outputs(late)
    assert len(outputs) == 100
    assert str(bb.accounting(outputs)).endswith("which were sent is not known")


def test_a_job_of_another_tool_is_adopted(standin: Standin, tmp_path: Path) -> None:
    s3, bedrock = aws.client("s3"), aws.client("bedrock")
    lines = [json.dumps({"recordId": f"x{number}", "modelInput": BODY}) for number in range(100)]
    for part in (1, 2):
        half = "\n".join(lines[50 * (part - 1) : 50 * part]) + "\n"
        s3.put_object(Bucket="bbkit-standin", Key=f"theirs/in/part{part}.jsonl", Body=half.encode())
    arn = bedrock.create_model_invocation_job(
        jobName="their-job",
        roleArn=os.environ["BBKIT_ROLE_ARN"],
        modelId=MODEL,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://bbkit-standin/theirs/in/"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://bbkit-standin/theirs/out"}},
    )["jobArn"]
    run = bb.Run.adopt(arn, tmp_path / "theirs")
    jobs = bb.wait_for_jobs(run, timeout=30)
    assert list(jobs["job_name"]) == ["their-job"]
    assert list(jobs["records"]) == [100]
    assert str(bb.accounting(bb.collect_outputs(run))) == "100 sent = 100 succeeded"


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        ("abc", "is not the ARN of a batch job"),
        (
            "arn:aws:bedrock:eu-west-1:{account}:model-invocation-job/abcdefghijkl",
            "eu-west-1",
        ),
        (
            "arn:aws:bedrock:us-east-1:{account}:model-invocation-job/abcdefghijkl",
            "ResourceNotFoundException",
        ),
    ],
)
def test_what_cannot_be_adopted_leaves_nothing(
    standin: Standin, tmp_path: Path, arn: str, words: str
) -> None:
    with pytest.raises((InputError, AwsError), match=words):
        bb.Run.adopt(arn.format(account=standin.account), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "event": st.sampled_from(["queued", "withdrawn", "note"]),
            "job": st.sampled_from(["1-0001", "1-0002"]),
            "attempt": st.just(1),
            "submission": st.integers(1, 2),
            "text": st.text(max_size=20),
        }
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(events=EVENTS, cut=st.integers(0, 10_000))
def test_a_journal_cut_anywhere_reads_as_its_whole_lines_and_takes_more(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]], cut: int
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journal") / "jobs.jsonl")
    for event in events:
        journal.append(event)
    data = journal.path.read_bytes()
    kept = data[: cut % (len(data) + 1)]
    journal.path.write_bytes(kept)
    whole = kept.count(b"\n")
    assert [{**event, "at": None} for event in journal.read()] == [
        {**event, "at": None} for event in events[:whole]
    ]
    journal.append(events[0])
    assert len(journal.read()) == whole + 1
    assert journal.path.read_bytes().endswith(b"\n")


def test_a_spoiled_journal_is_named_and_not_guessed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "jobs.jsonl")
    journal.append({"event": "queued", "job": "1-0001", "attempt": 1, "submission": 1})
    journal.path.write_bytes(b"nonsense\n" + journal.path.read_bytes())
    with pytest.raises(RunError, match=r"Line 1 of jobs\.jsonl is no event"):
        journal.read()


@pytest.mark.parametrize("text", ["{", "[]", '{"files": [{"path": "x"}], "lineage": {}}'])
def test_a_spoiled_index_of_files_is_named(standin: Standin, tmp_path: Path, text: str) -> None:
    run = bb.Run.create(tmp_path / "calls", model_id=MODEL)
    bb.write_records(pairs(100), str(run.folder))
    (run.folder / "records" / "index.json").write_text(text)
    with pytest.raises(RunError, match=r"index\.json does not list the files of a run"):
        bb.submit_jobs(run)


def test_an_end_is_not_undone_by_a_slower_process() -> None:
    def event(name: str, status: str) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat()
        return {
            "event": name,
            "at": at,
            "job": "1-0001",
            "attempt": 1,
            "submission": 1,
            "job_arn": "a",
            "seen": {"status": status},
        }

    states = replay([event("ended", "Failed"), event("status", "InProgress")])
    assert [state.status for state in states] == ["Failed"]
    assert not states[0].open
    unknown = replay(
        [{**event("status", "Hibernating"), "event": "status"}, {**event("submitted", ""), "seen": None}]
    )
    assert unknown[0].open


@given(name=st.text(max_size=80))
def test_every_folder_name_gives_a_name_bedrock_takes(name: str) -> None:
    made = slug(name)
    assert 1 <= len(made) <= 24
    assert made[0].isalnum()
    assert all(sign.isascii() and (sign.isalnum() or sign in "-.") for sign in made)


def test_a_run_of_the_stand_in_is_refused_elsewhere_without_a_call(
    standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = bb.Run.create(tmp_path / "run", model_id="amazon.nova-lite-v1:0")
    for name in [name for name in os.environ if name.startswith(("AWS_", "BBKIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAX")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", run.endpoint.region)
    with pytest.raises(
        PlaceError, match=r"was made for the stand-in at .* now in use are for AWS in us-east-1"
    ):
        run.check_endpoint()
    with pytest.raises(InputError, match="not int"):
        bb.wait_for_jobs(5)
