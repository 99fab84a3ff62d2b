"""Errors about the broker and its topics."""

from __future__ import annotations


class BrokerError(Exception):
    """The broker or a topic is not usable. The message names it, what is wrong, and the fix."""


class BrokerAwayError(BrokerError):
    """The broker cannot be reached at present: it is worth trying again."""
