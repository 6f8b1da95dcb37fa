"""The jobs of one stand-in, in SQLite, safe against kill -9.

Every move from status to status names the status it starts from, so that a Stop that came first wins.
"""

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from bbkit.standin.databases import keep_reserve, open_database

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
"""
_OPEN_LIST = ", ".join(f"'{status}'" for status in OPEN)
_JSON_COLUMNS = ("request", "tags", "faults", "counts", "final")

Job = dict[str, Any]


class Store:
    """One SQLite file; every method writes in one statement and may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        self._connection = open_database(folder / "jobs.sqlite", _SCHEMA)
        self._connection.row_factory = sqlite3.Row

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
            keep_reserve(self._connection)
            row = _to_row(job)
            values = ", ".join(f":{name}" for name in row)
            self._connection.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({values})", row)
            return "created"

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


def _to_row(job: Job) -> Job:
    return {k: json.dumps(v) if k in _JSON_COLUMNS and v is not None else v for k, v in job.items()}
