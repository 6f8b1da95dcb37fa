"""A report on paper: the PDF that a Chromium of this machine prints of it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bbkit.core.errors import ReportError
from bbkit.core.files import replacing

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
# Milliseconds by the page's own clock, which stands still while it works: the charts are drawn by then.
_PATIENCE = 120_000


def print_report(page: str | Path) -> Path:
    """Print a report to a PDF of its name beside it, all charts drawn."""
    page = Path(page)
    browser = os.environ.get("BBKIT_CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), "")
    if not browser:
        raise ReportError(
            f"A PDF needs Chromium or Chrome, and none is here. Install one, name it in BBKIT_CHROMIUM, or "
            f"print {page.name} from any browser."
        )
    pdf = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile, replacing(pdf) as partial:
        command = [browser, "--headless", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={profile}", f"--virtual-time-budget={_PATIENCE}"]
        command += ["--no-sandbox"] * (hasattr(os, "geteuid") and os.geteuid() == 0)
        command += [f"--print-to-pdf={partial.absolute()}", page.absolute().as_uri()]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode or not partial.is_file():
            told = "".join(done.stderr.decode(errors="replace").strip().splitlines()[-1:])
            raise ReportError(f"{browser} printed no PDF of {page.name}: {told or done.returncode}.")
    return pdf
