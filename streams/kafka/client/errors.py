"""What is said when the broker or a topic is not as it must be."""

from __future__ import annotations


class BrokerError(Exception):
    """The broker or a topic is not as it must be: says which, what is wrong and what to do."""


class BrokerAwayError(BrokerError):
    """The broker can't be reached just now: waiting may mend it."""
