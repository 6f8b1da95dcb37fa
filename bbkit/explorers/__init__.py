"""Interactive views in JupyterLab; where no browser answers they show themselves as plain HTML."""

from bbkit.explorers.examples import show_examples
from bbkit.explorers.progress import JobProgress
from bbkit.explorers.records import RecordExplorer

__all__ = ["JobProgress", "RecordExplorer", "show_examples"]
