"""What the findings of a preflight say alike."""

from bbkit.core.errors import AwsError
from bbkit.core.findings import Finding

POLICIES = "`bbkit doctor RUN --policies` prints the policies this run needs."
DENIED = ("AccessDenied", "AccessDeniedException", "403", "Forbidden")


def not_seen(rule: str, what: str, error: AwsError) -> Finding:
    """Make the finding that something could not be looked at."""
    if error.code in DENIED:
        found = f"{what} could not be looked at ({error.code})."
        return Finding("unknown", rule, found, f"Ask someone who may look, or for leave to; {POLICIES}")
    return Finding("unknown", rule, f"{what} could not be looked at. {error}")
