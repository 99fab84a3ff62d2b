"""YAML that remembers its lines: plain values in dictionaries and lists that know where each of them was written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from lanewatch.config.problems import Location

MAX_BYTES = 8 * 2**20
"""A city of 700 cameras with four zones each takes 1 MB."""
MAX_VALUES = 500_000
"""Twenty times that city. Aliases are expanded, so that a few lines could otherwise fill the memory."""
MAX_DEPTH = 20
"""The site's own values are nested 8 deep; a value that refers to itself would go on for ever."""

Flaw = tuple[int, str, str]
"""Line, what is wrong, what to do."""


class LineMap(dict[str, Any]):
    """A mapping that knows its own line and those of its keys."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class LineList(list[Any]):
    """A list that knows its own line, and those of its items with the positions that they were written at."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []
        self.positions: list[int] = []

    def remove_at(self, index: int) -> None:
        """Takes an item out; the others keep their lines and positions."""
        del self[index], self.lines[index], self.positions[index]


class YamlError(Exception):
    """A text that isn't YAML, or not of a kind that a site file may be."""

    def __init__(self, line: int, what: str, mend: str) -> None:
        super().__init__(what)
        self.flaw: Flaw = (line, what, mend)


def parse(data: bytes) -> tuple[Any, list[Flaw]]:
    """A YAML document's value, and what is wrong with it that doesn't keep the rest from being understood.

    Values are as YAML 1.2 has them (``no`` and ``on`` are words, not booleans); times stay text.

    Raises:
        MarkedError: there is no value to be had.
    """
    reader = YAML(typ="safe", pure=True)
    reader.max_depth = MAX_DEPTH
    reader.composer.warn_double_anchors = False
    try:
        root = reader.compose(_text(data))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, *_explain(error)) from None
    except ReaderError as error:
        line = data.decode("utf-8")[: error.position].count("\n") + 1
        raise YamlError(line, "there is a control character", "remove the invisible character") from None
    except (RecursionError, YAMLError):
        raise YamlError(1, "this can't be read as YAML", "compare it with the example in docs/site.md") from None
    builder = _Builder()
    value = None if root is None else builder.build(root, 0)
    if value is None:
        raise YamlError(1, "the file is empty", "start from the example in docs/site.md")
    return value, builder.flaws


def locate(root: Any, location: Location) -> tuple[int, str]:
    """The line at which a value was written, and its place as text; those of what encloses it where it isn't there."""
    line, pointer, current = getattr(root, "line", 1), "", root
    for step in location:
        if isinstance(current, LineMap) and isinstance(step, str) and step in current:
            line, pointer = current.lines[step], f"{pointer}.{step}" if pointer else step
            current = current[step]
        elif isinstance(current, LineList) and isinstance(step, int) and step < len(current):
            line, pointer = current.lines[step], f"{pointer}[{current.positions[step]}]"
            current = current[step]
        else:
            break
    return line, pointer


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise YamlError(
            1,
            f"the file has {len(data) / 2**20:.0f} MB, more than the {MAX_BYTES // 2**20} that are read",
            "check that this is the site file, or split the site",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise YamlError(line, "the text isn't UTF-8", "save the file as UTF-8, not as CP949 or EUC-KR") from None


def _explain(error: MarkedYAMLError) -> tuple[str, str]:
    problem = str(error.problem or error.context or "a mistake in the YAML")
    if "'\\t'" in problem or "tab" in problem:
        return "there is a tab where YAML wants spaces", "indent with spaces"
    if "undefined alias" in problem:
        return problem, "define it with & before it is used, or put the text in quotes"
    if "mapping values are not allowed" in problem:
        return "there is a second colon in this line", "put a value with a colon and a space in it in quotes"
    if "single document" in str(error.context):
        return "there are several documents in the file", "remove the line with ---"
    if isinstance(error, MaxDepthExceededError):
        return "values are nested too deeply", "compare it with the example in docs/site.md"
    return f"the YAML is broken: {problem}", "check indentation, brackets, quotes and colons here and in the line above"


class _Builder:
    """Makes values of YAML's nodes."""

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []
        self._values = 0
        self._top_line = 1  # of the file's own keys: an alias' value lies where it was defined

    def build(self, node: Node, depth: int) -> Any:
        line = node.start_mark.line + 1
        self._values += 1
        if self._values > MAX_VALUES:
            raise YamlError(self._top_line, f"there are more than {MAX_VALUES:,} values", "use fewer aliases (*name)")
        if depth > MAX_DEPTH:
            raise YamlError(
                self._top_line, "values are nested too deeply", "remove aliases (*name) that refer to themselves"
            )
        if isinstance(node, MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, SequenceNode):
            return self._sequence(node, depth)
        return self._scalar(node, line)

    def _sequence(self, node: SequenceNode, depth: int) -> LineList:
        items = LineList(node.start_mark.line + 1)
        for position, item in enumerate(node.value):
            items.append(self.build(item, depth + 1))
            items.lines.append(item.start_mark.line + 1)
            items.positions.append(position)
        return items

    def _mapping(self, node: MappingNode, depth: int) -> LineMap:
        mapping = LineMap(node.start_mark.line + 1)
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.flaws.append((line, "a key must be a word", "check brackets and braces in this line"))
                continue
            key = str(key_node.value)
            if key in mapping:
                first = mapping.lines[key]
                self.flaws.append((line, f"`{key}` is given twice, first in line {first}", "remove one of them"))
                continue
            self._top_line = line if depth == 0 else self._top_line
            mapping[key] = self.build(value_node, depth + 1)
            mapping.lines[key] = line
        return mapping

    def _scalar(self, node: Node, line: int) -> Any:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        text = str(node.value)
        try:
            return _SCALARS[kind](text)
        except UnicodeEncodeError:
            self.flaws.append((line, "half a character is written with \\u", "write the character itself"))
            return "?"
        except (KeyError, ValueError):
            self.flaws.append((line, f"YAML's !{kind} isn't used in a site file", "write plain text or a number"))
            return text


def _string(text: str) -> str:
    text.encode()  # a lone surrogate could be kept, but never be printed or sent
    return text


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    return int(digits, 0) if digits.lstrip("+-").startswith(("0x", "0o")) else int(digits)


def _floating(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": _string,
    "timestamp": str,
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _floating,
}
