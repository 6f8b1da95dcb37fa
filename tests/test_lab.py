"""JupyterLab in a real browser, as a newcomer uses it: open a notebook, run it, look around."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attacks import HANDLERS, MARK, TEXTS
from conftest import Standin
from lab_pages import (
    ROOT,
    Lab,
    ask_kernel,
    choose,
    open_notebook,
    run_all,
    save,
    scroll_to,
    start_all,
    wait_until,
    write_notebook,
)

pytestmark = pytest.mark.browser

RECORD = ".bbkit-detail h3 code"
COUNT = ".bbkit-explorer-count b"
RED = "[data-mime-type='application/vnd.jupyter.stderr'], [data-mime-type='application/vnd.jupyter.error']"


def set_search(tab: Any, text: str) -> None:
    line = tab.get_by_placeholder("text to find, then Enter")
    line.fill(text)
    line.press("Enter")


def wait_for_text(tab: Any, selector: str, text: str) -> None:
    found = tab.locator(selector).first
    wait_until(
        lambda: found.inner_text() == text,
        20,
        f"{text!r} in {selector}",
        lambda: tab.wait_for_timeout(50),
    )


def test_three_notebooks_run_without_an_edit_and_the_explorer_filters(lab: Lab, tab: Any) -> None:
    for name in ("01-prepare", "02-launch", "03-explore"):
        open_notebook(tab, lab, name)
        cells = run_all(tab, lab, name)
        assert list_red(cells) == []
    assert "120 sent = 120 succeeded" in json.dumps(cells)
    scroll_to(tab, ".bbkit-rows select")
    assert tab.locator(".bbkit-rows select option").count() == 50
    answers = read_answers(lab)
    words = re.findall(r"[a-z]{6,}", " ".join(answers))
    word = next(word for word in words if 1 < count_in(answers, word) < 60)
    set_search(tab, word.upper())
    wait_for_text(tab, COUNT, str(count_in(answers, word)))
    assert tab.locator(".bbkit-detail").inner_text().count("prompt as sent") == 1
    assert "Summarize this call in two to four sentences" in tab.locator(".bbkit-detail").inner_text()
    set_search(tab, "")
    wait_for_text(tab, COUNT, "120")
    head = tab.locator(".bbkit-head button", has_text="input")
    for number in (1, -1):
        head.click()
        wait_until(lambda: read_numbers(tab) == sorted(read_numbers(tab), reverse=number < 0), 20, "an order")  # noqa: B023
    most = read_numbers(tab)[0]
    tab.get_by_role("button", name="Page on").click()
    wait_until(lambda: read_numbers(tab)[0] < most, 20, "the next page", lambda: tab.wait_for_timeout(50))
    tab.locator(".bbkit-rows select option").nth(3).click()
    tab.locator(".bbkit-rows select").select_option(index=3)
    name = tab.locator(".bbkit-rows select option").nth(3).inner_text().split()[0]
    wait_for_text(tab, RECORD, name)
    open_notebook(tab, lab, "04-retry")
    assert list_red(run_all(tab, lab, "04-retry")) == []


def read_numbers(tab: Any) -> list[int]:
    lines = tab.locator(".bbkit-rows select option").all_inner_texts()
    return [int(re.findall(r"\d+", line.replace(",", ""))[1]) for line in lines]


def list_red(cells: list[dict[str, Any]]) -> list[Any]:
    """What JupyterLab shows in red: standard error, tracebacks."""
    outputs = [output for cell in cells for output in cell["outputs"]]
    return [one for one in outputs if one.get("name") == "stderr" or one["output_type"] == "error"]


def read_answers(lab: Lab) -> list[str]:
    paths = (lab.folder / "runs" / "calls" / "outputs").rglob("*.jsonl.out")
    lines = [json.loads(line) for path in paths for line in path.read_bytes().split(b"\n") if line]
    parts = [line["modelOutput"]["output"]["message"]["content"] for line in lines]
    return ["".join(part["text"] for part in content) for content in parts]


def count_in(answers: list[str], text: str) -> int:
    return sum(text.casefold() in answer.casefold() for answer in answers)


HARD = "'hi' \"there\" back\\slash `tick` @home {x} $5 and $10 🙂 end"

MANY_ROWS = f"""
from bbkit import explorers
from bbkit.core.frames import OUTPUT_COLUMNS, as_frame
rows = (
    {{
        "record_id": f"r{{n:06}}",
        "outcome": "errored" if n % 2 else "succeeded",
        "text": f"answer {{n}} " + ({HARD.upper()!r} if n % 997 == 0 else ""),
        "input_tokens": n,
    }}
    for n in range(100_000)
)
outputs = as_frame(rows, OUTPUT_COLUMNS)
explorer = explorers.RecordExplorer(outputs)
explorer
"""

READ_SELECTION = """
import json
same = eval(explorer.query).equals(explorer.selection)
print(json.dumps({"ids": list(explorer.selection["record_id"]), "same": same}))
"""


@pytest.mark.long
def test_the_explorer_finds_steps_and_hands_back_a_hundred_thousand_rows(lab: Lab, tab: Any) -> None:
    write_notebook(lab, "many", MANY_ROWS, READ_SELECTION)
    open_notebook(tab, lab, "many")
    run_all(tab, lab, "many")
    scroll_to(tab, ".bbkit-rows select")
    wait_for_text(tab, COUNT, "100,000")
    set_search(tab, HARD)
    expected = [f"r{n:06}" for n in range(100_000) if n % 997 == 0]
    wait_for_text(tab, COUNT, f"{len(expected):,}")
    tab.locator(".widget-select-multiple select").first.select_option(index=0)
    expected = [name for name in expected if int(name[1:]) % 2 == 0]
    wait_for_text(tab, COUNT, f"{len(expected):,}")
    assert list_ids(tab) == expected[:50]
    wait_for_text(tab, RECORD, expected[0])
    tab.get_by_role("button", name="Next").click()
    wait_for_text(tab, RECORD, expected[1])
    tab.get_by_label("record").click()
    for place in range(2, 51):
        tab.keyboard.press("ArrowUp")
        wait_for_text(tab, RECORD, expected[place])
    assert list_ids(tab) == expected[50:]
    assert ask_kernel(tab, lab, "many") == {"ids": expected, "same": True}


def list_ids(tab: Any) -> list[str]:
    lines = tab.locator(".bbkit-rows select option").all_inner_texts()
    return [line.split()[0] for line in lines]


def write_attacks(folder: Path) -> int:
    """Write output lines in which every text is an attack: ids, prompts, answers, reasons, errors."""
    lines = []
    for number, text in enumerate([*TEXTS, HANDLERS[0] * (1_000_000 // len(HANDLERS[0]))]):
        body = {"messages": [{"role": "user", "content": [{"text": text}]}], "system": [{"text": text}]}
        output = {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": text[:200],
            "usage": {"inputTokens": 100 + number, "outputTokens": number},
        }
        error = {"errorCode": text[:200], "errorMessage": text}
        name = f"{text[:200]}{number}"
        lines.append({"recordId": name, "modelInput": body, "modelOutput": output})
        lines.append({"recordId": f"{name} e", "modelInput": body, "error": error})
    folder.mkdir(parents=True)
    content = "\n".join(json.dumps(line) for line in lines)
    (folder / "attack.jsonl.out").write_text(content + "\nno json <script>window.attacked=true</script>\n")
    return len(lines)


OPENING = next(
    "".join(cell["source"])
    for cell in json.loads((ROOT / "notebooks" / "03-explore.ipynb").read_text())["cells"]
    if cell["cell_type"] == "code"
)

SHOW_ATTACKS = [
    f"{OPENING}\n"
    "outputs = bb.collect_outputs('attack')\n"
    "outputs['source.call'] = outputs['text'].fillna('none')\nbb.accounting(outputs)",
    "outputs",
    "outputs[['record_id', 'text']].head(40).style",
    "pd.DataFrame({'text': ['It costs $5 and $10 today']})",
    "pd.DataFrame({'text': ['It costs $5 and $10 today']}).style",
    "bb.diagnose_outputs(outputs)",
    "charts.outcomes(outputs, by='call')",
    "charts.stop_reasons(outputs, by='stop_reason_raw')",
    "charts.errors(outputs)",
    "charts.errors(outputs, by='error_code')",
    "charts.token_usage(outputs, by='call')",
    "charts.input_output(outputs, by='call')",
    "charts.max_tokens_what_if(outputs, by='call')",
    "charts.output_lengths(outputs, by='call')",
    "explorers.show_examples(outputs, columns=['call', 'stop_reason_raw'], n=100)",
    "explorer = explorers.RecordExplorer(outputs)\nexplorer",
]


@pytest.mark.long
def test_a_run_of_attacks_executes_nothing(lab: Lab, tab: Any) -> None:
    count = write_attacks(lab.folder / "attack")
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    write_notebook(lab, "attacked", *SHOW_ATTACKS)
    open_notebook(tab, lab, "attacked")
    run_all(tab, lab, "attacked")
    for number in range(len(SHOW_ATTACKS)):
        tab.locator(".jp-Notebook .jp-CodeCell").nth(number).scroll_into_view_if_needed()
        tab.wait_for_timeout(300)
    scroll_to(tab, ".bbkit-rows select")
    wait_for_text(tab, COUNT, str(count))
    step = tab.get_by_role("button", name="Next")
    field = tab.get_by_label("record")
    for place in range(2, count + 1):
        step.click()
        wait_until(lambda: field.input_value() == str(place), 20, f"record {place}")  # noqa: B023
        tab.evaluate("document.querySelectorAll('.bbkit-detail details').forEach(one => one.open = true)")
        tab.locator(".bbkit-detail").hover(position={"x": 30, "y": 60})
    set_search(tab, HANDLERS[0])
    tab.wait_for_timeout(500)
    assert tab.evaluate(f"window.{MARK}") is None
    assert [url for url in asked if "attack.invalid" in url] == []
    assert tab.evaluate("getComputedStyle(document.body).display") != "none"
    assert tab.locator(".jp-OutputArea mjx-container").count() == 0


@pytest.mark.long
def test_the_same_attack_works_where_nothing_guards(lab: Lab, tab: Any) -> None:
    write_notebook(lab, "bare", f"import ipywidgets\nipywidgets.HTML({HANDLERS[0]!r})")
    open_notebook(tab, lab, "bare")
    run_all(tab, lab, "bare")
    wait_until(lambda: tab.evaluate(f"window.{MARK}"), 20, "the attack", lambda: tab.wait_for_timeout(50))


WATCH = [
    "import os\nos.environ.update({environment!r})\nimport bbkit as bb\nfrom bbkit import explorers",
    "run = bb.Run.open({folder!r})\nbb.submit_jobs(run)",
    "jobs = await explorers.await_jobs(run, every=1)\njobs",
]


@pytest.mark.long
def test_the_wait_is_live_again_in_a_reopened_tab_and_ends_in_a_sentence(
    lab: Lab,
    tab: Any,
    start_standin: Callable[..., Standin],
    tmp_path: Path,
) -> None:
    standin = start_standin("--speed", "12")
    folder = make_run(tmp_path)
    cells = [cell.format(environment=standin.env, folder=str(folder)) for cell in WATCH]
    write_notebook(lab, "watched", *cells)
    open_notebook(tab, lab, "watched")
    start_all(tab)
    monitor = tab.locator(".bbkit-jobs").last
    monitor.scroll_into_view_if_needed()
    assert re.search(r"Submitted|Validating|Scheduled|InProgress", monitor.inner_text())
    wait_for_a_look(tab, monitor)
    arn = monitor.locator("code").inner_text()
    save(tab, lab, "watched")
    tab.goto("about:blank")
    tab.wait_for_timeout(3_000)
    tab.goto(f"{lab.url}/lab/workspaces/watched/tree/watched.ipynb?token={lab.token}")
    monitor.wait_for()
    wait_for_a_look(tab, monitor)
    choose(tab, "Kernel", "Interrupt Kernel")
    tab.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")
    tab.locator(".jp-Notebook .jp-CodeCell").last.locator(".jp-InputArea-editor").click()
    tab.keyboard.press("Control+Enter")
    wait_for_a_look(tab, monitor)
    choose(tab, "Kernel", "Interrupt Kernel")
    tab.get_by_text("The wait was interrupted; the jobs go on.").wait_for()
    assert tab.locator(RED).count() == 0
    run_all(tab, lab, "watched", restart=True)
    monitor.wait_for()
    assert monitor.locator("code").inner_text() == arn
    tab.locator(".jp-OutputArea td", has_text="Completed").first.wait_for()
    assert "1 of 1 job ended; 120 of 120 records processed" in monitor.inner_text()
    assert tab.locator(RED).count() == 0
    jobs = standin.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"]
    assert [job["jobArn"] for job in jobs] == [arn]


def wait_for_a_look(tab: Any, monitor: Any) -> None:
    seen = last_look(monitor)
    wait_until(lambda: last_look(monitor) > seen, 20, "a look", lambda: tab.wait_for_timeout(100))


def last_look(monitor: Any) -> str:
    found = re.search(r"as of (\d\d:\d\d:\d\d) UTC", monitor.inner_text())
    return found[1] if found else ""


def make_run(folder: Path) -> Path:
    import bbkit as bb

    model = "amazon.nova-lite-v1:0"
    texts = bb.read_source(Path(__file__).parent.parent / "data" / "samples" / "call_transcripts.csv")
    records = bb.build_records(texts, model, prompt="{transcript}", record_id="call_id", max_tokens=50)
    run = bb.Run.create(folder / "watched", model_id=model, parameters={"max_tokens": 50})
    bb.write_records(records, run)
    return run.folder
