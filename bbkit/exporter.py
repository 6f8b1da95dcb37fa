"""``jupyter nbconvert --to bbkit``: any executed notebook as a report page, by nbconvert's own way.

nbconvert imports every exporter that is installed, whatever it is asked for, and fails as a whole where one
cannot be imported: what the page needs is imported when one is made.
"""

from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter
from traitlets import Bool


class ReportExporter(Exporter):
    """Gives the page of `export_notebook`; nothing is run."""

    export_from_notebook = "bbkit report"
    output_mimetype = "text/html"
    with_text = Bool(False, help="Keep prompts and answers in the report.").tag(config=True)
    with_ids = Bool(False, help="Keep the ids of records in the report.").tag(config=True)

    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(self, nb: Any, resources: dict[str, Any] | None = None, **options: Any) -> Any:
        """Render a notebook; what nbconvert's preprocessors made of it is what is shown."""
        from bbkit.report.displays import Display
        from bbkit.report.masking import Masker
        from bbkit.report.notebooks import Notebook, read_notebook
        from bbkit.report.pages import make_page
        from bbkit.report.provenance import ReportContext

        nb, resources = super().from_notebook_node(nb, resources, **options)
        about = (resources or {}).get("metadata", {})
        path = Path(about.get("path") or ".", f"{about.get('name') or 'notebook'}.ipynb")
        digest = read_notebook(path).sha256 if path.is_file() else ""
        notebook = Notebook(path, digest, nb)
        page = path.with_suffix(".html")
        context = ReportContext(
            notebook, notebook, page, path.parent, with_text=self.with_text, with_ids=self.with_ids
        )
        display = Display(Masker(not self.with_text, context.patterns), self.with_ids)
        return make_page(context, display)[1] + "\n", resources
