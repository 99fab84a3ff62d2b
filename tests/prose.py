"""Counts what the house rules for prose forbid, in docstrings, comments and documentation.

A sentence has at most 30 words, and some words of a private idiom do not occur. README's table cells have at most 120
characters. Code, quotations and fenced blocks are left out: each counts as one word.

    python -m tests.prose [--count] [PATH...]

Without a path, all tracked files are read. Each finding is a line, ``file:line: what``. The exit status is 1 if there
is any. ``--count`` prints one line for each folder instead.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

MAX_WORDS = 30
MAX_CELL = 120
"""Characters of a table cell in README.md."""

LEDGER = "benchmarks/LEDGER.md"
LEDGER_SINCE = "2026-11-30"
"""Rows of the ledger before this day are records of what was measured. They are not rewritten."""

PATTERNS = ("*.py", "*.js", "*.md", "NOTICE")
IDIOM = re.compile(r"\b(nobody|somebody|mend(?:s|ed)?|whoever)\b", re.IGNORECASE)

_SENTENCE_END = re.compile(r"(?<=[.!?:;])[)\]*_]*\s+")
_CODE = re.compile(r"(`+)(?:(?!`).)+?\1")
_QUOTATION = re.compile(r'"[^"]*"|“[^”]*”|「[^」]*」|(?<!\w)\'[^\']+\'(?!\w)')
_PRAGMA = re.compile(r"(noqa|type: ignore|pragma)\b(: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)?(\[[\w, -]+\])?( - )?|^!/.*")
_ITEM = re.compile(r"^\s*([-*+]|\d+\.)\s+")
_SECTION = re.compile(r"\s*(Args|Attributes|Raises|Returns|Yields|Example|Examples|Note)s?:\s*$")
_NO_PROSE = re.compile(r"\s*(>>> |===|---|\|.*\|\s*$)")
"""A session of Python, an underline, a row of a table."""
_FENCE = re.compile(r"\s*(```+|~~~+)")
_JS = re.compile(
    r"""(?P<skip>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=[(,=:\[!&|?])\s*/(?![/*])(?:\\.|[^/\\\n])+/)"""
    r"""|//(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/""",
    re.DOTALL,
)


class Block(NamedTuple):
    """Text that belongs together: a paragraph, a list item, a table cell. ``line`` is where it begins."""

    line: int
    text: str


class Finding(NamedTuple):
    """What is wrong, and where."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def findings(path: str, text: str) -> Iterator[Finding]:
    """All findings of one file, in the order of their lines.

    Args:
        path: Relative to the repository; its ending says how the file is read.
        text: The file's content.
    """
    for block in _blocks(path, text):
        yield from (Finding(path, block.line, what) for what in problems(block.text))
    if path == "README.md":
        for row in _table_rows(text):
            if (longest := max(len(cell) for cell in _cells(row.text))) > MAX_CELL:
                yield Finding(path, row.line, f"a table cell of {longest} characters")


def problems(text: str) -> Iterator[str]:
    """What is wrong with one block of prose."""
    plain = _QUOTATION.sub("QUOTATION", _CODE.sub("CODE", " ".join(text.split())))
    for sentence in _SENTENCE_END.split(plain):
        if (count := len(sentence.split())) > MAX_WORDS:
            yield f"a sentence of {count} words: {sentence[:60]} ..."
    for found in IDIOM.finditer(plain):
        yield f"the word {found[0]!r}"


def _blocks(path: str, text: str) -> Iterator[Block]:
    if path.endswith(".py"):
        return python_blocks(text)
    if path.endswith(".js"):
        return script_blocks(text)
    if path.endswith(".md"):
        return markdown_blocks(text, since=LEDGER_SINCE if path == LEDGER else "")
    return text_blocks(text.splitlines(), 1)


def python_blocks(text: str) -> Iterator[Block]:
    """Docstrings, the texts below constants, and comments."""
    found = [
        block
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for block in text_blocks(_dedented(node.value.value), node.lineno)
    ]
    comments = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            comments.append((token.start[0], token.start[1] if alone else -1, token.string.lstrip("#:")))
    yield from sorted([*found, *_comment_blocks(comments)])


def script_blocks(text: str) -> Iterator[Block]:
    """Comments of JavaScript."""
    comments, found_blocks = [], list[Block]()
    for found in _JS.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["line"] is not None:
            before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
            comments.append((line, -1 if before.strip() else len(before), found["line"]))
        elif found["block"] is not None:
            found_blocks += text_blocks([re.sub(r"^\s*\*+ ?", "", row) for row in found["block"].splitlines()], line)
    yield from sorted([*found_blocks, *_comment_blocks(comments)])


def _comment_blocks(comments: Iterable[tuple[int, int, str]]) -> Iterator[Block]:
    """Joins comment lines that follow each other in one column; column -1 is a comment behind code."""
    run: list[str] = []
    first, last, column = 0, 0, -1
    for line, at, text in comments:
        if run and (at < 0 or at != column or line != last + 1):
            yield from text_blocks(run, first)
            run = []
        if not run:
            first = line
        run.append(_PRAGMA.sub("", text.strip()) if at < 0 else _PRAGMA.sub("", text.removeprefix(" ")))
        last, column = line, at
    yield from text_blocks(run, first)


def _dedented(docstring: str) -> list[str]:
    """A docstring's lines without the indentation of its code."""
    first, *rest = docstring.split("\n")
    margin = min((len(row) - len(row.lstrip()) for row in rest if row.strip()), default=0)
    return [first.lstrip(), *(row[margin:] for row in rest)]


def text_blocks(rows: Sequence[str], line: int) -> Iterator[Block]:
    """Paragraphs, list items and the entries of Google's docstring sections; literal blocks are left out."""
    run: list[str] = []
    begin, indent, section = line, 0, -1
    hanging = literal = False
    for number, row in enumerate([*rows, ""], line):
        depth, blank = len(row) - len(row.lstrip()), not row.strip()
        literal = literal and (blank or depth > indent)
        if literal and not blank:
            continue
        if not blank and depth <= section:
            section = -1
        same = depth > indent if hanging else depth == indent
        if run and (blank or not same or _ITEM.match(row) or _SECTION.match(row)):
            yield Block(begin, " ".join(run))
            literal = blank and run[-1].endswith(":")
            run = []
        if blank or _NO_PROSE.match(row):
            continue
        if _SECTION.match(row):
            section = depth
            continue
        if not run:
            begin, indent, hanging = number, depth, section >= 0 or bool(_ITEM.match(row))
            row = _ITEM.sub("", row, count=1)
        run.append(row.strip())


def markdown_blocks(text: str, *, since: str = "") -> Iterator[Block]:
    """Paragraphs, list items, headings and table cells, without code.

    Args:
        text: Markdown.
        since: Table rows whose first cell is a day before this one are left out.
    """
    run: list[str] = []
    begin = 1
    for number, row in _outside_code(text):
        ends = not row.strip() or row.startswith("#") or row.startswith("|") or bool(_ITEM.match(row))
        if ends and run:
            yield Block(begin, " ".join(run))
            run = []
        if row.startswith("|"):
            cells = _cells(row)
            if not re.match(r"\d{4}-\d\d-\d\d$", cells[0]) or cells[0] >= since:
                yield from (Block(number, cell) for cell in cells if cell.strip("-: "))
        elif row.startswith("#"):
            yield Block(number, row.strip("# "))
        elif row.strip():
            begin = number if not run else begin
            run.append(_ITEM.sub("", row, count=1).removeprefix("> ").strip())
    if run:
        yield Block(begin, " ".join(run))


def _outside_code(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines; those of fences, HTML comments and indented code are empty, links are their text."""
    text = re.sub(r"<!--.*?-->", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)
    fence, in_list, blank = "", False, True
    for number, row in enumerate(text.splitlines(), 1):
        mark = _FENCE.match(row)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) else fence
            yield number, ""
            continue
        if mark:
            fence = mark[1]
            yield number, ""
            continue
        in_list = bool(_ITEM.match(row)) or (in_list and (not row.strip() or row.startswith(" ")))
        code = row.startswith("    ") and blank and not in_list
        blank = not row.strip() or code
        yield number, "" if code else re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"</?\w[^>`]*>", "", row))


def _table_rows(text: str) -> Iterator[Block]:
    fence = False
    for number, row in enumerate(text.splitlines(), 1):
        if _FENCE.match(row):
            fence = not fence
        elif row.startswith("|") and not fence:
            yield Block(number, row)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def tracked(paths: Sequence[str]) -> list[str]:
    """The tracked files below the paths that hold prose; all of them without a path."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *paths], capture_output=True, text=True, check=True).stdout
    return sorted(path for path in listed.split("\0") if path and any(Path(path).match(name) for name in PATTERNS))


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the findings and their count; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.prose", description=__doc__, add_help=True)
    parser.add_argument("--count", action="store_true", help="print one line for each folder instead of the findings")
    parser.add_argument("paths", nargs="*", metavar="PATH")
    options = parser.parse_args(argv)
    files = tracked(options.paths)
    found = [finding for path in files for finding in findings(path, Path(path).read_text(encoding="utf-8"))]
    if options.count:
        for folder, count in sorted(Counter(finding.path.rpartition("/")[0] or "." for finding in found).items()):
            print(f"{count:6} {folder}")
    else:
        print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(found)} findings in {len(files)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
