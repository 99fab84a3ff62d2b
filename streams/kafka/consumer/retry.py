"""What waiting mends, and what it does not: a broker that is away is waited for, a refused password is not."""

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

HOPELESS = (
    AuthorizationError,
    FencedInstanceIdError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaConfigurationError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
)
"""Somebody has to change something first."""

PAUSE_S = 0.5

_MENDS = {
    FencedInstanceIdError: "another process runs under this node's name: give each its own --node",
    AuthorizationError: "the broker's access rules must allow it: docs/kafka.md lists what each stage needs",
    SaslAuthenticationFailedError: "see user and password in the site file's kafka.security",
}

log = metrics.log("kafka")


class RetryPolicy:
    """Takes the errors of a stage's clients: says once a minute that it waits, and gives up where that is no use.

    Args:
        stage: whose.
        doing: what it does, such as ``reading lanewatch.demo.frames``.
    """

    def __init__(self, stage: str, doing: str) -> None:
        self._stage = stage
        self._doing = doing
        self._troubled = False
        metrics.BROKER_UP.labels(stage).set(1)  # whoever comes so far has greeted it

    def bear(self, error: KafkaError, stop: threading.Event) -> None:
        """Waits a moment, after which it is worth trying again.

        Raises:
            BrokerError: it is not.
        """
        if isinstance(error, HOPELESS):
            mend = next((text for kind, text in _MENDS.items() if isinstance(error, kind)), "")
            raise BrokerError(f"{self._doing}: {type(error).__name__}: {error}{mend and '; ' + mend}") from error
        self._troubled = True
        metrics.BROKER_UP.labels(self._stage).set(0)
        metrics.log_throttled(log, self._reason, "%s: the broker is waited for: %s", self._doing, error or repr(error))
        stop.wait(PAUSE_S)

    def relieved(self) -> None:
        """It goes on."""
        if self._troubled:
            self._troubled = False
            metrics.BROKER_UP.labels(self._stage).set(1)
            metrics.reset_throttle(log, [self._reason])
            log.info("%s: goes on", self._doing)

    @property
    def _reason(self) -> str:
        return f"away {self._doing}"
