"""Paths as an operator types them."""

from __future__ import annotations

import unicodedata
from pathlib import Path


def existing(path: str | Path) -> Path:
    """The path as the file system writes it; unchanged if nothing like it exists.

    Korean names from a Mac are decomposed (NFD), and typed ones are composed (NFC). They look the same.
    """
    path = Path(path)
    if path.exists():
        return path
    folder = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if not (folder / part).exists():
            wanted = unicodedata.normalize("NFC", part)
            try:
                names = sorted(entry.name for entry in folder.iterdir())
            except OSError:
                return path
            part = next((name for name in names if unicodedata.normalize("NFC", name) == wanted), part)
        folder /= part
    return folder if folder.exists() else path
