"""Lanewatch: scored events from CCTV cameras. ``import lanewatch`` gives a data scientist all names that are needed.

A name is imported from its package when it is first used, so that this import is quick. ``__init__.pyi`` has the types.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

_NAMES = {
    "DEMO": "lanewatch.demo:SITE",
    "DEMO_TRUTH": "lanewatch.demo:TRUTH",
    "Site": "lanewatch.config.site:Site",
    "Event": "lanewatch.records:Event",
    "Detections": "lanewatch.records:Detections",
    "load_site": "lanewatch.config.loader:load",
    "detect": "detectors.notebook:detect",
    "rescore": "detectors.pipeline:rescore",
    "last": "detectors.pipeline:latest_revisions",
    "with_thresholds": "detectors.notebook:with_thresholds",
    "pictures": "detectors.notebook:event_pictures",
    "read": "streams.archive.detections_archive:read",
    "Archive": "streams.archive.detections_archive:DetectionsArchive",
    "match": "detectors.evaluation.matching:match",
    "alarms": "detectors.evaluation.alarms:alarm_instants",
    "truths": "detectors.evaluation.truth_file:truths",
    "read_kisa": "detectors.evaluation.kisa_protocol:read",
    "roc": "detectors.evaluation.frame_auc:roc",
    "wilson": "detectors.evaluation.confidence_interval:wilson",
}

__all__ = sorted([*_NAMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("lanewatch")
    if name not in _NAMES:
        raise AttributeError(f"lanewatch has no {name!r}; it has {', '.join(sorted(_NAMES))}")
    module, attribute = _NAMES[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
