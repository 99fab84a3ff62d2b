"""YAML with positions: mappings and lists of ruamel, whose ``.lc`` knows the line of each key and item.

Values are built from the composed nodes. ruamel's round-trip constructor would give the same positions, but takes
1.6 times as long (a site of 700 cameras), shares the values of aliases, and accepts any tag.
"""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from lanewatch.config.problems import Location

MAX_BYTES = 8 * 2**20
"""A site of 700 cameras with four zones each takes 1 MB."""
MAX_VALUES = 500_000
"""Twenty times as many values as that site has. Without a limit, a few lines of aliases could fill the memory."""
MAX_DEPTH = 20
"""A site's own values are nested 8 deep. Without a limit, a value that contains its own alias would never end."""


class YamlError(Exception):
    """The text is not YAML, or not the kind of YAML that a site file may use; lines are counted from 1."""

    def __init__(self, line: int, what: str, fix: str) -> None:
        super().__init__(what)
        self.line, self.what, self.fix = line, what, fix


def parse(data: bytes) -> Any:
    """The value of a YAML 1.2 document: ``no`` and ``on`` are text, and so are times.

    It is a ``CommentedMap``, ``CommentedSeq`` or plain scalar. An alias is a copy of its anchor's value. The first
    reason why the text cannot be read is raised as a ``YamlError``.
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
    value = None if root is None else _Builder(reader.constructor).build(root, 0)
    if value is None:
        raise YamlError(1, "the file is empty", "start from the example in docs/site.md")
    return value


def line_of(holder: Any, key: str | int | None = None) -> int:
    """The line, from 1, of a mapping's key or a list's item. Without ``key``: where the mapping or list begins."""
    return int(holder.lc.line if key is None else holder.lc.data[key][0]) + 1


def locate(root: Any, location: Location) -> tuple[int, str]:
    """The line and the pointer of a value, or of the innermost existing value around a missing one."""
    line, pointer, current = (line_of(root) if hasattr(root, "lc") else 1), "", root
    for step in location:
        if isinstance(current, CommentedMap) and step in current:
            pointer = f"{pointer}.{step}" if pointer else str(step)
        elif isinstance(current, CommentedSeq) and isinstance(step, int) and step < len(current):
            pointer = f"{pointer}[{step}]"
        else:
            break
        line, current = line_of(current, step), current[step]
    return line, pointer


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        what = f"the file has {len(data) / 2**20:.0f} MB, more than the {MAX_BYTES // 2**20} that are read"
        raise YamlError(1, what, "check that this is the site file, or split the site")
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
    """Builds values from nodes, and checks what the composer does not."""

    def __init__(self, constructor: SafeConstructor) -> None:
        self._constructor = constructor
        self._values = 0
        self._top_line = 1  # of the file's own keys, because an alias has the line of its anchor

    def build(self, node: Node, depth: int) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise YamlError(self._top_line, f"there are more than {MAX_VALUES:,} values", "use fewer aliases (*name)")
        if depth > MAX_DEPTH:
            fix = "remove aliases (*name) that refer to themselves"
            raise YamlError(self._top_line, "values are nested too deeply", fix)
        if isinstance(node, MappingNode):
            return self._mapping(node, depth)
        return self._sequence(node, depth) if isinstance(node, SequenceNode) else self._scalar(node)

    def _sequence(self, node: SequenceNode, depth: int) -> CommentedSeq:
        items = CommentedSeq([self.build(item, depth + 1) for item in node.value])
        items.lc.line = node.start_mark.line
        for index, item in enumerate(node.value):
            items.lc.add_idx_line_col(index, [item.start_mark.line, item.start_mark.column])
        return items

    def _mapping(self, node: MappingNode, depth: int) -> CommentedMap:
        mapping = CommentedMap()
        mapping.lc.line = node.start_mark.line
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            if not isinstance(key_node, ScalarNode):
                raise YamlError(mark.line + 1, "a key must be a word", "check brackets and braces in this line")
            key = str(key_node.value)
            if key in mapping:
                what = f"`{key}` is given twice, first in line {line_of(mapping, key)}"
                raise YamlError(mark.line + 1, what, "remove one of them")
            self._top_line = mark.line + 1 if depth == 0 else self._top_line
            mapping[key] = self.build(value_node, depth + 1)
            mapping.lc.add_kv_line_col(key, [mark.line, mark.column, mark.line, mark.column])
        return mapping

    def _scalar(self, node: Node) -> Any:
        kind, text, line = str(node.tag).removeprefix("tag:yaml.org,2002:"), str(node.value), node.start_mark.line + 1
        if kind == "timestamp":
            return text
        unsupported = YamlError(line, f"YAML's !{kind} isn't used in a site file", "write plain text or a number")
        try:
            text.encode()
            if kind in ("str", "null", "bool", "int", "float"):
                return self._constructor.construct_object(node)
        except UnicodeEncodeError:
            raise YamlError(line, "half a character is written with \\u", "write the character itself") from None
        except (KeyError, ValueError) as error:  # such as `!!int abc`
            raise unsupported from error
        raise unsupported
