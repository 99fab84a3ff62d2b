"""Reads the site's YAML file and reports its problems with their lines, in two passes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import ValidationError

from lanewatch.config import consistency_checks, error_messages
from lanewatch.config.problems import ConfigProblem, Location, Problem, SiteError
from lanewatch.config.site import Site
from lanewatch.config.yaml_lines import MAX_BYTES, YamlError, locate, parse

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_KAFKA_FILES = ("ca", "certificate", "key")
"""Keys of the Kafka part whose values are paths."""


class SiteFile:
    """A site file and its problems.

    The first pass covers the YAML text, the environment's variables and each value by itself. The second pass checks
    the parts of the site against each other. It needs a whole site: ``site`` is None if a value is missing or invalid.
    ``environment`` is the process's own if None.
    """

    def __init__(self, path: Path | str, environment: Mapping[str, str] | None = None, *, resolve: bool = True) -> None:
        self.path = Path(path)
        self.site: Site | None = None
        self.problems: list[Problem] = []
        try:
            self._root = parse(_read(self.path))
        except YamlError as error:
            self.problems.append(Problem(str(self.path), error.line, "", error.what, error.fix))
            return
        self.add([*self._resolve_texts(os.environ if environment is None else environment, urls=resolve)])
        try:
            self.site = Site.model_validate(self._root)
        except ValidationError as error:
            self.add(error_messages.problems(Site, error.errors(include_url=False)))
        else:
            self.add(consistency_checks.problems(self.site))

    def add(self, found: Iterable[ConfigProblem]) -> None:
        """Adds problems with their lines. A place that has a problem from an earlier call gets no further one."""
        reported = {problem.pointer for problem in self.problems}
        for problem in found:
            line, pointer = locate(self._root, problem.location)
            if pointer not in reported:
                self.problems.append(Problem(str(self.path), line, pointer, problem.what, problem.fix))
        self.problems.sort(key=lambda problem: problem.line)

    def _resolve_texts(self, environment: Mapping[str, str], *, urls: bool) -> Iterator[ConfigProblem]:
        """Replaces variables and completes paths in the cameras' URLs and in the Kafka part."""
        root = self._root if isinstance(self._root, dict) else {}
        for location, camera, key in _texts(root.get("cameras"), ("cameras",)):
            if location[2:] == ("url",):
                if urls:
                    yield from _missing_variables(location, "the URL", camera[key], environment)
                    camera[key] = _expand(camera[key], environment)
                camera[key] = _absolute(camera[key], self.path.parent)
        for location, part, key in _texts(root.get("kafka"), ("kafka",)):
            name = next(str(step) for step in reversed(location) if isinstance(step, str))
            yield from _missing_variables(location, f"`{name}`", part[key], environment)
            part[key] = _expand(part[key], environment)
            if name in _KAFKA_FILES:
                part[key] = str(self.path.parent.absolute() / part[key])


def load(path: Path | str, environment: Mapping[str, str] | None = None, *, resolve: bool = True) -> Site:
    """The site that a file describes.

    ``${NAME}`` in a camera's URL and in the Kafka part is replaced from ``environment``, or the process's own. Relative
    paths there start from the file's folder. Without ``resolve`` the variables stay in the
    URLs, which keeps passwords out of a site that is passed on to other processes.

    A file with problems raises a ``SiteError``, whose text has a line for each.
    """
    file = SiteFile(path, environment, resolve=resolve)
    if file.problems or file.site is None:
        raise SiteError(file.problems)
    return file.site


def resolve_variables(text: str, environment: Mapping[str, str] | None = None) -> str:
    """A text, such as a camera's URL, with each ``${NAME}`` replaced; a ``KeyError`` with the name of a missing one."""
    variables = os.environ if environment is None else environment
    return _VARIABLE.sub(lambda match: variables[match[1]], text)


def _expand(text: str, environment: Mapping[str, str]) -> str:
    """As ``resolve_variables``, but missing variables stay as they are written."""
    return _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), text)


def _missing_variables(
    location: Location, noun: str, text: str, environment: Mapping[str, str]
) -> Iterator[ConfigProblem]:
    for name in _VARIABLE.findall(text):
        if name not in environment:
            what = f"the environment has no {name}, which {noun} needs"
            yield ConfigProblem(location, what, f"set it before the start: export {name}=…")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"the file can't be read: {error.strerror or error}"
        raise YamlError(1, what, "give the path of the site's YAML file") from None


def _absolute(url: str, folder: Path) -> str:
    """A path or file URL, made absolute from the site file's folder; other URLs unchanged."""
    if url.startswith("file:"):
        whole = url.removeprefix("file:").removeprefix("//")
        path, _, query = whole.partition("?")
        if path.startswith("${"):
            return url
        if query and (folder.absolute() / whole).exists():  # the file's name has a question mark
            return f"file://{quote(str(folder.absolute() / whole))}"
        path = quote(str(folder.absolute() / unquote(path)), safe="/${}")
        return f"file://{path}{'?' if query else ''}{query}"
    return url if "://" in url or url.startswith("${") else str(folder.absolute() / url)


def _texts(part: Any, at: Location) -> Iterator[tuple[Location, Any, str | int]]:
    """The location of each text within a part, with the mapping or list that holds it and its key there."""
    if isinstance(part, dict | list):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            if isinstance(value, str):
                yield (*at, key), part, key
            else:
                yield from _texts(value, (*at, key))
