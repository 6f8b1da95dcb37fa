"""Findings that are alike become one, with a count and three examples, however many the records."""

import re

from bbkit.core.findings import Finding, Findings, findings

_INDEX = re.compile(r"\[\d+\]")
_MOST_PLACES = 40
_EXAMPLES = 3
_REST = ("...", "")


class _Group:
    __slots__ = ("count", "examples", "fault", "line", "record_id")

    def __init__(self, fault: Finding, line: int | None, record_id: str | None):
        self.fault, self.line, self.record_id = fault, line, record_id
        self.count = 0
        self.examples: list[str] = []


class Groups:
    """Gathers faults and gives the table of findings."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._places: dict[tuple[str, ...], int] = {}
        self._whole: list[Finding] = []

    def add(
        self,
        fault: Finding,
        *,
        file: str = "",
        line: int | None = None,
        record_id: str | None = None,
        times: int = 1,
    ) -> None:
        """Add a fault of one record or line."""
        kind = (fault.severity, fault.rule, file)
        key = (*kind, _general(fault.path), fault.remedy)
        group = self._groups.get(key)
        if group is None:
            if self._places.get(kind, 0) >= _MOST_PLACES:
                key = (*kind, *_REST)
                group = self._groups.get(key)
            if group is None:
                self._places[kind] = self._places.get(kind, 0) + 1
                group = self._groups[key] = _Group(fault, line, record_id)
        group.count += times
        if len(group.examples) < _EXAMPLES:
            group.examples.append(_example(line, record_id))

    def count_more(self, fault: Finding, file: str, times: int) -> None:
        """Count a fault of this file that was added before so many times more."""
        key = (fault.severity, fault.rule, file, _general(fault.path), fault.remedy)
        self._groups[key].count += times

    def add_whole(self, finding: Finding) -> None:
        """Add a finding about a file or the whole rather than one record."""
        self._whole.append(finding)

    def table(self) -> Findings:
        """The findings, those of the whole first among the equally severe."""
        self._gather_rest()
        rows = list(self._whole)
        for (_, _, file, *place), group in self._groups.items():
            text = _sentence(group, "So" if tuple(place) != _REST else "Others like it")
            rows.append(
                group.fault._replace(
                    file=file or None,
                    line=group.line,
                    record_id=group.record_id,
                    count=group.count,
                    finding=text,
                )
            )
        return findings(rows)

    def _gather_rest(self) -> None:
        """Where there are more places than rows, those named once beyond the first few join the rest."""
        for kind in [key[:3] for key in self._groups if key[3:] == _REST]:
            rest = self._groups.pop((*kind, *_REST))
            single = [key for key, group in self._groups.items() if key[:3] == kind and group.count == 1]
            joined = [self._groups.pop(key) for key in single[_EXAMPLES:]]
            first = (joined or [rest])[0]
            made = self._groups[(*kind, *_REST)] = _Group(first.fault, first.line, first.record_id)
            made.count = rest.count + len(joined)
            named = [example for group in (*joined, rest) for example in group.examples]
            made.examples = named[:_EXAMPLES]


def _general(path: str) -> str:
    return _INDEX.sub("[]", path) if "[" in path else path


def _example(line: int | None, record_id: str | None) -> str:
    where = f"line {line:,}" if line is not None else ""
    if record_id is None:
        return where
    shown = record_id if len(record_id) <= 60 else f"{record_id[:57]}..."
    return f"{shown!r} ({where})" if where else repr(shown)


def _sentence(group: _Group, lead: str) -> str:
    examples = [example for example in group.examples if example]
    if group.count == 1 or not examples:
        return group.fault.finding
    more = f" and {group.count - len(examples):,} more" if group.count > len(examples) else ""
    return f"{group.fault.finding} {lead} in {', '.join(examples)}{more}."
