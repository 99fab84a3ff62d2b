"""The bundled clip, its site file and the labels of what happens in it."""

from pathlib import Path

SITE = Path(__file__).with_name("site.yaml")
TRUTH = Path(__file__).with_name("expected.yaml")
CLIP = Path(__file__).with_name("clip.mp4")
