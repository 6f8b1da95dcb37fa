"""Interactive views in JupyterLab; where no browser answers they show themselves as plain HTML."""

from bbkit.explorers.examples import Examples, show_examples
from bbkit.explorers.records import RecordExplorer

__all__ = ["Examples", "RecordExplorer", "show_examples"]
