"""Findings that are alike become one, with a count and three examples, however many the records."""

import re
from collections import Counter, defaultdict

from bbkit.core.findings import Finding, Findings, findings

_INDEX = re.compile(r"\[\d+\]")
_MOST_PATHS = 40
_EXAMPLES = 3
_REST = ("...", "")

_Key = tuple[str | None, ...]


class Groups:
    """Gathers findings and gives the table of them."""

    def __init__(self) -> None:
        self._whole: list[Finding] = []
        self._groups: dict[_Key, Finding] = {}
        self._examples: defaultdict[_Key, list[str]] = defaultdict(list)
        self._paths: Counter[_Key] = Counter()

    def add(self, finding: Finding) -> None:
        """Add a finding of one record, or one without a line, of a file or the whole, which stays alone."""
        if finding.line is None:
            self._whole.append(finding)
            return
        kind = (finding.severity, finding.rule, finding.file)
        key: _Key = (*kind, _INDEX.sub("[]", finding.path), finding.remedy)
        if key not in self._groups and self._paths[kind] >= _MOST_PATHS:
            key = (*kind, *_REST)
        if group := self._groups.get(key):
            self._groups[key] = group._replace(count=group.count + finding.count)
        else:
            self._groups[key] = finding
            self._paths[kind] += 1
        if len(self._examples[key]) < _EXAMPLES:
            self._examples[key].append(_example(finding))

    def table(self) -> Findings:
        """The findings, those of the whole first among the equally severe."""
        for key in [key for key in self._groups if key[3:] == _REST]:
            self._gather_rest(key)
        described = (
            group._replace(finding=_sentence(group, key[3:] == _REST, self._examples[key]))
            for key, group in self._groups.items()
        )
        return findings([*self._whole, *described])

    def _gather_rest(self, rest: _Key) -> None:
        """Where there are more paths than rows, those named once beyond the first few join the rest."""
        single = [
            key for key, group in self._groups.items()
            if key[:3] == rest[:3] and key != rest and group.count == 1
        ]  # fmt: skip
        keys = [*single[_EXAMPLES:], rest]
        groups = [self._groups.pop(key) for key in keys]
        self._groups[rest] = groups[0]._replace(count=sum(group.count for group in groups))
        self._examples[rest] = [example for key in keys for example in self._examples[key]][:_EXAMPLES]


def _example(finding: Finding) -> str:
    where = f"line {finding.line:,}"
    if finding.record_id is None:
        return where
    record_id = finding.record_id
    return f"{record_id if len(record_id) <= 60 else f'{record_id[:57]}...'!r} ({where})"


def _sentence(group: Finding, is_rest: bool, examples: list[str]) -> str:
    if group.count == 1:
        return group.finding
    more = f" and {group.count - len(examples):,} more" if group.count > len(examples) else ""
    lead = "Others like it" if is_rest else "So"
    return f"{group.finding} {lead} in {', '.join(examples)}{more}."
