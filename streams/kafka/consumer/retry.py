"""Which broker errors a stage retries, and which ones end it."""

from __future__ import annotations

import threading

from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaConfigurationError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
)

from lanewatch import metrics
from streams.kafka.client.errors import BrokerError

FATAL_ERRORS = (
    AuthorizationError,
    FencedInstanceIdError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaConfigurationError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
)
"""A retry cannot help: the configuration must change first."""

PAUSE_S = 0.5
"""Between two attempts."""

_FIXES = {
    FencedInstanceIdError: "another process runs under this node's name: give each its own --node",
    AuthorizationError: "the broker's access rules must allow it: docs/kafka.md lists what each stage needs",
    SaslAuthenticationFailedError: "see user and password in the site file's kafka.security",
}

log = metrics.log("kafka")


class RetryPolicy:
    """Retries after errors that may pass, logs them once a minute, and raises the others.

    ``activity`` is what is retried, such as ``reading lanewatch.demo.frames``.
    """

    def __init__(self, stage: str, activity: str) -> None:
        self._stage = stage
        self._activity = activity
        self._reason = f"away {activity}"
        self._failing = False
        metrics.BROKER_UP.labels(stage).set(True)  # the start has already checked that the broker answers

    def failed(self, error: KafkaError, stop: threading.Event) -> None:
        """Waits for ``PAUSE_S``, or until ``stop`` is set; raises ``BrokerError`` if a retry cannot help."""
        if isinstance(error, FATAL_ERRORS):
            fix = next((text for kind, text in _FIXES.items() if isinstance(error, kind)), "")
            raise BrokerError(f"{self._activity}: {type(error).__name__}: {error}{fix and '; ' + fix}") from error
        self._failing = True
        metrics.BROKER_UP.labels(self._stage).set(False)
        metrics.log_throttled(log, self._reason, "%s: waiting for the broker: %s", self._activity, error or repr(error))
        stop.wait(PAUSE_S)

    def succeeded(self) -> None:
        """The last attempt succeeded."""
        if self._failing:
            self._failing = False
            metrics.BROKER_UP.labels(self._stage).set(True)
            metrics.reset_throttle(log, [self._reason])
            log.info("%s: the broker answers again", self._activity)
