"""A member of a consumer group that does not forget a join that it has begun."""

from __future__ import annotations

from typing import Any

from kafka import KafkaConsumer
from kafka.coordinator.base import MemberState


class Member(KafkaConsumer):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python 3.0.12 begins to join anew where a refresh of the metadata lacks the topic for a moment; when the
    next refresh has it again it thinks that there is nothing to join, and forgets the join that is under way. Its
    heartbeats stay switched off then: it is thrown out of the group, and reads its old partitions for ever.

    So at each poll a join that was begun is seen through.
    """

    def poll(self, *arguments: Any, **settings: Any) -> Any:
        """See ``KafkaConsumer.poll``."""
        coordinator = self._coordinator
        if coordinator.state is MemberState.REBALANCING and not coordinator.need_rejoin():
            coordinator.request_rejoin()
        return super().poll(*arguments, **settings)
