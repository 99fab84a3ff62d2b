"""What an object detector is, and how one is had by name: built in, from a plug-in, or an ultralytics model's file."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from lanewatch.records import LABELS, Float32, Image, Int64, UInt8

BUILT_IN: Final = {"nanodet-g": "models.nanodet:load"}
GROUP: Final = "lanewatch.detectors"
"""The entry points' group of plug-ins: a factory ``(device: str, score: float) -> ObjectDetector`` each."""
WEIGHTS_VARIABLE: Final = "LANEWATCH_WEIGHTS"
SUFFIXES: Final = (".pt", ".onnx", ".engine")
OPENVINO_SUFFIX: Final = "_openvino_model"

# Two boxes of one thing, or two things? By the intersection over the union, within a kind of thing: a car and a truck
# on one spot are one vehicle. People on pets09-s2l1, average precision: .904 at .40, .915 at .55, .917 at .60, which
# leaves more second boxes at low scores; dropping a box that lies within another one as well: .913 at best.
OVERLAP: Final = 0.55
_KINDS: Final = (
    ("unknown",),
    ("person",),
    ("bicycle", "motorcycle"),
    ("car", "bus", "truck"),
    ("cat", "dog"),
    ("backpack", "handbag", "suitcase"),
)
_KIND_OF: Final = np.array([next(i for i, kind in enumerate(_KINDS) if label in kind) for label in LABELS], np.int64)


class ModelMissingError(LookupError):
    """There is no such detector here; the message says how to get it, also on a closed network."""


class DeviceMissingError(RuntimeError):
    """A detector was asked to run on a device that is not here."""


@dataclass(frozen=True, eq=False, slots=True)
class Boxes:
    """What was seen in one picture.

    Attributes:
        xyxy: (N, 4) float32, pixels of the picture.
        scores: (N,) float32 in [0, 1].
        labels: (N,) uint8, indices into ``records.LABELS``.
    """

    xyxy: Float32
    scores: Float32
    labels: UInt8

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Boxes:
        return Boxes(self.xyxy[rows], self.scores[rows], self.labels[rows])

    @classmethod
    def empty(cls) -> Boxes:
        """Nothing seen."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint8))

    @classmethod
    def join(cls, parts: Sequence[Boxes]) -> Boxes:
        """All boxes of several."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.xyxy for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    def inside(self, width: float, height: float) -> Boxes:
        """Cut to the picture; those that are not finite, or of which less than a pixel's width is left, are dropped."""
        finite = np.isfinite(self.xyxy).all(axis=1) & np.isfinite(self.scores)
        part = self if finite.all() else self[finite]
        xyxy = part.xyxy.clip(0, np.array((width, height, width, height), np.float32))
        held = ((xyxy[:, 2:] - xyxy[:, :2]) >= 1).all(axis=1)
        return Boxes(xyxy[held], part.scores[held], part.labels[held])

    def distinct(self, overlap: float = OVERLAP) -> Boxes:
        """One box for each thing, best first: greedy non-maximum suppression within each kind of thing.

        Args:
            overlap: intersection over union above which the lower score goes. *Raising* it keeps people apart who
                stand before one another, and keeps more second boxes of the same one.
        """
        if not len(self):
            return self
        rectangles = self.xyxy.astype(np.float64)
        rectangles[:, 2:] -= rectangles[:, :2]
        kept = cv2.dnn.NMSBoxesBatched(
            rectangles.tolist(), self.scores.tolist(), _KIND_OF[self.labels].tolist(), 0.0, overlap
        )
        rows: Int64 = np.asarray(kept, np.int64).reshape(-1)
        return self[rows[np.argsort(-self.scores[rows], kind="stable")]]


class ObjectDetector(Protocol):
    """Pictures in, boxes out, in the same order; may be called from several threads at once."""

    @property
    def name(self) -> str:
        """Which network it is; records carry it."""
        ...

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """What is in each picture, whatever their sizes; a batch of N gives what N single calls give."""
        ...


