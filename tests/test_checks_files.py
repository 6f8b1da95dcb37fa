"""Files: what is wrong with lines, files, folders and places in S3; hostile files in bounded memory."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bodies import HAIKU_3, LITE, check_records, claude
from conftest import Standin

from bbkit.catalog.quotas import Quotas
from bbkit.checks import RULES
from bbkit.core.errors import InputError, RecordsError
from bbkit.records import iter_record_ids, read_records, record_files
from bbkit.records.input_sets import list_input_set
from bbkit.records.tokens import estimate_tokens

ONE = Quotas(min_records_per_job=1)
ABOUT_BODIES = slice(list(RULES).index("required"), list(RULES).index("no_records"))


@pytest.fixture(autouse=True)
def no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def line(record_id: Any = "r1", **members: Any) -> bytes:
    return json.dumps({"recordId": record_id, "modelInput": claude(), **members}).encode()


GOOD = line()


def found_in(path: Path | str, quotas: Quotas = ONE, model_id: str = HAIKU_3) -> dict[str, int]:
    found = check_records(path, model_id, quotas=quotas)
    assert set(found["rule"]) <= set(RULES)
    return dict(zip(found["rule"], found["count"], strict=True))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: bytes, name: str = "in.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return write


E_ACUTE = "é".encode("latin-1")
LINES: list[tuple[str, bytes, bytes]] = [
    ("not_utf8", GOOD.replace(b"Hello", E_ACUTE), GOOD.replace(b"Hello", "é \u2028 \x85".encode())),
    ("not_utf8", GOOD.replace(b"Hello", b"\xed\xa0\x80"), GOOD.replace(b"Hello", "\U0001f600".encode())),
    ("not_json", GOOD[:-1], GOOD),
    ("not_json", GOOD + b",", b" " + GOOD + b" \r"),
    ("not_json", GOOD.replace(b'"', b"'"), GOOD.replace(b": ", b":")),
    ("not_json", GOOD + GOOD, GOOD),
    ("not_json", GOOD.replace(b"Hello", b"\0"), GOOD.replace(b"Hello", b"\\u0000")),
    ("not_object", b"[" + GOOD + b"]", GOOD),
    ("not_object", b'"text"', GOOD),
    ("not_object", b"null", GOOD),
    ("nan", line(modelInput=claude(metadata={"x": float("nan")})),
     line(modelInput=claude(metadata={"x": "NaN"}))),
    ("nan", GOOD.replace(b"4096", b"Infinity"), GOOD.replace(b"4096", b"4000")),
    ("nan", line(modelInput=claude(metadata={"x": 0})).replace(b": 0", b": 1e999"),
     line(modelInput=claude(metadata={"x": 0})).replace(b": 0", b": 1e99")),
    ("lone_surrogate", GOOD.replace(b"Hello", b"\\ud800"), GOOD.replace(b"Hello", b"\\ud83d\\ude00")),
    ("lone_surrogate", GOOD.replace(b"Hello", b"\\udc00x"), GOOD.replace(b"Hello", b"\\\\udc00")),
    ("too_deep", b'{"recordId":"r1","modelInput":{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}}", GOOD),
    ("record_id_missing", json.dumps({"modelInput": claude()}).encode(), GOOD),
    ("record_id_missing", line(None), line("None")),
    ("record_id_missing", line(" "), line("0")),
    ("record_id_type", line(17), line("17")),
    ("record_id_type", line(["a"]), line("['a']")),
    ("extra_key", line(metadata={"a": 1}), GOOD),
    ("model_input_missing", b'{"recordId":"r1"}', GOOD),
    ("model_input_type", line(modelInput=json.dumps(claude())), GOOD),
    ("model_input_type", line(modelInput=None), GOOD),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "broken", "near"), LINES, ids=[f"{rule} {n}" for n, (rule, *_) in enumerate(LINES)]
)
def test_a_line_rule_fires_and_its_near_miss_does_not(
    rule: str, broken: bytes, near: bytes, write: Callable[..., Path]
) -> None:
    found = check_records(write(line("first"), broken), HAIKU_3, quotas=ONE)
    assert found["rule"].tolist().count(rule) == 1
    assert found.loc[found["rule"] == rule, "line"].item() == 2
    assert found_in(write(line("first"), near)) == {}


def test_lines_end_at_newlines_only(write: Callable[..., Path]) -> None:
    odd = line(modelInput=claude(system="a\u2028b\u2029c\x85d"))
    plain = json.dumps(json.loads(odd), ensure_ascii=False).encode()
    assert found_in(write(odd, plain.replace(b'"r1"', b'"r2"'))) == {}
    windows = b"\r\n".join([line("a"), line("b")])
    assert found_in(write(windows)) == {}
    unended = write(line("a"))
    unended.write_bytes(line("a") + b"\n" + line("b"))
    assert found_in(unended) == {}


def test_blank_lines_and_the_byte_order_mark(write: Callable[..., Path]) -> None:
    found = check_records(write(b"\xef\xbb\xbf" + line("a"), b"", b" \t\r", line("b")), HAIKU_3, quotas=ONE)
    assert found[["rule", "count"]].to_numpy().tolist() == [["bom", 1], ["blank_line", 2]]
    assert found_in(write(line("a"), line("\ufeffb"))) == {}


@pytest.mark.parametrize(
    ("content", "rule", "named"),
    [
        (gzip.compress(GOOD * 50, mtime=0)[:100], "not_jsonl", "gzip"),
        (b"PK\x03\x04" + b"x" * 100, "not_jsonl", "zip"),
        (b"PAR1" + b"x" * 100, "not_jsonl", "Parquet"),
        (GOOD.decode().encode("utf-16"), "not_utf8", "UTF-16"),
        (b"", "empty_file", "no record"),
    ],
)
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes, rule: str, named: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    found = check_records(path, HAIKU_3, quotas=ONE)
    assert set(found["rule"]) == {rule, "no_records"}
    assert named in found.loc[found["rule"] == rule, "finding"].item()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(json.loads(GOOD), indent=1).encode(), "one line, as json.dumps does"),
        (json.dumps([json.loads(GOOD)] * 99, indent=2).encode(), "one line, as json.dumps does"),
        (b"\xef\xbb\xbf" + json.dumps(json.loads(GOOD), indent=1).encode(), "without indent"),
        (b"\r".join([GOOD] * 1800), "a newline after every record"),
        (b"\r".join([GOOD] * 1800) + b"\r", "a newline after every record"),
    ],
)
def test_records_that_are_not_one_a_line_are_one_finding(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(content)
    found = check_records(path, HAIKU_3, quotas=ONE)
    found = found[~found["rule"].isin(["no_records", "bom"])]
    assert (found["rule"].item(), found["count"].item()) == ("not_jsonl", 1)
    assert said in found["remedy"].item()
    path.write_bytes(b"\r\n".join([line("a"), line("b"), b""]))
    assert found_in(path) == {}


def test_names_and_folders(write: Callable[..., Path], tmp_path: Path) -> None:
    assert found_in(write(GOOD, name="in.json")) == {"extension": 1}
    (tmp_path / "in.json").unlink()
    write(line("a"), name="1.jsonl")
    write(line("b"), name="2.jsonl")
    write(b"anything", name="in.jsonl.out")
    write(b"anything", name="notes.txt")
    assert found_in(tmp_path) == {}
    write(line("c"), name="3.jsonl.gz")
    write(line("a"), name="4.JSONL")
    (tmp_path / "deep").mkdir()
    write(line("d"), name="deep/5.jsonl")
    found = check_records(tmp_path, HAIKU_3, quotas=ONE)
    assert sorted(found["rule"]) == ["extension", "extension", "nested_file"]
    assert found["file"].str.endswith(("3.jsonl.gz", "4.JSONL", "5.jsonl")).all()
    write(line("a"), name="6.jsonl")
    assert found_in(tmp_path)["record_id_duplicate"] == 1


def test_nothing_to_check_is_bad_use(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(InputError):
            check_records(path, HAIKU_3)


def test_files_and_jobs_against_the_quotas(write: Callable[..., Path], tmp_path: Path) -> None:
    for number in range(3):
        write(*(line(f"{number}-{row}") for row in range(4)), name=f"{number}.jsonl")
    size = len(b"\n".join(line(f"0-{row}") for row in range(4))) + 1
    exact = Quotas(1, 12, 4, size, 3 * size, 20)
    assert found_in(tmp_path, exact) == {}
    small = Quotas(1, 11, 3, size - 1, 3 * size - 1, 20)
    found = check_records(tmp_path, HAIKU_3, quotas=small)
    assert sorted(set(found["rule"])) == [
        "max_file_bytes", "max_job_bytes", "max_records_per_file", "max_records_per_job",
    ]  # fmt: skip
    assert set(found["severity"]) == {"warning"}
    assert found_in(tmp_path, Quotas(13, 20, 20)) == {"min_records_per_job": 1}
    assert found_in(tmp_path, Quotas(12, 20, 20)) == {}


def test_a_line_is_found_whole_wherever_blocks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bbkit.checks import files
    from bbkit.records import input_sets

    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join([line("a"), b"", line("b" * 50), line("a")]) + b"\n")
    expected = found_in(path)
    assert expected == {"record_id_duplicate": 1, "blank_line": 1}
    for block in (1, 2, 7, 64, 1000):
        monkeypatch.setattr(input_sets, "_BLOCK", block)
        assert found_in(path) == expected
    monkeypatch.setattr(files, "CHECKED_BYTES", len(line("a")) + 5)
    monkeypatch.setattr(input_sets, "_BLOCK", 16)
    found = check_records(path, HAIKU_3, quotas=ONE)
    assert found[found["rule"] == "line_too_long"]["line"].tolist() == [3]


def test_media_must_lie_in_the_folder_of_the_job(standin: Standin, write: Callable[..., Path]) -> None:
    def video(uri: str) -> bytes:
        source = {"s3Location": {"uri": uri}}
        content = [{"video": {"format": "mp4", "source": source}}, {"text": "What happens?"}]
        body = {"messages": [{"role": "user", "content": content}]}
        return json.dumps({"recordId": uri, "modelInput": body}).encode()

    s3 = standin.client("s3")
    inside, outside = "s3://bbkit-standin/media-test/v.mp4", "s3://bbkit-standin/other/v.mp4"
    s3.put_object(Bucket="bbkit-standin", Key="media-test/v.mp4", Body=b"x")
    s3.put_object(Bucket="bbkit-standin", Key="media-test/in.jsonl", Body=video(inside) + b"\n")
    s3.put_object(Bucket="bbkit-standin", Key="media-test2/in.jsonl", Body=video(outside))
    assert found_in("s3://bbkit-standin/media-test/", model_id=LITE) == {}
    assert found_in("s3://bbkit-standin/media-test", model_id=LITE) == {}
    assert found_in("s3://bbkit-standin/media-test2/", model_id=LITE) == {"media_place": 1}
    assert found_in("s3://bbkit-standin/media-test/in.jsonl", model_id=LITE) == {"media_place": 1}
    gone = inside.replace("v.mp4", "gone.mp4")
    s3.put_object(
        Bucket="bbkit-standin", Key="media-test/in.jsonl", Body=b"\n".join([video(inside), video(gone)])
    )
    found = check_records("s3://bbkit-standin/media-test/", LITE, quotas=ONE)
    assert "gone.mp4 does not exist" in found["finding"].item()
    lines = [video(inside), video(outside), video(gone), video(gone), video(outside.replace("v.", "w."))]
    s3.put_object(Bucket="bbkit-standin", Key="media-test/in.jsonl", Body=b"\n".join(lines))
    found = check_records("s3://bbkit-standin/media-test/", LITE, quotas=ONE)
    found = found[found["rule"] == "media_place"]
    assert found["count"].tolist() == [2, 2]
    assert found["finding"].str.contains("does not exist").tolist() == [False, True]
    assert found["finding"].str.startswith((outside, gone)).all()
    assert found_in(write(video(inside), video(outside)), model_id=LITE) == {}
    assert found_in(write(video(inside), video("s3://amzn-s3-demo-bucket/v.mp4")), model_id=LITE) == {
        "media_place": 1
    }
    with pytest.raises(InputError):
        check_records("s3://bbkit-standin/nothing-here/", LITE)


def test_objects_are_checked_as_files_are(standin: Standin, write: Callable[..., Path]) -> None:
    path = write(line("a"), b"", line("a"), b"[1]", GOOD.replace(b"Hello", E_ACUTE))
    standin.client("s3").upload_file(str(path), "bbkit-standin", "check-test/in.jsonl")
    assert found_in("s3://bbkit-standin/check-test/in.jsonl") == found_in(path)


def test_a_prefix_is_a_folder_with_or_without_its_last_slash(standin: Standin) -> None:
    s3 = standin.client("s3")
    for key, ids in {"march/a": "a", "march/sub/b": "b", "march-bad/c": "c", "march/d.jsonl": "d"}.items():
        s3.put_object(Bucket="bbkit-standin", Key=f"place-test/{key}.jsonl", Body=line(ids) + b"\n")
    for place in ("s3://bbkit-standin/place-test/march", "s3://bbkit-standin/place-test/march/"):
        assert list(iter_record_ids(place)) == [record_id for record_id, _ in read_records(place)]
        assert list(iter_record_ids(place)) == ["a", "d", "b"]
        assert estimate_tokens(place, HAIKU_3).records == 3
        assert found_in(place, Quotas(min_records_per_job=3)) == {"nested_file": 1}
        assert found_in(place, Quotas(min_records_per_job=4)) == {"nested_file": 1, "min_records_per_job": 1}
    exact = "s3://bbkit-standin/place-test/march/d.jsonl"
    s3.put_object(Bucket="bbkit-standin", Key="place-test/march/d.jsonl", Body=line("e"))
    assert list(iter_record_ids(exact)) == ["e"]
    with pytest.raises(InputError, match="march/sub/b"):
        record_files("s3://bbkit-standin/place-test/march/sub/b")


def test_a_folder_is_read_alike_on_disk_and_in_s3(standin: Standin, tmp_path: Path) -> None:
    names = ["a.jsonl", "b.json", "sub/c.jsonl", "sub/deeper/d.jsonl", "sub/e.json", "v.mp4"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(line(name))
        standin.client("s3").upload_file(str(path), "bbkit-standin", f"alike-test/{name}")
    local, remote = list_input_set(tmp_path), list_input_set("s3://bbkit-standin/alike-test")
    for found, folder in ((local, f"{tmp_path}/"), (remote, "s3://bbkit-standin/alike-test/")):
        names = [name.removeprefix(folder) for name in found.files]
        assert names == ["a.jsonl", "sub/c.jsonl", "sub/deeper/d.jsonl"]
        assert found.files[1:] == found.nested
        assert found.others == [f"{folder}b.json"]
    assert found_in(tmp_path) == found_in("s3://bbkit-standin/alike-test")


# --- hostile files -----------------------------------------------------------------------------------------

_MEASURE = """
import datetime as dt, json, pathlib, re, sys
from bbkit.checks import check_records
from bbkit.catalog.quotas import Quotas
one = Quotas(min_records_per_job=1)
found = check_records(sys.argv[1], sys.argv[2], quotas=one, as_of=dt.date(2025, 1, 1))
rows = {rule: int(count) for rule, count in zip(found["rule"], found["count"], strict=True)}
# Not ru_maxrss: a child inherits there what its parent held.
peak = re.search("VmHWM:[^0-9]+([0-9]+) kB", pathlib.Path("/proc/self/status").read_text())
print(json.dumps([rows, int(peak[1]) // 1024]))
"""


NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")


def check_apart(path: Path) -> tuple[dict[str, int], int]:
    """Check in a process of its own: the rules with their counts, and the peak of its memory in MB."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, path, HAIKU_3], capture_output=True, text=True, check=True
    )
    return tuple(json.loads(done.stdout))  # type: ignore[return-value]


@NEEDS_PROC
def test_ten_million_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(line("a") + b"\n" * 10_000_001 + line("b"))
    found, peak = check_apart(path)
    assert found == {"blank_line": 10_000_000}
    assert peak < 300


def test_many_broken_lines_of_every_kind(write: Callable[..., Path]) -> None:
    lines = [broken for rule, broken, _ in LINES if rule != "too_deep"]
    found = found_in(write(*lines * 200))
    for rule in {rule for rule, *_ in LINES} - {"too_deep"}:
        assert found[rule] >= 200


@NEEDS_PROC
@pytest.mark.long
def test_a_line_of_two_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    with path.open("wb") as stream:
        stream.write(line("a") + b"\n" + b'{"recordId":"b","modelInput":{"x":"')
        stream.truncate(2_200_000_000)
        stream.seek(0, 2)
        stream.write(b"\n" + line("c") + b"\n")
    found, peak = check_apart(path)
    assert found == {"record_bytes": 1, "max_file_bytes": 1}
    assert peak < 300


@NEEDS_PROC
@pytest.mark.long
def test_a_line_that_may_be_a_record_but_is_too_long_to_hold(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    long = line("b", modelInput=claude(messages=[{"role": "user", "content": "x" * 100_000_000}]))
    path.write_bytes(line("a") + b"\n" + long + b"\n")
    found, peak = check_apart(path)
    assert found == {"line_too_long": 1}
    assert peak < 300


@NEEDS_PROC
@pytest.mark.long
def test_deep_nesting_and_nul_bytes_by_the_thousand(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    deep = b'{"recordId":"b","modelInput":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001
    path.write_bytes(b"\n".join([deep, b"[" * 1_000_000, b"\0" * 1_000_000] * 200))
    found, peak = check_apart(path)
    assert found == {"too_deep": 400, "not_json": 200}
    assert peak < 300


def test_every_rule_about_files_and_records_is_tested() -> None:
    text = Path(__file__).read_text() + (Path(__file__).parent / "test_checks.py").read_text()
    text += (Path(__file__).parent / "test_models.py").read_text()
    about_bodies = list(RULES)[ABOUT_BODIES]
    for rule in RULES:
        if rule not in about_bodies:
            assert f'"{rule}"' in text, rule


def test_good_lines_and_bad_ones_go_into_files_of_their_own(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    wrong = line("r3").replace(b'"max_tokens"', b'"maxTokens"')
    path = write(GOOD, b"", b'{"recordId": "r2"', wrong, line("r4"), GOOD, b"[]", name="all.jsonl")
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    found = check_records(path, HAIKU_3, quotas=ONE, write_good=good, write_bad=bad)
    assert good.read_bytes().splitlines() == [GOOD, line("r4")]
    assert bad.read_bytes().splitlines() == [b'{"recordId": "r2"', wrong, GOOD, b"[]"]
    assert found.attrs["written"] == {str(good): 2, str(bad): 4}
    assert check_records(good, HAIKU_3, quotas=ONE).empty
    with pytest.raises(
        RecordsError, match=r"Line 3 of .*all\.jsonl: The line is not JSON.*Record 'r3' \(line 4 of"
    ):
        found.raise_for_errors()


def test_nothing_is_written_half_or_over_a_file(write: Callable[..., Path], tmp_path: Path) -> None:
    path, good = write(GOOD), tmp_path / "good.jsonl"
    good.write_text("mine")
    for targets, said in (
        ({"write_good": good}, r"good\.jsonl exists\. Name another file"),
        ({"write_bad": tmp_path / "no" / "bad.jsonl"}, "in a folder that is there"),
        ({"write_good": tmp_path / "x", "write_bad": tmp_path / "x"}, "name a file of its own"),
    ):
        with pytest.raises(InputError, match=said):
            check_records(path, HAIKU_3, **targets)
    with pytest.raises(InputError, match="no file or folder"):
        check_records(tmp_path / "absent.jsonl", HAIKU_3, write_bad=tmp_path / "bad.jsonl")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["good.jsonl", "in.jsonl"]
    assert good.read_text() == "mine"
    check_records(path, HAIKU_3, write_good=path, overwrite=True)
    assert path.read_bytes() == GOOD + b"\n"


def test_records_in_memory_are_told_apart_too(tmp_path: Path) -> None:
    records = [("a", claude()), ("b", {"x": "\ud800"}), ("c", claude()), ("d", {**claude(), "max_tokens": 0})]
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    check_records(records, HAIKU_3, write_good=good, write_bad=bad)
    assert list(iter_record_ids(good)) == ["a", "c"]
    assert list(iter_record_ids(bad)) == ["d"]
