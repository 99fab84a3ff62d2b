"""Problems of a site file: where each is, what is wrong and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import msgspec

_MAX_LISTED = 30

Location = tuple[str | int, ...]
"""The path from the file's root to a value: keys and indices, as in pydantic's errors."""


class ConfigProblem(msgspec.Struct, frozen=True):
    """A problem at a location of the site; ``SiteFile.add`` finds its line."""

    location: Location
    what: str
    fix: str


class Problem(msgspec.Struct, frozen=True):
    """A problem in a file."""

    file: str  # its path
    line: int  # from 1
    pointer: str  # the location within the site, such as `cameras[0].zones[1].polygon`
    what: str  # what is wrong
    fix: str  # how to fix it

    def __str__(self) -> str:
        at = f" [{self.pointer}]" if self.pointer else ""
        return f"{self.file}:{self.line}: {self.what}; {self.fix}{at}"


class SiteError(ValueError):
    """The site file has problems; the text has a line for each and never contains a camera's URL."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


def suggestion(word: str, known: Iterable[str], *, none: str) -> str:
    """The fix for an unknown word: the known word that is most similar, or the known words; ``none`` without any."""
    words = sorted(set(known))
    if not words:
        return none
    near = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    if len(words) > _MAX_LISTED:
        return f"use an existing one, such as {quoted_list(words[:3])}"
    return f"known are {quoted_list(words)}"


def quoted_list(words: Sequence[str]) -> str:
    """Words in backticks, with commas between them."""
    return ", ".join(f"`{word}`" for word in words)
