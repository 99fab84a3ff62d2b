"""The count of ``tests.prose``: what it finds, where, and what it leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import prose

LONG = " ".join(["word"] * 31)
FAIR = " ".join(["word"] * 30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FAIR + ".", 0),  # as long as it may be
        (LONG + ".", 1),  # one word more
        (f"{FAIR}. {FAIR}.", 0),  # two sentences
        (f"{FAIR}; {FAIR}: {FAIR}", 0),  # a semicolon and a colon end one, too
        (f"({FAIR}.) {FAIR}", 0),  # in brackets
        ("Nobody comes, and whoever does mends it.", 3),  # three words of the idiom
        ("mending, amended and recommended", 0),  # other words
        ('The message says "nobody listens".', 0),  # a quotation
        (f"The command `{LONG}` is code.", 0),  # code is one word
        ("``nobody`` is a name", 0),  # so is a name
        ("the camera's zone isn't nobody's", 1),  # apostrophes quote nothing
    ],
)
def test_what_is_wrong_with_a_text(text: str, expected: int) -> None:
    assert len(list(prose.problems(text))) == expected


@pytest.mark.parametrize(
    ("path", "text", "lines"),
    [
        ("a.py", f'"""{LONG}."""\n', [1]),  # a module's docstring
        ("a.py", f'X = 1\n"""{LONG}."""\n', [2]),  # a constant's
        ("a.py", f'X = "{LONG}"\n', []),  # a string is no prose
        ("a.py", f"# {FAIR}\n# word\n", [1]),  # a comment of two lines
        ("a.py", f"x = 1  # {FAIR}\n# word\n", []),  # behind code and below it
        ("a.py", f'"""{FAIR}\n\nword\n"""\n', []),  # two paragraphs
        (
            "a.py",
            f'"""X.\n\n    Args:\n        a: {FAIR}\n        b: {LONG}\n            so\n    """\n',
            [5],
        ),  # entries
        ("a.py", f'"""Does.\n\n- {FAIR}\n- {LONG}\n  so\n"""\n', [4]),  # list items
        ("a.py", f'"""Used so:\n\n    {LONG}\n\n{LONG}\n"""\n', [5]),  # a literal block
        ("a.py", f'"""A |x\n|y| {LONG}\n"""\n', [1]),  # bars in a formula are no table
        ("a.py", "# noqa: BLE001 - nobody\n", [1]),  # a reason is prose
        ("a.js", f"// {LONG}\nf('// nobody'); /* nobody */\n", [1, 2]),  # comments, not strings
        ("a.js", f"// {FAIR}\n// word\n", [1]),  # a comment of two lines
        ("a.md", f"# T\n\n{FAIR}\nword\n", [3]),  # a paragraph goes over lines
        ("a.md", f"- {FAIR}\n- {FAIR}\n", []),  # list items
        ("a.md", f"A *b* c {FAIR}\n", [1]),  # stress is no list
        ("a.md", f"| {FAIR} | {FAIR} |\n|---|---|\n| {LONG} | |\n", [3]),  # table cells
        ("a.md", f"```\nnobody {LONG}\n```\n<!-- nobody -->\n\n    nobody\n", []),  # code and comments
        ("a.md", f"- item\n\n    {LONG}\n", [3]),  # a list item's second paragraph is none
        ("a.md", f"[{FAIR}](a.md b c)\n", []),  # a link is its text
        ("README.md", f"| {'x' * 120} | {'x' * 121} |\n", [1]),  # a cell too wide
        ("docs/a.md", f"| {'x' * 121} |\n", []),  # elsewhere it may be
        (prose.LEDGER, f"| 2026-11-29 | {LONG} |\n| 2026-11-30 | {LONG} |\n", [2]),  # old rows stay
        ("docs/a.md", f"| 2026-11-29 | {LONG} |\n", [1]),  # only the ledger has such
        ("NOTICE", f"Title\n\n  name\n      {LONG}\n", [4]),  # plain text
    ],
)
def test_where_it_is(path: str, text: str, lines: list[int]) -> None:
    assert [finding.line for finding in prose.findings(path, text)] == lines


def test_the_command_prints_what_it_finds_and_counts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prose, "tracked", lambda paths: list(paths))
    (tmp_path / "good.md").write_text("Fine.\n", encoding="utf-8")
    (tmp_path / "bad.md").write_text("Nobody.\n", encoding="utf-8")
    assert prose.main(["good.md"]) == 0
    assert prose.main(["good.md", "bad.md"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "0 findings in 1 files",
        "bad.md:1: the word 'Nobody'",
        "1 findings in 2 files",
    ]


def test_tracked_files_with_prose_are_read() -> None:
    files = prose.tracked(["docs", "tests/prose.py"])
    assert "tests/prose.py" in files
    assert "docs/site.md" in files
    assert not any(path.endswith(".jpg") for path in files)
