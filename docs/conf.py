"""Settings of the documentation generator, Sphinx with MyST: ``make docs`` builds these pages into ``build/docs``."""

from sphinx.application import Sphinx

PAGES = (
    "architecture",
    "glossary",
    "site",
    "behaviours",
    "evaluation",
    "figures",
    "api",
    "kafka",
    "scaling",
)
"""In the order of the side bar, below ``index``."""

project = "Lanewatch"
author = "The Lanewatch developers"
project_copyright = "2026, The Lanewatch developers"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
myst_heading_anchors = 3  # the anchors that GitHub makes, so that a link works in both places

html_theme = "furo"
html_title = "Lanewatch"
html_copy_source = False
html_show_sphinx = False
html_show_sourcelink = False


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Adds the table of contents to the index here, since GitHub would show its markup as code."""
    if page == root_doc:
        source[0] += "\n\n```{toctree}\n:hidden:\n\n" + "\n".join(PAGES) + "\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
