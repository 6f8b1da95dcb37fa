"""Interactive views in JupyterLab; where no browser answers they show themselves as plain HTML.

The tidy frame goes into `RecordExplorer`: controls (`controls`) set conditions (`filters`) that are code to
paste and the mask which that code gives, and the record that is open is shown by a template (`views`).
`JobProgress` shows the table of a `JobWatch` after each of its looks, and `await_jobs` waits beside it.
What a model, a source or AWS wrote is escaped by the templates.
"""

from bbkit.core.errors import require_extras

require_extras("bbkit.explorers", "notebooks")

from bbkit.explorers.progress import JobProgress, await_jobs  # noqa: E402
from bbkit.explorers.records import RecordExplorer  # noqa: E402
from bbkit.explorers.tables import RecordTable  # noqa: E402
from bbkit.explorers.views import find_records, show_examples  # noqa: E402

__all__ = [
    "JobProgress",
    "RecordExplorer",
    "RecordTable",
    "await_jobs",
    "find_records",
    "show_examples",
]
