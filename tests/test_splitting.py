"""Splitting: whatever the sizes and quotas, all records once, in order, within bounds, or the right error."""

import hashlib
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from bbkit.catalog.quotas import Quotas
from bbkit.core.errors import QuotaError
from bbkit.records import input_line, iter_record_ids
from bbkit.records.lines import iter_pairs
from bbkit.records.splitting import InputFile, plan_split, split_staged, stage


def small_quotas(**values: int) -> Quotas:
    given_values = {
        "min_records_per_job": 1, "max_records_per_job": 1000, "max_records_per_file": 1000,
        "max_file_bytes": 10**6, "max_job_bytes": 10**6,
    }  # fmt: skip
    return Quotas(**(given_values | values), model_id="amazon.nova-lite-v1:0")


def write_split(records: Any, folder: Path, quotas: Quotas, attempt: int = 1) -> list[InputFile]:
    folder.mkdir(exist_ok=True)
    staged = stage((input_line(*pair) for pair in iter_pairs(records)), folder / ".staged")
    return split_staged(staged, folder, quotas, attempt=attempt)


@st.composite
def any_quotas(draw: st.DrawFn) -> Quotas:
    least = draw(st.integers(1, 8))
    return small_quotas(
        min_records_per_job=least,
        max_records_per_job=draw(st.integers(least, 20)),
        max_records_per_file=draw(st.integers(1, 20)),
        max_file_bytes=draw(st.integers(1, 60)),
        max_job_bytes=draw(st.integers(1, 200)),
    )


SIZES = st.lists(st.integers(1, 40), max_size=60)


def assert_within(plan: list, sizes: list[int], quotas: Quotas) -> None:
    everything = [int(position) for files in plan for positions in files for position in positions]
    assert sorted(everything) == list(range(len(sizes)))
    for files in plan:
        job = [int(position) for positions in files for position in positions]
        assert job == sorted(job), "a job keeps the order of its records"
        assert quotas.min_records_per_job <= len(job) <= quotas.max_records_per_job
        assert sum(sizes[position] for position in job) <= quotas.max_job_bytes
        for positions in files:
            assert 1 <= len(positions) <= quotas.max_records_per_file
            assert sum(sizes[position] for position in positions) <= quotas.max_file_bytes


def is_hopeless(sizes: list[int], quotas: Quotas) -> bool:
    """A certificate that no arrangement can be promised, by counting alone."""
    if len(sizes) < quotas.min_records_per_job:
        return True
    if max(sizes) > min(quotas.max_file_bytes, quotas.max_job_bytes):
        return True
    counts = [
        jobs
        for jobs in range(1, len(sizes) // quotas.min_records_per_job + 1)
        if -(-len(sizes) // jobs) <= quotas.max_records_per_job
    ]
    return all(sum(sizes) / jobs + max(sizes) > quotas.max_job_bytes for jobs in counts)


@given(SIZES, any_quotas())
@settings(max_examples=400, deadline=None)
def test_every_plan_holds_or_is_refused_rightly(sizes: list[int], quotas: Quotas) -> None:
    try:
        plan = plan_split(sizes, quotas)
    except QuotaError as error:
        assert is_hopeless(sizes, quotas)
        assert "amazon.nova-lite-v1:0" in str(error)
    else:
        assert_within(plan, sizes, quotas)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=11), any_quotas())
@settings(max_examples=200, deadline=None)
def test_no_contiguous_plan_has_fewer_jobs(sizes: list[int], quotas: Quotas) -> None:
    def fits(start: int, end: int) -> bool:
        most = min(quotas.max_records_per_job, quotas.max_records_per_file)
        size = sum(sizes[start:end])
        return (
            quotas.min_records_per_job <= end - start <= most
            and size <= min(quotas.max_file_bytes, quotas.max_job_bytes)
        )  # fmt: skip

    fewest = next(
        (
            cuts + 1
            for cuts in range(len(sizes))
            for inner in combinations(range(1, len(sizes)), cuts)
            if all(fits(a, b) for a, b in zip([0, *inner], [*inner, len(sizes)], strict=True))
        ),
        None,
    )
    if fewest is not None:
        plan = plan_split(sizes, quotas)
        assert len(plan) == fewest
        assert all(len(files) == 1 and isinstance(files[0], range) for files in plan)
        assert [files[0].start for files in plan[1:]] == [files[0].stop for files in plan[:-1]]


def can_be_arranged(sizes: list[int], jobs: int, quotas: Quotas) -> bool:
    """Whether so many jobs can hold the records, by trying every arrangement."""
    loads, counts = [0] * jobs, [0] * jobs

    def place(left: list[int]) -> bool:
        if not left:
            return min(counts) >= quotas.min_records_per_job
        for job in {(loads[job], counts[job]): job for job in range(jobs)}.values():
            if loads[job] + left[0] > quotas.max_job_bytes or counts[job] >= quotas.max_records_per_job:
                continue
            loads[job], counts[job] = loads[job] + left[0], counts[job] + 1
            if place(left[1:]):
                return True
            loads[job], counts[job] = loads[job] - left[0], counts[job] - 1
        return False

    return place(sorted(sizes, reverse=True))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), any_quotas())
@settings(max_examples=300, deadline=None)
def test_a_refusal_is_true(sizes: list[int], quotas: Quotas) -> None:
    try:
        plan_split(sizes, quotas)
    except QuotaError as error:
        most = len(sizes) // quotas.min_records_per_job
        fits = max(sizes) <= min(quotas.max_file_bytes, quotas.max_job_bytes)
        possible = fits and any(can_be_arranged(sizes, jobs, quotas) for jobs in range(1, most + 1))
        assert not possible or "No arrangement" in str(error)


