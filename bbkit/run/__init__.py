"""A run: one folder for one batch of work, from its records to its reports, and the journal of its jobs.

`Run` is the folder and its ``run.json``; `write_records` fills ``records/``; the journal ``jobs.jsonl`` takes
every intent, answer and status. Whoever works on a run reads it once into an immutable `RunSnapshot` (files,
attempts, job states), hands that down, and gets the next one with each event journalled.
"""

from bbkit.records.splitting import InputFile as InputFile
from bbkit.run.recording import write_records as write_records
from bbkit.run.run import Run as Run, as_run as as_run
from bbkit.run.snapshot import RunSnapshot as RunSnapshot
