"""The site file's JSON Schema, with the thresholds of every installed behaviour."""

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
    """JSON Schema (2020-12) of a site file, for editors and forms: names, types and ranges.

    Raises:
        BehaviourError: an installed plug-in is broken.
    """
    whole: dict[str, Any] = {"$schema": DIALECT} | Site.model_json_schema()
    parts: dict[str, Any] = whole["$defs"]
    models: list[tuple[dict[str, Any], type[ConfigModel]]] = [(part, _model(name)) for name, part in parts.items()]
    models.append((whole, Site))
    for part, model in models:
        for field, info in model.model_fields.items():  # pydantic omits the titles of fields that are models
            part["properties"][field].setdefault("title", info.title)
    correlations, _ = whole["properties"]["correlations"]["anyOf"]  # a list, or null
    correlations["items"]["enum"] = list(KINDS)
    behaviours = whole["properties"]["behaviours"]
    behaviours["additionalProperties"] = False
    behaviours["properties"] = {}
    for kind, behaviour in sorted(installed().items()):
        thresholds = behaviour.Thresholds.model_json_schema(ref_template="#/$defs/{model}")
        parts |= thresholds.pop("$defs", {})
        name = behaviour.Thresholds.__name__
        parts[name] = thresholds
        parts[f"{name}Rule"] = _with_thresholds(parts["ThresholdRule"], name)
        config = _with_thresholds(parts["BehaviourConfig"], name)
        config["properties"]["rules"]["items"] = {"$ref": f"#/$defs/{name}Rule"}
        parts[f"{name}Config"] = config
        behaviours["properties"][kind] = {
            "$ref": f"#/$defs/{name}Config",
            "title": behaviour.name.en,
            "description": (behaviour.__doc__ or behaviour.name.ko).strip().splitlines()[0],
        }
    for unused in ("ThresholdRule", "BehaviourConfig"):
        del parts[unused]
    return whole


def _model(name: str) -> type[ConfigModel]:
    """The model of a definition."""
    found: type[ConfigModel] = getattr(site, name, None) or getattr(sequences, name)
    return found


def _with_thresholds(part: dict[str, Any], name: str) -> dict[str, Any]:
    """A copy of a definition with the thresholds of one behaviour."""
    own = copy.deepcopy(part)
    general = own["properties"]["thresholds"]
    texts = {key: general[key] for key in ("title", "description")}
    own["properties"]["thresholds"] = {"$ref": f"#/$defs/{name}"} | texts
    return own
