"""Settings of the documentation generator, Sphinx with MyST: ``make docs`` builds the pages into ``build/docs``.

The source folder is the repository, so that README and its neighbours are pages too and every link can be checked.
"""

from sphinx.application import Sphinx

CONTENTS = {
    "Use": ("site", "behaviours", "api", "kafka", "operations", "scaling"),
    "Evaluate": ("evaluation", "figures", "../benchmarks/PROTOCOLS", "../benchmarks/LEDGER"),
    "Understand": ("architecture", "glossary", "../CONTRIBUTING", "../CHANGELOG", "../README"),
}
"""The side bar, below ``index``."""

project = "Lanewatch"
author = "The Lanewatch developers"
project_copyright = "2026, The Lanewatch developers"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "benchmarks/*.md"]
exclude_patterns = [".*", "build", "var", "shared"]  # not searched
myst_heading_anchors = 3  # the anchors that GitHub makes, so that a link works in both places

html_theme = "furo"
html_title = "Lanewatch"
html_copy_source = False
html_show_sphinx = False
html_show_sourcelink = False


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Adds the table of contents to the index here, since GitHub would show its markup as code."""
    if page == root_doc:
        for caption, pages in CONTENTS.items():
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
