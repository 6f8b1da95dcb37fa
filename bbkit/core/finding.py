"""One value for what a check says; families make it, and what reads by them alone loads no table."""

from typing import Any, NamedTuple

from bbkit.core.files import read_data


class Finding(NamedTuple):
    """What was found and what to do; `path` is the place within a body, `line` is 1-based."""

    severity: str
    rule: str
    finding: str
    remedy: str = ""
    path: str = ""
    file: str | None = None
    line: int | None = None
    record_id: str | None = None
    count: int = 1  # type: ignore[assignment]


def make_finding(
    text: str, path: str = "", file: str | None = None, *, rule: str = "", **values: Any
) -> Finding:
    """The finding that ``texts.json`` words as ``rule``, ``rule.case``, or ``.case`` of any rule; values fill
    its braces.
    """
    said, values = read_data("texts")[text], {**values, "path": path, "file": file}
    finding, remedy = said["finding"].format_map(values), said["remedy"].format_map(values)
    return Finding(said["severity"], rule or text.partition(".")[0], finding, remedy, path, file)


def manifest_finding(said: str, file: str | None = None) -> Finding:
    """The finding on a manifest that disagrees with its lines, or of which no count is read."""
    text = "manifest" if said.partition(" counts ")[2][:1].isdigit() else "manifest.unread"
    return make_finding(text, "", file, found=f"{said[:1].upper()}{said[1:]}.")
