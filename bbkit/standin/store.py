"""The jobs of one stand-in, in SQLite, safe against kill -9.

Every move from status to status names the status it starts from, so that a Stop that came first wins. Pages
are kept free in the file and its log, so that jobs reach their ends on a full disk, too.
"""

import errno
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

BEFORE_STOPPING = ("Submitted", "Validating", "Scheduled", "InProgress")
OPEN = (*BEFORE_STOPPING, "Stopping")
ENDED = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")
NO_COUNTS = {"total": 0, "processed": 0, "success": 0, "error": 0}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
  job_id TEXT PRIMARY KEY, job_arn TEXT, region TEXT, name TEXT, token TEXT, model TEXT, model_arn TEXT,
  custom INTEGER, submitted REAL, modified REAL, ended REAL, expires REAL, status TEXT, message TEXT,
  request TEXT, tags TEXT, faults TEXT, counts TEXT, final TEXT, final_at REAL);
CREATE UNIQUE INDEX IF NOT EXISTS tokens ON jobs (region, token);
CREATE INDEX IF NOT EXISTS statuses ON jobs (status);
CREATE INDEX IF NOT EXISTS times ON jobs (region, submitted, job_id);
CREATE TABLE IF NOT EXISTS hits (record TEXT PRIMARY KEY, job_id TEXT);
CREATE TABLE IF NOT EXISTS reserve (space BLOB);
"""
_OPEN_LIST = ", ".join(f"'{status}'" for status in OPEN)
_JSON_COLUMNS = ("request", "tags", "faults", "counts", "final")
_RESERVE = 64  # pages of 4,096 bytes; twice as many as are written before they go from the log to the file
_OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)

Job = dict[str, Any]


class Store:
    """One SQLite file; every method writes in one statement and may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            folder / "jobs.sqlite", timeout=30, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(f"PRAGMA wal_autocheckpoint={_RESERVE // 2}")
        self._connection.executescript(_SCHEMA)
        self._fill_reserve()

    def create(self, job: Job, quota: int) -> str:
        """Insert a job unless the open ones of its model already reach the quota."""
        with self._lock:
            if self.by_token(job["region"], job["token"]) is not None:
                return "known"
            same = "region = :region AND model = :model AND custom = :custom"
            counting = f"SELECT count(*) FROM jobs WHERE {same} AND status IN ({_OPEN_LIST})"
            (open_jobs,) = self._connection.execute(counting, job).fetchone()
            if open_jobs >= quota:
                return "quota"
            (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
            if free < _RESERVE // 2:
                self._fill_reserve()
            row = _to_row(job)
            values = ", ".join(f":{name}" for name in row)
            self._connection.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({values})", row)
            return "created"

    def _fill_reserve(self) -> None:
        self._connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (_RESERVE * 4096,))
        self._connection.execute("DELETE FROM reserve")

    def get(self, job_id: str) -> Job | None:
        return self._one("SELECT * FROM jobs WHERE job_id = ?", job_id)

    def by_token(self, region: str, token: str) -> Job | None:
        return self._one("SELECT * FROM jobs WHERE region = ? AND token = ?", region, token)

    def open_jobs(self) -> list[Job]:
        return self._all(f"SELECT * FROM jobs WHERE status IN ({_OPEN_LIST}) ORDER BY submitted, job_id")

    def page(
        self,
        region: str,
        *,
        size: int,
        newest_first: bool,
        after: tuple[float, str] | None = None,
        status: str | None = None,
        name_contains: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> list[Job]:
        """Give one page of a region's jobs by time of submission (seconds since 1970)."""
        sign, order = ("<", "DESC") if newest_first else (">", "ASC")
        conditions = {
            "region = ?": (region,),
            "status = ?": (status,),
            "instr(name, ?) > 0": (name_contains,),
            "submitted > ?": (since,),
            "submitted < ?": (until,),
            f"(submitted, job_id) {sign} (?, ?)": after or (None,),
        }
        given = {text: values for text, values in conditions.items() if values != (None,)}
        query = f"SELECT * FROM jobs WHERE {' AND '.join(given)} "
        query += f"ORDER BY submitted {order}, job_id {order} LIMIT ?"
        return self._all(query, *(value for values in given.values() for value in values), size)

    def move(self, job_id: str, source: tuple[str, ...], target: str, **columns: Any) -> Job | None:
        row = _to_row({"status": target, "modified": time.time(), **columns})
        names = ", ".join(f"{name} = ?" for name in row)
        marks = ", ".join("?" * len(source))
        query = f"UPDATE jobs SET {names} WHERE job_id = ? AND status IN ({marks}) RETURNING *"
        return self._one(query, *row.values(), job_id, *source)

    def set_counts(self, job_id: str, counts: dict[str, int]) -> None:
        query = "UPDATE jobs SET counts = ?, modified = ? WHERE job_id = ? AND status = 'InProgress'"
        self._all(query, json.dumps(counts), time.time(), job_id)

    def set_tags(self, job_id: str, tags: dict[str, str]) -> None:
        self._all("UPDATE jobs SET tags = ? WHERE job_id = ?", json.dumps(tags), job_id)

    def add_faulted(self, job_id: str, records: set[str]) -> None:
        """Remember the records a passing fault befell, so that a later job answers them."""
        query = "INSERT OR IGNORE INTO hits SELECT value, ? FROM json_each(?)"
        self._all(query, job_id, json.dumps(sorted(records)))

    def faulted_before(self, job_id: str) -> list[str]:
        """Give the records that a passing fault befell in other jobs."""
        return [row["record"] for row in self._all("SELECT record FROM hits WHERE job_id != ?", job_id)]

    def _one(self, query: str, *values: Any) -> Job | None:
        return next(iter(self._all(query, *values)), None)

    def _all(self, query: str, *values: Any) -> list[Job]:
        with self._lock:
            rows = self._connection.execute(query, values).fetchall()
        return [
            {k: json.loads(row[k]) if k in _JSON_COLUMNS and row[k] else row[k] for k in row.keys()}  # noqa: SIM118
            for row in rows
        ]


def disk_fault(error: Exception) -> str:
    """What is wrong with the disk where an error comes of that, and what to do; empty where it does not."""
    if isinstance(error, OSError) and error.errno in _OF_A_DISK:
        what = error.strerror
    elif isinstance(error, sqlite3.OperationalError):
        what = str(error)
    else:
        return ""
    return f"The stand-in cannot write to its disk ({what}). Free space on it, then try again."


def _to_row(job: Job) -> Job:
    return {k: json.dumps(v) if k in _JSON_COLUMNS and v is not None else v for k, v in job.items()}
