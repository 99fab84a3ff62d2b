"""The site's YAML file: read with its lines, so that all that is wrong in it can be said at once."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import ValidationError

from lanewatch.config import checks, error_messages
from lanewatch.config.problems import Finding, Location, Problem, SiteError
from lanewatch.config.site import Site
from lanewatch.config.yaml_lines import MAX_BYTES, LineList, LineMap, YamlError, locate, parse

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_STAND_INS: dict[str, Any] = {
    "id": "unnamed",
    "name": {"ko": "?", "en": "?"},
    "ko": "?",
    "en": "?",
    "url": "unknown",
    "latitude": 36.5,
    "longitude": 127.8,
    "kind": "watch",
}
"""What a required value that is missing or wrong is taken for, so that the rest of its camera can be looked at."""
_SETTLED = "unknown"
"""What a text is taken for whose variable is missing: it is said once, and the rest can be looked at."""
_WORDS = ("protocol", "mechanism")
"""Texts of the broker's part that are words of ours, so that no variable is looked for in them."""
_FILES = ("ca", "certificate", "key")
"""Paths of the broker's security."""
_WHOLE = ("kafka", "security")
"""A part whose values say nothing one by one: without a wrong `protocol` a password would be called needless."""
_ROUNDS = 10
"""Repairs that a broken site gets; each may take out what encloses a wrong value, and values lie 8 deep."""


class SiteFile:
    """A site file that was read, with all that is wrong in it.

    Attributes:
        path: the file, as it was asked for.
        site: what the file says; where it has problems, what is left of it without the wrong parts; None where
            nothing is left.
        problems: all that was found, in the file's order.
    """

    def __init__(self, path: Path | str, environment: Mapping[str, str] = os.environ, *, resolve: bool = True) -> None:
        self.path = Path(path)
        self.site: Site | None = None
        self.problems: list[Problem] = []
        self._root: Any = None
        try:
            self._root, flaws = parse(_read(self.path))
        except YamlError as error:
            flaws = [error.flaw]
        self.problems = [Problem(str(path), line, "", what, advice) for line, what, advice in flaws]
        if self._root is not None:
            written = _names(self._root)
            self._settle_urls(environment, resolve)
            self._settle_kafka(environment)
            self.site = self._validate()
            if self.site is not None:
                self.add(checks.findings(self.site, written))

    def add(self, findings: list[Finding]) -> None:
        """Findings at places of ``site`` become problems at lines of the file."""
        for finding in findings:
            line, pointer = locate(self._root, finding.location)
            self.problems.append(Problem(str(self.path), line, pointer, finding.what, finding.fix))
        self.problems.sort(key=lambda problem: problem.line)

    def _settle_urls(self, environment: Mapping[str, str], resolve: bool) -> None:
        cameras = self._root.get("cameras") if isinstance(self._root, LineMap) else None
        for number, camera in enumerate(cameras if isinstance(cameras, LineList) else ()):
            if not isinstance(camera, LineMap) or not isinstance(camera.get("url"), str):
                continue
            if resolve:
                whole = self._settled(camera["url"], ("cameras", number, "url"), "the URL", environment)
            else:
                whole = camera["url"]
            camera["url"] = _SETTLED if whole is None else _absolute(whole, self.path.parent)

    def _settle_kafka(self, environment: Mapping[str, str]) -> None:
        """Variables and paths of the broker's part; its files must be there."""
        kafka = self._root.get("kafka") if isinstance(self._root, LineMap) else None
        for location, holder, key in list(_texts(kafka, ("kafka",))):
            if key in _WORDS:
                continue
            name = next(str(step) for step in reversed(location) if isinstance(step, str))
            whole = self._settled(holder[key], location, f"`{name}`", environment)
            if name in _FILES and whole is not None:
                whole = str(self.path.parent.absolute() / whole)
                self._demand_file(whole, name, location)
            holder[key] = whole if whole is not None else f"{_SETTLED}:9092" if name == "brokers" else _SETTLED

    def _settled(self, text: str, location: Location, what: str, environment: Mapping[str, str]) -> str | None:
        """A text with its variables replaced; None where the environment lacks one, which is then said."""
        missing = [name for name in _VARIABLE.findall(text) if name not in environment]
        for name in missing:
            says = f"the environment has no {name}, which {what} asks for"
            self.add([Finding(location, says, f"set it before the start: export {name}=…")])
        return None if missing else resolved(text, environment)

    def _demand_file(self, path: str, name: str, location: Location) -> None:
        try:
            with open(path, "rb"):
                return
        except OSError as error:
            what = f"the file of `{name}` can't be read: {error.strerror or error}"
            self.add([Finding(location, what, "give the path of a PEM file; it starts from this file's folder")])

    def _validate(self) -> Site | None:
        """Says what is no site, and takes it out until the rest is one."""
        for repair in range(_ROUNDS):
            try:
                return Site.model_validate(self._root)
            except ValidationError as error:
                found = error_messages.findings(Site, error.errors(include_url=False))
            if not repair:  # later ones follow from what was taken out
                self.add(found)
            targets = dict.fromkeys(_target(self._root, finding.location) for finding in reversed(found))
            if () in targets:
                break
            for target in sorted(targets, key=len, reverse=True):  # stable: what lies within goes first
                _take_out(self._root, target)
        return None


