"""What pydantic found wrong with a site, in the words of one who edits the file."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lanewatch.config.problems import Finding, Location, suggestion

_LONGEST = 40


def findings(model: type[BaseModel], error: list[ErrorDetails], under: Location = ()) -> list[Finding]:
    """One finding for each place at which a model's validation failed.

    Args:
        model: what was validated.
        error: what ``ValidationError.errors()`` gave.
        under: where the model's value lies in the site.
    """
    found: dict[Location, Finding] = {}
    broken = {detail["loc"][:depth] for detail in error for depth in range(len(detail["loc"]))}
    for detail in error:
        if detail["type"] == "too_short" and detail["loc"] in broken:
            continue  # pydantic doesn't count a list's wrong items
        location, field, inner = _resolve(model, detail["loc"])
        what, mend = _explain(detail, location, field, inner)
        # A polygon that was drawn in pixels is one mistake, not one for each coordinate.
        mistake = location[:-2] if mend == _FRACTIONS else location
        found.setdefault(mistake, Finding(under + location, what, mend))
    return list(found.values())


def _resolve(model: type[BaseModel], location: Location) -> tuple[Location, FieldInfo | None, type[BaseModel] | None]:
    """The part of a location that is in the file, its field, and the model whose field that is.

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
    detail: ErrorDetails, location: Location, field: FieldInfo | None, owner: type[BaseModel] | None
) -> tuple[str, str]:
    kind, name = detail["type"], _name(location)
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind == "missing":
        meaning = f" ({field.description})" if field and field.description else ""
        return f"{name} is missing", f"add it{meaning}"
    if kind == "extra_forbidden":
        known = list(owner.model_fields) if owner else []
        return f"unknown key {name}", suggestion(str(location[-1]), known, none="remove it")
    value = "…" if location[-1:] == ("password",) and not isinstance(detail["input"], dict | list) else detail["input"]
    if value is None:
        return f"{name} is empty", "give it a value or remove the key"
    shown = "" if location[-1:] in ((), ("url",)) or isinstance(value, dict | list) else f" {_show(value)}"
    for words in _PATTERNS if kind == "string_pattern_mismatch" else ():
        if words[0] in str(context.get("pattern")):
            return f"{name}{shown} is not {words[1]}", _suggestion(value) if words[1] == "an id" else words[2]
    if kind in _LIMITS and _coordinate(location) is not None:
        return f"{name}{shown} lies outside of the frame", _FRACTIONS
    if kind in _KINDS:
        return _KINDS[kind](f"{name}{shown}", value, context)
    what, _, advice = detail["msg"].removeprefix("Value error, ").partition("; ")  # a validator's words may hold both
    return f"{name}{shown}: {what}", advice or "see docs/site.md"


def _coordinate(location: Location) -> str | None:
    """``x of point 2`` where that is what a location leads to."""
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
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _suggestion(value: str) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", value.lower()).strip("._-")[:63]
    example = f" such as `{slug or 'north-gate'}`"
    return f"use small letters, digits, dots, hyphens and underscores, at most 63{example}"


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


def _number_wanted(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    return f"{subject} must be a number", "write it with digits, without quotes or a unit"


def _list_wanted(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    return f"{subject} must be a list", "put it in [ ] or begin each item with a hyphen"


def _keys_wanted(subject: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    model = str(context.get("class_name", ""))
    return f"{subject} must have keys", f"write `key: value` lines below it{f' (a {model.lower()})' if model else ''}"


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
_KINDS: dict[str, _Explanation] = {
    "string_type": _text_wanted,
    "literal_error": _one_of,
    "float_type": _number_wanted,
    "float_parsing": _number_wanted,
    "finite_number": _number_wanted,
    "int_type": _number_wanted,
    "int_parsing": _number_wanted,
    "int_from_float": lambda subject, value, context: (f"{subject} must be a whole number", "leave out the fraction"),
    "timezone_aware": lambda subject, value, context: (f"{subject} has no time zone", "add it, such as +09:00"),
    "datetime_from_date_parsing": lambda subject, value, context: (
        f"{subject} is no time",
        "write it like 2026-10-03T20:00:00+09:00",
    ),
    "bool_type": lambda subject, value, context: (f"{subject} must be true or false", "write true or false"),
    "bool_parsing": lambda subject, value, context: (f"{subject} must be true or false", "write true or false"),
    "tuple_type": _list_wanted,
    "list_type": _list_wanted,
    "dict_type": _keys_wanted,
    "model_type": _keys_wanted,
    "model_attributes_type": _keys_wanted,
    "greater_than": _limit("above", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than": _limit("below", "lt"),
    "less_than_equal": _limit("at most", "le"),
    "too_short": _too_few,
    "string_too_short": _too_few,
    "too_long": _too_many,
    "string_too_long": _too_many,
}
