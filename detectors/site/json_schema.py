"""The site file's JSON Schema, with the thresholds of every behaviour that is installed."""

from __future__ import annotations

import copy
from typing import Any

from detectors.behaviours.registry import installed
from detectors.correlation.correlator import KINDS
from lanewatch.config import sequences, site
from lanewatch.config.fields import ConfigModel
from lanewatch.config.site import Site

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a site file, for editors and forms.

    It knows names, kinds and ranges; what a site means as a whole (ids that are taken, polygons that cross
    themselves, times that never come) is only found by ``lanewatch check``.

    Raises:
        BehaviourError: an installed plug-in is broken.
    """
    whole: dict[str, Any] = {"$schema": DIALECT} | Site.model_json_schema()
    parts: dict[str, Any] = whole["$defs"]
    models: list[tuple[dict[str, Any], type[ConfigModel]]] = [(part, _model(name)) for name, part in parts.items()]
    models.append((whole, Site))
    for part, model in models:
        for field, info in model.model_fields.items():  # pydantic leaves out the titles of those that are parts
            part["properties"][field].setdefault("title", info.title)
    given, _ = whole["properties"]["correlations"]["anyOf"]  # a list, or null
    given["items"]["enum"] = list(KINDS)
    behaviours = whole["properties"]["behaviours"]
    behaviours["additionalProperties"] = False
    behaviours["properties"] = {}
    for kind, behaviour in sorted(installed().items()):
        thresholds = behaviour.Thresholds.model_json_schema(ref_template="#/$defs/{model}")
        parts |= thresholds.pop("$defs", {})
        name = behaviour.Thresholds.__name__
        parts[name] = thresholds
        parts[f"{name}Rule"] = _with_thresholds(parts["ThresholdRule"], name)
        watching = _with_thresholds(parts["BehaviourConfig"], name)
        watching["properties"]["rules"]["items"] = {"$ref": f"#/$defs/{name}Rule"}
        parts[f"{name}Config"] = watching
        behaviours["properties"][kind] = {
            "$ref": f"#/$defs/{name}Config",
            "title": behaviour.name.en,
            "description": (behaviour.__doc__ or behaviour.name.ko).strip().splitlines()[0],
        }
    for unused in ("ThresholdRule", "BehaviourConfig"):
        del parts[unused]
    return whole


def _model(name: str) -> type[ConfigModel]:
    """The model that a definition is of."""
    found: type[ConfigModel] = getattr(site, name, None) or getattr(sequences, name)
    return found


def _with_thresholds(part: dict[str, Any], name: str) -> dict[str, Any]:
    """A copy of a definition whose thresholds are those of one behaviour."""
    own = copy.deepcopy(part)
    usual = own["properties"]["thresholds"]
    own["properties"]["thresholds"] = {
        "$ref": f"#/$defs/{name}",
        "title": usual["title"],
        "description": usual["description"],
    }
    return own
