"""What starting costs: user CPU seconds of bbkit's first result over those of the imports it stands on.

Each pair runs one after the other, alternating which is first; the ratio is that of the medians.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "data/samples/outputs/nova.jsonl.out"
COLLECT = f"import bbkit as bb; outputs = bb.collect_outputs({str(OUTPUT)!r})"
PAIRS = {
    "collect_outputs of a local file": ("import pandas", COLLECT, 1.15),
    # plotly loads its classes when they are used: what a chart costs shows beside the same figure by plotly.
    "the same and charts.stop_reasons": (
        "import json, pandas, plotly.graph_objects as go; go.Figure(json.load(open('figure.json')))",
        f"{COLLECT}; bb.charts.stop_reasons(outputs)",
        1.15,
    ),
}
ROUNDS = 15


def user_seconds(*arguments: str) -> float:
    """User CPU of one process, from the start of the interpreter to its end."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return used.ru_utime


def main() -> None:
    # Compiled modules are kept, as they are where a package is installed.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        os.chdir(folder)
        user_seconds(
            "-c", f"{COLLECT}; open('figure.json', 'w').write(bb.charts.stop_reasons(outputs).to_json())"
        )
        sys.exit(compare())


def compare() -> bool:
    """Print each ratio; whether one is too high."""
    failed = False
    for code in (code for imports, work, _ in PAIRS.values() for code in (imports, work)):
        user_seconds("-c", code)
    for name, (imports, work, most) in PAIRS.items():
        seconds: dict[str, list[float]] = {imports: [], work: []}
        for number in range(ROUNDS):
            for code in (imports, work) if number % 2 else (work, imports):
                seconds[code].append(user_seconds("-c", code))
        ratio = median(seconds[work]) / median(seconds[imports])
        failed |= ratio > most
        print(
            f"{name}: {median(seconds[work]):.2f} s, `{imports}` {median(seconds[imports]):.2f} s:"
            f" {ratio:.2f} times (at most {most})"
        )
    helps = [user_seconds("-m", "bbkit", "--help") for _ in range(ROUNDS)]
    failed |= median(helps) > 0.15
    print(f"bbkit --help: {median(helps):.3f} s (at most 0.15)")
    return failed


if __name__ == "__main__":
    main()
