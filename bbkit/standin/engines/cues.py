"""Words that tell what a sentence of a service conversation does, from ``cues.json``."""

from bbkit.standin.tables import read_table

# Marks above, below and beside letters, which \w leaves out and many scripts cannot be read without: of those
# that put spaces between words, and of those that do not.
MARKS = r"\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff"
MARKS_UNSPACED = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"

_LISTS = read_table("engines/cues")


def _words(name: str) -> frozenset[str]:
    return frozenset(" ".join(_LISTS[name]).split())


def _phrases(name: str) -> tuple[str, ...]:
    return tuple(_LISTS[name])


AGENT_LABELS = _words("agent_labels")
CUSTOMER_LABELS = _words("customer_labels")
STOP_WORDS = _words("stop_words")
COURTESY_WORDS = _words("courtesy_words")
PROCEDURE_WORDS = _words("procedure_words")
ISSUE_WORDS = _words("issue_words")
RESOLUTION_WORDS = _words("resolution_words")
AGENT_PHRASES = _phrases("agent_phrases")
COURTESY_PHRASES = _phrases("courtesy_phrases")
SUMMARY_STEMS = _phrases("summary_stems")
REQUEST_WORDS = _words("request_words")
REQUEST_PHRASES = _phrases("request_phrases")
ABBREVIATIONS = _words("abbreviations")
OPENERS = _words("openers")
JOINERS = _words("joiners")
SUBJECTS = _words("subjects")
LEADS = _words("leads")
FORMATS: dict[str, list[str]] = _LISTS["formats"]
