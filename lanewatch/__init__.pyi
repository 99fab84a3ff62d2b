"""The types of the front door, for type checkers and editors; ``__init__.py`` imports each name when it is used."""

from pathlib import Path

from detectors.evaluation.alarms import alarm_instants as alarms
from detectors.evaluation.confidence_interval import wilson
from detectors.evaluation.frame_auc import roc
from detectors.evaluation.kisa_protocol import read as read_kisa
from detectors.evaluation.matching import match
from detectors.evaluation.truth_file import truths
from detectors.notebook import detect, with_thresholds
from detectors.notebook import event_pictures as pictures
from detectors.pipeline import latest_revisions as last
from detectors.pipeline import rescore
from lanewatch.config.loader import load as load_site
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event
from streams.archive.detections_archive import DetectionsArchive as Archive
from streams.archive.detections_archive import read

__all__ = [
    "DEMO",
    "DEMO_TRUTH",
    "Archive",
    "Detections",
    "Event",
    "Site",
    "__version__",
    "alarms",
    "detect",
    "last",
    "load_site",
    "match",
    "pictures",
    "read",
    "read_kisa",
    "rescore",
    "roc",
    "truths",
    "wilson",
    "with_thresholds",
]

DEMO: Path
DEMO_TRUTH: Path
__version__: str