@runtime_checkable
class Streaming(ObjectDetector, Protocol):
    """A detector that hands out each picture's boxes as soon as it and those before it are done."""

    def stream(self, images: Sequence[Image]) -> Iterator[Boxes]:
        """As calling it, in the same order, while the later pictures are still being looked at."""
        ...


Factory = Callable[[str, float], ObjectDetector]


def load(name: str, device: str = "auto", score: float = 0.2) -> ObjectDetector:
    """A detector, ready to be called.

    Args:
        name: of a built-in one, of a plug-in, or the path or name of an ultralytics model.
        device: auto, cpu, cuda or cuda:N.
        score: boxes below it are left out. *Raising* it loses people who lie, sit or are far away.

    Raises:
        ModelMissingError: there is no such detector, and how to get it.
        DeviceMissingError: the device is not here.
    """
    if name in BUILT_IN:
        return _named(BUILT_IN[name])(device, score)
    for plugin in entry_points(group=GROUP, name=name):
        factory: Factory = plugin.load()
        return factory(device, score)
    path = find(name)
    ultralytics: Callable[[Path, str, float], ObjectDetector] = importlib.import_module("models.yolo").load
    return ultralytics(path, device, score)


def folders() -> tuple[Path, ...]:
    """Where weights are looked for by name: the folders of LANEWATCH_WEIGHTS, then var/weights here."""
    named = os.environ.get(WEIGHTS_VARIABLE, "")
    return (*(Path(folder) for folder in named.split(os.pathsep) if folder), Path("var/weights"))


def is_model(path: Path) -> bool:
    """Whether this is something that ultralytics can load: a file of a known kind, or an OpenVINO folder."""
    if path.is_dir():
        return path.name.endswith(OPENVINO_SUFFIX) and any(path.glob("*.xml"))
    return path.suffix in SUFFIXES and path.is_file()


def known() -> tuple[str, ...]:
    """The names that need no file: those built in, and those that plug-ins bring."""
    return (*BUILT_IN, *sorted(plugin.name for plugin in entry_points(group=GROUP)))


def find(name: str, others: Sequence[str] | None = None, key: str = "detector.name") -> Path:
    """The ultralytics model of that path or name.

    Args:
        name: as the site has it.
        others: what the name could have been, no file; ``known()`` if None.
        key: where the site names it.

    Raises:
        ModelMissingError: there is none.
    """
    given = Path(name).expanduser()
    endings = ("", *SUFFIXES, OPENVINO_SUFFIX)
    places = (given.parent,) if given.is_absolute() or given.parent != Path() else (Path(), *folders())
    for place in places:
        for ending in endings:
            candidate = place / f"{given.name}{ending}"
            if is_model(candidate):
                return candidate
    raise ModelMissingError(_missing(name, places, known() if others is None else others, key))


def _missing(name: str, places: Sequence[Path], others: Sequence[str], key: str) -> str:
    looked = ", ".join(str(place.resolve()) for place in places)
    file = Path(name).name if Path(name).suffix in SUFFIXES else f"{Path(name).name}.pt"
    return (
        f"there is no model {name!r}: it is none of {', '.join(others)}, and no {'|'.join(SUFFIXES)} file or "
        f"*{OPENVINO_SUFFIX} folder of that name is in {looked}. Lanewatch downloads no weights, since a centre's "
        f"network is closed: get {file} on a machine with Internet access (ultralytics' own are under "
        f"github.com/ultralytics/assets/releases, AGPL-3.0), carry it over, and put it into var/weights or a folder "
        f"that {WEIGHTS_VARIABLE} names, or give its path as the site's {key}. `lanewatch models` lists what is here; "
        f"{others[0]} always is."
    )


def _named(reference: str) -> Factory:
    module, function = reference.split(":")
    factory: Factory = getattr(importlib.import_module(module), function)
    return factory
