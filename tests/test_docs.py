"""The documentation leads somewhere: links, anchors and the paths that it names exist, and the index has every page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
PACKAGES = ("lanewatch", "streams", "models", "detectors", "api", "benchmarks", "deploy", "tests", "docs", "notebooks")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@cache
def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_and_their_anchors_exist(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"https?:|mailto:", link):  # not reachable from a closed network
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_paths_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w./-]*)`", prose(page))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    pages = {page.name for page in PAGES if page.parent == index.parent} - {index.name}
    assert pages <= set(links(index))
    contents = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8").partition("CONTENTS = {")[2].partition("}")[0]
    assert pages <= {f"{name}.md" for name in re.findall(r'"(\w+)"', contents)}


def test_the_glossary_is_in_alphabetical_order_and_has_the_korean_terms() -> None:
    entries = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split("\n## ")[1:]
    terms = [entry.partition("\n")[0] for entry in entries]
    assert terms == sorted(terms)
    assert [entry.partition("\n")[0] for entry in entries if not re.search(r"[가-힣]", entry)] == []
