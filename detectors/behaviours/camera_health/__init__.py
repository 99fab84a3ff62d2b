"""Faults of cameras: no signal, a frozen, covered, blurred, moved or dark picture, a wrong clock."""
