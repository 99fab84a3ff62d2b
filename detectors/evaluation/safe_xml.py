"""XML from somebody else, read safely: no document type, so no entities, and every element knows its line."""

from __future__ import annotations

import re
from xml.parsers import expat

MAX_BYTES = 8 * 2**20
"""A clip of KISA's takes 2 KB."""
MAX_DEPTH = 32
_KOREAN = re.compile(rb"""^\s*<\?xml[^>]*encoding\s*=\s*["'](euc-kr|cp949|ks_c_5601-1987)["']""", re.IGNORECASE)
"""What Windows in Korea writes, and expat cannot read by itself."""


class XmlError(ValueError):
    """Text that is not XML, or more than one cares to read."""

    def __init__(self, line: int, what: str, mend: str) -> None:
        super().__init__(what)
        self.line, self.what, self.mend = line, what, mend


class Element:
    """One element: its name, the text in it without spaces around it, what is in it, and its line."""

    def __init__(self, name: str, line: int) -> None:
        self.name = name
        self.line = line
        self.inside: list[Element] = []
        self._text: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._text).strip()

    def add(self, data: str) -> None:
        """Appends text."""
        self._text.append(data)

    def all(self, name: str) -> list[Element]:
        """Those of a name that are directly in it."""
        return [one for one in self.inside if one.name == name]

    def one(self, name: str) -> Element | None:
        """The first of a name that is directly in it."""
        return next(iter(self.all(name)), None)

    def say(self, name: str) -> str:
        """The text of the first of a name; "" where there is none."""
        found = self.one(name)
        return "" if found is None else found.text


def parse(data: bytes) -> Element:
    """The root of an XML document.

    A document type is refused whole: with it come entities, which can fill the memory or name files and hosts to be
    fetched. Nothing is ever fetched.

    Raises:
        MarkupError: it is no XML, has a document type, or is too large or too deep.
    """
    if len(data) > MAX_BYTES:
        raise XmlError(1, f"the file has {len(data) / 2**20:.0f} MB", f"at most {MAX_BYTES // 2**20} are read")
    encoding = None
    if _KOREAN.match(data):
        try:
            data, encoding = data.decode("cp949").encode(), "utf-8"
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise XmlError(line, "the text isn't in the encoding that it names", "save the file as UTF-8") from None
    return _Builder(encoding).build(data)


class _Builder:
    def __init__(self, encoding: str | None) -> None:
        self._parser = expat.ParserCreate(encoding)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._open: list[Element] = []
        self._root: Element | None = None

    def build(self, data: bytes) -> Element:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise XmlError(error.lineno, f"the XML is broken: {reason}", "mend or restore the file") from None
        except LookupError:
            raise XmlError(1, "the text's encoding is not known here", "save the file as UTF-8") from None
        if self._root is None:
            raise XmlError(1, "the file is empty", "give XML")
        return self._root

    def _start(self, name: str, _: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        if len(self._open) >= MAX_DEPTH:
            raise XmlError(line, f"elements are nested more than {MAX_DEPTH} deep", "check that this is the right file")
        element = Element(name.rpartition(":")[2], line)
        if self._open:
            self._open[-1].inside.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _data(self, data: str) -> None:
        if self._open:
            self._open[-1].add(data)

    def _doctype(self, *_: object) -> None:
        what = "there is a document type (<!DOCTYPE …>), which is not read from files of others"
        raise XmlError(self._parser.CurrentLineNumber, what, "remove it")
