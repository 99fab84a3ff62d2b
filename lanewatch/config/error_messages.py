"""Pydantic's validation errors in the words of a site file."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lanewatch.config.problems import ConfigProblem, Location, suggestion

_MAX_SHOWN = 40
"""Characters of a value that a message shows."""


def problems(model: type[BaseModel], errors: list[ErrorDetails], under: Location = ()) -> list[ConfigProblem]:
    """One problem for each location at which a model's validation failed; ``under`` is the model's own in the site."""
    found: dict[Location, ConfigProblem] = {}
    parents = {error["loc"][:depth] for error in errors for depth in range(len(error["loc"]))}
    for error in errors:
        if error["type"] == "too_short" and error["loc"] in parents:
            continue  # pydantic doesn't count a list's invalid items
        location, field, owner = _resolve(model, error["loc"])
        what, fix = _explain(error, location, field, owner)
        # A polygon that was drawn in pixels is one problem, not one for each coordinate.
        cause = location[:-2] if fix == _FRACTIONS else location
        found.setdefault(cause, ConfigProblem(under + location, what, fix))
    return list(found.values())


def _resolve(model: type[BaseModel], location: Location) -> tuple[Location, FieldInfo | None, type[BaseModel] | None]:
    """The part of a location that is in the file, its field, and the model that owns the field.

    Pydantic appends the branches of unions and ``[key]`` to its locations.
    """
    field: FieldInfo | None = None
    owner: type[BaseModel] | None = None
    kind: Any = model
    if location[-1:] == ("[key]",):
        return location[:-1], None, None
    for depth, step in enumerate(location):
        kind, last = _unwrap(kind), depth == len(location) - 1
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            owner, field = kind, kind.model_fields.get(str(step))
            if field is None:
                return location[: depth + 1], None, owner
            kind = field.annotation
        elif get_origin(kind) is tuple and isinstance(step, int):
            inside = get_args(kind)
            kind = inside[0] if len(inside) == 2 and inside[1] is Ellipsis else inside[min(step, len(inside) - 1)]
        elif get_origin(kind) is dict and not last:
            kind = get_args(kind)[1]
        elif get_origin(kind) is not dict:
            return location[:depth], field, owner
    return location, field, owner


def _unwrap(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _unwrap(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if part is not type(None)]
        return _unwrap(parts[0]) if len(parts) == 1 else kind
    return kind


def _explain(
    error: ErrorDetails, location: Location, field: FieldInfo | None, owner: type[BaseModel] | None
) -> tuple[str, str]:
    kind, name = error["type"], _name(location)
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind == "missing":
        meaning = f" ({field.description})" if field and field.description else ""
        return f"{name} is missing", f"add it{meaning}"
    if kind == "extra_forbidden":
        known = list(owner.model_fields) if owner else []
        return f"unknown key {name}", suggestion(str(location[-1]), known, none="remove it")
    value = "…" if location[-1:] == ("password",) and not isinstance(error["input"], dict | list) else error["input"]
    if value is None:
        return f"{name} is empty", "give it a value or remove the key"
    shown = "" if location[-1:] in ((), ("url",)) or isinstance(value, dict | list) else f" {_show(value)}"
    for pattern, noun, fix in _PATTERNS if kind == "string_pattern_mismatch" else ():
        if pattern in str(context.get("pattern")):
            return f"{name}{shown} is not {noun}", fix or _id_fix(value)
    if kind in _LIMITS and _coordinate(location) is not None:
        return f"{name}{shown} lies outside of the frame", _FRACTIONS
    if kind in _KINDS:
        return _KINDS[kind](f"{name}{shown}", value, context)
    what, _, fix = error["msg"].removeprefix("Value error, ").partition("; ")  # our validators write "problem; fix"
    return f"{name}{shown}: {what}", fix or "see docs/site.md"


def _coordinate(location: Location) -> str | None:
    """Such as ``x of point 2`` if a location is that of a coordinate."""
    match location:
        case (*_, int(point), int(axis)) if axis < 2:
            return f"{'xy'[axis]} of point {point + 1}"
        case _:
            return None


def _name(location: Location) -> str:
    if not location:
        return "the file"
    if (coordinate := _coordinate(location)) is not None:
        return coordinate
    if isinstance(location[-1], int):
        over = next((step for step in reversed(location) if isinstance(step, str)), "list")
        return f"item {location[-1] + 1} of `{over}`"
    return f"`{location[-1]}`"


def _show(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


def _id_fix(value: str) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", value.lower()).strip("._-")[:63] or "north-gate"
    return f"use small letters, digits, dots, hyphens and underscores, at most 63 such as `{slug}`"


_PATTERNS = (
    ("[a-z0-9][a-z0-9._-]", "an id", ""),
    (":[0-5]", "HH:MM-HH:MM", "write two digits each, such as 22:00-05:00"),
)

_Explanation = Callable[[str, Any, Mapping[str, Any]], tuple[str, str]]


def _text_wanted(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    if isinstance(value, dict | list):
        return f"{subject} must be text", "write the text behind the colon"
    return f"{subject} must be text", f'put it in quotes: "{_show(value)}"'


def _one_of(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    known = re.findall(r"'([^']*)'", str(context["expected"])) or [str(context["expected"])]
    return f"{subject} is not known here", suggestion(str(value), known, none="see docs/site.md")


def _keys_wanted(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    model = str(context.get("class_name", ""))
    return f"{subject} must have keys", f"write `key: value` lines below it{f' (a {model.lower()})' if model else ''}"


def _fixed(what: str, fix: str) -> _Explanation:
    """An explanation that needs neither the value nor pydantic's context."""
    return lambda subject, value, context: (f"{subject} {what}", fix)


def _limit(words: str, key: str) -> _Explanation:
    def explain(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
        bound = context[key]
        return f"{subject} must be {words} {bound:g}", f"give a value {words} {bound:g}"

    return explain


def _too_few(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    noun = "characters" if "string" in str(context) or isinstance(value, str) else "items"
    return f"{subject} is too short", f"it needs at least {context['min_length']} {noun}"


def _too_many(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    return f"{subject} is too long", f"it takes at most {context['max_length']} items"


_LIMITS = ("less_than_equal", "greater_than_equal")
_FRACTIONS = "give fractions from 0 (left, top) to 1 (right, bottom), not pixels"
_NUMBER_TYPES = ("float_type", "float_parsing", "finite_number", "int_type", "int_parsing")
_KINDS: dict[str, _Explanation] = {
    "string_type": _text_wanted,
    "literal_error": _one_of,
    **dict.fromkeys(_NUMBER_TYPES, _fixed("must be a number", "write it with digits, without quotes or a unit")),
    "int_from_float": _fixed("must be a whole number", "leave out the fraction"),
    "timezone_aware": _fixed("has no time zone", "add it, such as +09:00"),
    "datetime_from_date_parsing": _fixed("is no time", "write it like 2026-10-03T20:00:00+09:00"),
    **dict.fromkeys(("bool_type", "bool_parsing"), _fixed("must be true or false", "write true or false")),
    **dict.fromkeys(
        ("tuple_type", "list_type"), _fixed("must be a list", "put it in [ ] or begin each item with a hyphen")
    ),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _keys_wanted),
    "greater_than": _limit("above", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than": _limit("below", "lt"),
    "less_than_equal": _limit("at most", "le"),
    **dict.fromkeys(("too_short", "string_too_short"), _too_few),
    **dict.fromkeys(("too_long", "string_too_long"), _too_many),
}
