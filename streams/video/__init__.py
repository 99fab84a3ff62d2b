"""Packets, pictures and clips."""
