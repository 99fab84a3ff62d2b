"""XML from other systems, read safely: expat without document types, so without entities, and with a line each."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_BYTES = 8 * 2**20
"""A clip of KISA's takes 2 KB."""
MAX_DEPTH = 32
_KOREAN = re.compile(rb"""^\s*<\?xml[^>]*encoding\s*=\s*["'](euc-kr|cp949|ks_c_5601-1987)["']""", re.IGNORECASE)
"""The encodings of Korean Windows, which expat cannot read by itself."""
_LINE = "line"  # the only attribute of an element: those of the file are dropped


class XmlError(ValueError):
    """Text that is not XML, or that is refused."""

    def __init__(self, line: int, what: str, fix: str) -> None:
        super().__init__(what)
        self.line, self.what, self.fix = line, what, fix


def line_of(element: Element) -> int:
    """The line on which an element starts, from 1."""
    return int(element.attrib[_LINE])


def text_of(element: Element | None) -> str:
    """An element's text without spaces around it; "" for None."""
    return "" if element is None else "".join([element.text or "", *(child.tail or "" for child in element)]).strip()


def parse(data: bytes) -> Element:
    """The root of an XML document; the names of elements are without namespace prefixes. Nothing is ever fetched.

    Raises:
        XmlError: it is not XML, has a document type, or is too large or nested too deeply.
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
    parser, builder, depth = expat.ParserCreate(encoding), TreeBuilder(), 0

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        line = parser.CurrentLineNumber
        if depth > MAX_DEPTH:
            raise XmlError(line, f"elements are nested more than {MAX_DEPTH} deep", "check that this is the right file")
        builder.start(name.rpartition(":")[2], {_LINE: str(line)})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition(":")[2])

    def refuse_document_type(*_: object) -> None:
        what = "there is a document type (<!DOCTYPE …>), which is not read from files of others"
        raise XmlError(parser.CurrentLineNumber, what, "remove it")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse_document_type
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise XmlError(error.lineno, f"the XML is broken: {reason}", "repair or restore the file") from None
    except LookupError:
        raise XmlError(1, "the text's encoding is not known here", "save the file as UTF-8") from None
    return builder.close()