def test_what_dealing_evenly_misses_is_found() -> None:
    quotas = small_quotas(
        min_records_per_job=2,
        max_records_per_job=7,
        max_records_per_file=5,
        max_file_bytes=16,
        max_job_bytes=10,
    )
    assert_within(plan_split([9, 3, 5, 3, 6, 2, 1], quotas), [9, 3, 5, 3, 6, 2, 1], quotas)
    with pytest.raises(QuotaError, match="which allows 3 jobs where the bytes need 4"):
        plan_split([9, 3, 5, 3, 6, 2, 4], quotas)
    with pytest.raises(QuotaError, match="No arrangement of 4 records"):
        plan_split([6, 6, 6, 2], small_quotas(min_records_per_job=2, max_job_bytes=10, max_file_bytes=10))


def test_a_remainder_below_the_minimum_is_shared_out() -> None:
    plan = plan_split(np.full(100_050, 4_000), Quotas())
    assert [len(job[0]) for job in plan] == [50_025, 50_025]


def test_a_hundred_large_records_are_one_job_of_five_files() -> None:
    plan = plan_split([45 * 10**6] * 100, Quotas())
    assert [[len(positions) for positions in files] for files in plan] == [[22, 22, 22, 22, 12]]


def test_large_records_among_small_ones_are_dealt_out() -> None:
    sizes = [60 * 10**6] * 100 + [1_000] * 900
    plan = plan_split(sizes, Quotas())
    assert_within(plan, sizes, Quotas())
    assert len(plan) == 2
    again = plan_split(sizes, Quotas())
    assert [[list(p) for p in files] for files in plan] == [[list(p) for p in files] for files in again]


def test_a_gigabyte_is_decimal() -> None:
    assert len(plan_split([10**6] * 1000, Quotas())) == 1
    assert len(plan_split([10**6] * 1001, Quotas())) == 2


@pytest.mark.parametrize(
    ("sizes", "values", "said"),
    [
        ([10] * 90, {"min_records_per_job": 100}, "90 records for amazon.nova-lite-v1:0; a batch job takes"),
        ([], {}, "0 records"),
        ([5, 2_000_000], {}, "Record 2 is 2,000,000 bytes"),
        ([10] * 15, {"min_records_per_job": 8, "max_records_per_job": 10}, "each takes 8 to 10 records"),
        ([30] * 10, {"min_records_per_job": 5, "max_job_bytes": 100}, "allows 2 jobs where the bytes need 3"),
    ],
)  # fmt: skip
def test_an_error_names_the_constraint(sizes: list[int], values: dict[str, int], said: str) -> None:
    with pytest.raises(QuotaError, match=said):
        plan_split(sizes, small_quotas(**values))


def numbered(count: int, size: int = 0) -> list[tuple[str, dict]]:
    return [(f"r{number:05d}", {"messages": ["x" * (size + number % 7)]}) for number in range(count)]


@pytest.mark.parametrize("chunk", [1, 7, 50])
def test_the_bytes_do_not_depend_on_the_chunks(tmp_path: Path, chunk: int) -> None:
    import pandas as pd

    pairs = numbered(50)
    frame = pd.DataFrame(pairs, columns=["record_id", "model_input"])
    chunks = (frame.iloc[start : start + chunk] for start in range(0, 50, chunk))
    quotas = small_quotas(min_records_per_job=4, max_records_per_job=12)
    whole = write_split(frame, tmp_path / "whole", quotas)
    parts = write_split(chunks, tmp_path / "parts", quotas)
    assert [file.sha256 for file in parts] == [file.sha256 for file in whole]
    assert [file.path.name for file in parts] == [f"1-{n:04d}.jsonl" for n in range(1, 6)]


def test_written_files_are_what_the_table_says(tmp_path: Path) -> None:
    quotas = small_quotas(
        min_records_per_job=10, max_records_per_job=60, max_file_bytes=1000, max_job_bytes=3000
    )
    made = write_split(numbered(95, 20), tmp_path, quotas, attempt=2)
    assert sum(file.records for file in made) == 95
    for file in made:
        content = file.path.read_bytes()
        assert file.sha256 == hashlib.sha256(content).hexdigest()
        assert file.bytes == len(content) <= 1000
        assert file.records == content.count(b"\n")
        assert file.job.startswith("2-")
    lines = b"".join(input_line(*pair) for pair in numbered(95, 20))
    assert b"".join(file.path.read_bytes() for file in made) == lines
    assert [
        path for path in tmp_path.rglob("*") if path.is_file() and path not in {f.path for f in made}
    ] == []


def test_a_job_of_several_files_has_a_folder_of_its_own(tmp_path: Path) -> None:
    quotas = small_quotas(min_records_per_job=10, max_file_bytes=400, max_job_bytes=5000)
    made = write_split(numbered(30, 20), tmp_path, quotas)
    assert len({file.job for file in made}) == 1 and len(made) > 1
    assert {file.path.parent for file in made} == {tmp_path / "1-0001"}
    assert [file.path.name for file in made][:2] == ["1-0001.jsonl", "1-0002.jsonl"]


def test_a_reordering_keeps_every_line(tmp_path: Path) -> None:
    pairs = [(f"r{number:03d}", {"x": "y" * (900 if number < 10 else 10)}) for number in range(100)]
    quotas = small_quotas(min_records_per_job=10, max_job_bytes=8000)
    made = write_split(pairs, tmp_path, quotas)
    ids = [record_id for file in made for record_id in iter_record_ids(file.path)]
    assert len(made) == 2 and ids != sorted(ids) and sorted(ids) == [name for name, _ in pairs]
