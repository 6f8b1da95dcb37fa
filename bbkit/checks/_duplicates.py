"""Record ids that occur more than once, found in 16 bytes an id however many there are."""

import numpy as np

_CHUNK = 1 << 16
_REMEMBERED = 1000


class Duplicates:
    """Takes record ids as they come and names those that came before."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._places: list[tuple[int, str]] = []
        self._runs: list[np.ndarray] = []
        self.times: dict[str, int] = {}
        self.first: tuple[str, int, str] | None = None
        self.count = 0
        self.distinct = 0

    def add(self, record_id: str, line: int, file: str = "") -> None:
        """Take the id of a record that stands at a line (or row) of a file."""
        self._ids.append(record_id)
        self._places.append((line, file))
        if len(self._ids) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Compare the ids taken since the last time with all before."""
        if not self._ids:
            return
        hashes = np.fromiter(map(hash, self._ids), dtype=np.int64, count=len(self._ids))
        others = np.fromiter((hash("\0" + one) for one in self._ids), dtype=np.int64, count=len(self._ids))
        pairs = np.empty(len(hashes), dtype=[("a", np.int64), ("b", np.int64)])
        pairs["a"], pairs["b"] = hashes, others
        order = np.argsort(hashes, kind="stable")
        ordered = pairs[order]
        again = np.zeros(len(ordered), dtype=bool)
        again[1:] = _equal(ordered[1:], ordered[:-1])
        for run in self._runs:
            again |= _contains(run, ordered)
        for position in np.sort(order[again]).tolist():
            self._note(self._ids[position], *self._places[position])
        self._keep(ordered[~again])
        self._ids, self._places = [], []

    def _note(self, record_id: str, line: int, file: str) -> None:
        self.count += 1
        if self.first is None:
            self.first = (record_id, line, file)
        if record_id in self.times:
            self.times[record_id] += 1
        else:
            self.distinct += 1
            if len(self.times) < _REMEMBERED:
                self.times[record_id] = 2

    def _keep(self, run: np.ndarray) -> None:
        # Runs of like size are merged, so that there are few of them and each id is sorted few times.
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run = run[np.argsort(run["a"], kind="stable")]
        self._runs.append(run)


def _equal(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one["a"] == other["a"]) & (one["b"] == other["b"])


def _contains(run: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    places = np.searchsorted(run["a"], wanted["a"])
    places[places == len(run)] = 0
    return _equal(run[places], wanted) if len(run) else np.zeros(len(wanted), dtype=bool)
