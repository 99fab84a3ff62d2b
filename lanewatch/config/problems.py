"""What is wrong with a site file: where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import msgspec

Location = tuple[str | int, ...]
"""The way from the file's root to a value: keys and positions, as pydantic gives it."""


class Finding(msgspec.Struct, frozen=True):
    """Something wrong at a place of the site that isn't yet a line of a file."""

    location: Location
    what: str
    fix: str


class Problem(msgspec.Struct, frozen=True):
    """Something wrong in a site file.

    Attributes:
        file: as it was asked for.
        line: from 1.
        pointer: the place within the site, such as ``cameras[0].zones[1].polygon``.
        what: what is wrong.
        fix: what to do.
    """

    file: str
    line: int
    pointer: str
    what: str
    fix: str

    def __str__(self) -> str:
        at = f" [{self.pointer}]" if self.pointer else ""
        return f"{self.file}:{self.line}: {self.what}; {self.fix}{at}"


class SiteError(ValueError):
    """A site file that can't be used; its text has a line for each problem. It never holds a camera's URL."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(map(str, self.problems)))


def suggestion(word: str, known: Iterable[str], *, none: str) -> str:
    """The mend for a word that isn't among those known: the one that was probably meant, or all of them.

    Args:
        word: what was written.
        known: what could have been.
        none: what to say where nothing is known.
    """
    words = sorted(set(known))
    if not words:
        return none
    near = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    if len(words) > _TOO_MANY:
        return f"it must be one that exists, such as {quoted_list(words[:3])}"
    return f"known are {quoted_list(words)}"


_TOO_MANY = 30


def quoted_list(words: Sequence[str]) -> str:
    """Words as code, with commas."""
    return ", ".join(f"`{word}`" for word in words)
