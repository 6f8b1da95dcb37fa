"""SQLite files that a kill does not harm, and a full disk does not stop from small changes.

Pages are kept free in the file and in its log: what ends a job or deletes an object is written there.
"""

import errno
import sqlite3
from pathlib import Path

RESERVE = 64  # pages of 4,096 bytes; twice as many as are written before they go from the log to the file
_OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open or make a database; its connection may be used from any thread, from one at a time."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", f"wal_autocheckpoint={RESERVE // 2}"):
        connection.execute(f"PRAGMA {setting}")
    connection.executescript(f"{schema}CREATE TABLE IF NOT EXISTS reserve (space BLOB);")
    _fill_reserve(connection)
    return connection


def keep_reserve(connection: sqlite3.Connection) -> None:
    """Make sure, before something is added, that what is there can still be changed on a full disk."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free < RESERVE // 2:
        _fill_reserve(connection)


def _fill_reserve(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO reserve VALUES (zeroblob(?))", (RESERVE * 4096,))
    connection.execute("DELETE FROM reserve")


def disk_fault(error: Exception) -> str:
    """What is wrong with the disk where an error comes of that, and what to do; empty where it does not."""
    if isinstance(error, OSError) and error.errno in _OF_A_DISK:
        what = error.strerror
    elif isinstance(error, sqlite3.OperationalError):
        what = str(error)
    else:
        return ""
    return f"The stand-in cannot write to its disk ({what}). Free space on it, then try again."