def load(path: Path | str, environment: Mapping[str, str] = os.environ, *, resolve: bool = True) -> Site:
    """The site that a file describes.

    ``${NAME}`` in a camera's URL and in the broker's part is replaced from the environment; a path in them starts
    from the file's folder.

    Args:
        path: the YAML file.
        environment: where the variables are looked up.
        resolve: whether the variables of the cameras' URLs are replaced; False leaves them as they are written, for
            who hands the site on to others: passwords stay out of what they get.

    Raises:
        SiteError: the file can't be read, or holds something wrong; it has a line for every problem.
    """
    file = SiteFile(path, environment, resolve=resolve)
    if file.problems or file.site is None:
        raise SiteError(file.problems)
    return file.site


def resolved(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text whose ``${NAME}`` are replaced from the environment, such as the URL of a camera.

    Raises:
        KeyError: the environment lacks one; with its name.
    """
    return _VARIABLE.sub(lambda match: environment[match[1]], text)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"the file can't be read: {error.strerror or error}"
        raise YamlError(1, what, "give the path of the site's YAML file") from None


def _absolute(url: str, folder: Path) -> str:
    """A file's URL or path, from the site file's folder on; any other URL as it is."""
    if url.startswith("file:"):
        path, _, query = url.removeprefix("file:").removeprefix("//").partition("?")
        if path.startswith("${"):
            return url
        path = quote(str(folder.absolute() / unquote(path)), safe="/${}")
        return f"file://{path}{'?' if query else ''}{query}"
    return url if "://" in url or url.startswith("${") else str(folder.absolute() / url)


def _texts(part: Any, at: Location) -> Iterator[tuple[Location, Any, str | int]]:
    """Every text within a part: where it is in the file, what holds it, and under which key."""
    if not isinstance(part, LineMap | LineList):
        return
    for key, value in part.items() if isinstance(part, LineMap) else enumerate(part):
        if isinstance(value, str):
            yield (*at, key), part, key
        else:
            yield from _texts(value, (*at, key))


def _names(root: Any) -> checks.DefinedNames:
    """What the file defines, be it right or wrong, so that what refers to it isn't called unknown."""
    cameras = [one for one in _items(root, "cameras") if isinstance(one, LineMap)]
    parts = [part for camera in cameras for key in ("zones", "lines") for part in _items(camera, key)]
    schedules = root.get("schedules") if isinstance(root, LineMap) else None
    return checks.DefinedNames(
        schedules=set(schedules) if isinstance(schedules, LineMap) else set(),
        cameras={str(camera.get("id")) for camera in cameras},
        places={str(part.get("id")) for part in parts if isinstance(part, LineMap)},
    )


def _items(root: Any, key: str) -> list[Any]:
    items = root.get(key) if isinstance(root, LineMap) else None
    return items if isinstance(items, LineList) else []


def _target(root: Any, location: Location) -> Location:
    """What to take out of a file's content for the sake of a wrong or missing value; nothing where that can't be.

    A list goes as a whole, unless it is one of parts with keys: a polygon without one of its corners is another.
    """
    if location[:2] == _WHOLE:
        return _WHOLE
    while location:
        parent, key = _at(root, location[:-1]), location[-1]
        if isinstance(parent, LineMap) and (key in parent or key in _STAND_INS):
            return location
        if isinstance(parent, LineList) and isinstance(_at(parent, (key,)), LineMap):
            return location
        location = location[:-1]
    return location


def _take_out(root: Any, location: Location) -> None:
    parent, key = _at(root, location[:-1]), location[-1]
    if isinstance(parent, LineList) and isinstance(key, int):
        parent.remove_at(key)
        return
    stand_in = _unnamed(location) if key == "id" else copy.copy(_STAND_INS.get(str(key)))
    if stand_in is None or parent.get(key) == stand_in:  # it was none of the site's keys, or not of this part's
        del parent[key], parent.lines[key]
    else:
        parent[key] = stand_in
        parent.lines.setdefault(key, parent.line)


def _at(root: Any, location: Location) -> Any:
    for step in location:
        try:
            root = root[step]
        except (KeyError, IndexError, TypeError):
            return None
    return root


def _unnamed(location: Location) -> str:
    return "-".join(["unnamed", *(str(step) for step in location if isinstance(step, int))])
