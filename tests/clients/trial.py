"""What every client's script does: find the stand-in, try one thing after another, say it in one line."""

import json
import os
import sys
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from urllib.parse import urlsplit

NOVA = "amazon.nova-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
QUESTION = (
    "Summarize: The router lost its connection twice today. The agent restarted it, and it has held since."
)
NO_MODEL = "The provided model identifier is invalid."  # what the service says of a model it does not know


class Trial:
    """What one client did with a stand-in.

    Parameters
    ----------
    client : str
        Its name, that of its distribution where no `release` is given.
    needs : str
        What it must be told beside ``standin.env``, as Markdown.
    release : str
        Its version.

    Raises
    ------
    SystemExit
        If the environment leads to no server on this machine: nothing may ever go to AWS.
    """

    def __init__(self, client: str, needs: str = "", release: str = "") -> None:
        self.endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        if urlsplit(self.endpoint).hostname != "127.0.0.1":
            told = f"AWS_ENDPOINT_URL is '{self.endpoint}', no stand-in on 127.0.0.1. Start one and take its"
            sys.exit(f"{told} environment: bbkit standin DIR; set -a; . DIR/standin.env")
        self.role = os.environ["BBKIT_ROLE_ARN"]
        self.bucket = urlsplit(os.environ["BBKIT_S3_URI"]).netloc
        self.once = uuid.uuid4().hex[:8]  # in names of jobs and keys, so that no other trial has them
        self._found = {"client": client, "version": release or version(client), "needs": needs}
        self._works: list[str] = []
        self._fails: dict[str, str] = {}
        self._refusals: list[str] = []
        self._broken: list[str] = []

    @contextmanager
    def works(self, what: str) -> Iterator[None]:
        """Run what shall work, with what is asserted of it."""
        try:
            yield
        except Exception:
            self._miss(what, traceback.format_exc())
        else:
            self._works.append(what)

    @contextmanager
    def fails(self, what: str, sentence: str, why: str) -> Iterator[None]:
        """Run what is known not to work, and why; its error holds the sentence."""
        try:
            yield
        except Exception:
            told = traceback.format_exc()
            if sentence in told:
                self._fails[what] = why
            else:
                self._miss(what, told)
        else:
            self._miss(what, "No error came.")

    @contextmanager
    def refused(self, sentence: str) -> Iterator[None]:
        """Run what the stand-in refuses, which must come out of the client in its sentence."""
        with self.fails("refusal", sentence, why=""):
            yield
        if "refusal" in self._fails:
            del self._fails["refusal"]
            self._refusals.append(sentence)

    def _miss(self, what: str, told: str) -> None:
        self._broken.append(what)
        print(f"--- {what}\n{told}", file=sys.stderr)

    def report(self) -> None:
        """Print the line of JSON and end the process: 0 if all was as it should be."""
        found = {**self._found, "works": self._works, "fails": self._fails, "refusals": self._refusals}
        print(json.dumps({**found, "broken": self._broken}, ensure_ascii=False), flush=True)
        sys.exit(bool(self._broken))
