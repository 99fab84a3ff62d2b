"""YAML with its lines, whole and broken."""

from __future__ import annotations

from typing import Any

import pytest

from lanewatch.config.yaml_lines import MAX_BYTES, YamlError, locate, parse

TEXT = """\
# a comment
name: 서산
cameras:
  - id: one
    zones: [{id: a},
            {id: b}]
  - id: two
same: &same {x: 1}
again: *same
"""


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ((), (2, "")),
        (("name",), (2, "name")),
        (("cameras", 0), (4, "cameras[0]")),
        (("cameras", 0, "zones", 1, "id"), (6, "cameras[0].zones[1].id")),
        (("cameras", 1, "id"), (7, "cameras[1].id")),
        (("cameras", 1, "url"), (7, "cameras[1]")),  # a missing key has the line of its mapping
        (("cameras", 7, "url"), (3, "cameras")),
        (("same", "x"), (8, "same.x")),
    ],
)
def test_locate(location: tuple[str | int, ...], expected: tuple[int, str]) -> None:
    assert locate(parse(TEXT.encode()), location) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),  # YAML 1.1 had it false: Norway's problem
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("", None),
        ("22:00", "22:00"),  # YAML 1.1 had it 1320
        ("22:00-05:00", "22:00-05:00"),
        ("2026-01-15", "2026-01-15"),
        ("010", 10),
        ("0x10", 16),
        ("0o10", 8),
        ("1_000", 1000),
        ("-3", -3),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("'12'", "12"),
        ("12", 12),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, expected: Any) -> None:
    root = parse(f"key: {text}\n".encode())
    assert root["key"] == expected
    assert type(root["key"]) is type(expected)


def test_aliases_are_copies() -> None:
    root = parse(TEXT.encode())
    del root["again"]["x"]
    assert root["same"] == {"x": 1}


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse(b"\xef\xbb\xbfkey: 1\n") == {"key": 1}


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (letter + 1, letter + 1, b", ".join([b"*%c" % letter] * 10)) for letter in range(97, 107)
)


@pytest.mark.parametrize(
    ("data", "line", "what", "fix"),
    [
        (b"", 1, "empty", "docs/site.md"),
        (b"# nothing\n---\n", 1, "empty", "docs/site.md"),
        (b"a: 1\nb:\n\tc: 2\n", 3, "tab", "indent with spaces"),
        (b"a: 1\n\tb: 2\n", 2, "tab", "indent with spaces"),
        ("a: 1\nb: 마을\n".encode("cp949"), 2, "isn't UTF-8", "CP949"),
        ("a: 1\n".encode("utf-16"), 1, "isn't UTF-8", "save the file as UTF-8"),
        (b"a: 1\nb: \x07\n", 2, "control character", "remove"),
        (b"a: 1\nb: x: y\n", 2, "second colon", "quotes"),
        (b"a: 1\n---\nb: 2\n", 2, "several documents", "---"),
        (b"a: 1\nb: *nothing\n", 2, "undefined alias", "quotes"),
        (b"a: 1\nb: 2\na: 3\n", 3, "`a` is given twice, first in line 1", "remove one"),
        (b"a: 1\nb: !!python/object:os.system x\n", 2, "python/object", "plain text"),
        (b"a: 1\nb: !!int x\n", 2, "YAML's !int isn't used", "plain text"),
        (b'a: 1\nb: "\\ud800"\n', 2, "half a character", "itself"),
        (b"a: 1\n? [x]\n: 2\n", 2, "a key must be a word", "brackets"),
        (b"a: [1, 2\nb: 3\n", 2, "YAML is broken", "brackets"),
        (b"a:\n  b: 1\n c: 2\n", 3, "YAML is broken", "indentation"),
        (b"a: 'one\n", 2, "YAML is broken", "quotes"),
        (b"a: &a [*a]\n", 1, "nested too deeply", "aliases"),
        pytest.param(b"[" * 3000, 1, "nested too deeply", "docs/site.md", id="brackets"),
        pytest.param(BOMB, 6, "more than 500,000 values", "aliases", id="alias bomb"),
        pytest.param(b"#" * (MAX_BYTES + 1), 1, "more than the 8", "split the site", id="huge"),
    ],
)
def test_refused_yaml_has_line_reason_and_fix(data: bytes, line: int, what: str, fix: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse(data)
    assert caught.value.line == line
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_redefining_an_anchor_gives_no_warning() -> None:
    assert parse(b"a: &x 1\nb: &x 2\nc: *x\n") == {"a": 1, "b": 2, "c": 2}
