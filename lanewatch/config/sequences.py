"""Sequences: events of several steps, which the site file describes under ``composites``.

Its steps are reached in order. The severity is the highest of the steps reached, so one event escalates.
``detectors.behaviours.sequences.behaviour`` evaluates the conditions.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lanewatch.config.fields import ConfigModel, Id, LocalizedName, Schedule

OFF_LANE = "off_lane"
"""As a vehicle's place: anywhere outside of ``lane`` zones."""
MAX_SCORE = 0.7
"""Limit of the sum of the scores of steps and raisers; the rest is for night and the detector's confidence."""

MAX_PARTS = 20
"""Limit of steps, raisers, lowerers and alternatives of a step. Each is evaluated at every record with people."""
VEHICLE_CONDITIONS = frozenset({"people_leave", "trips", "vehicle_leaves"})
"""Conditions that are never met if the sequence did not begin with a vehicle."""

What = Literal[
    "vehicle_stands",
    "on_foot",
    "people_leave",
    "trips",
    "visits",
    "stay",
    "thing_changes",
    "vehicle_leaves",
    "people_gone",
]
Severity = Annotated[int, Field(ge=1, le=3)]


class Condition(ConfigModel):
    """A condition of a step or an escalation."""

    what: What = Field(
        title="What",
        description="vehicle_stands: a vehicle came and has stopped; on_foot: a person is in the zone, no vehicle; "
        "people_leave: people get out of the vehicle; trips: people of the vehicle go to the zone and leave it again; "
        "visits: the same for any people, each visit for for_s or longer; stay: people are in the zone, also one after "
        "another; thing_changes: an object appeared or disappeared; vehicle_leaves: the vehicle drives away; "
        "people_gone: no person is in the zone, and no vehicle stands by it.",
    )
    where: tuple[str, ...] = Field(
        (),
        title="Where",
        description="Kinds or ids of zones; off_lane, for vehicles: anywhere outside of lane zones. If empty "
        "in a later step: the zone of the first.",
    )
    for_s: float = Field(0.0, ge=0, le=86400, title="For", description="Minimum duration in seconds.")
    times: int = Field(1, ge=1, le=100, title="Times", description="Minimum count.")
    near: float = Field(
        1.5,
        gt=0,
        le=20,
        title="Near",
        description="Vehicle lengths: the distance within which people get out of the vehicle, and within which it is "
        "by a zone.",
    )


class Step(Condition):
    """A step. It is reached when its condition, or an alternative one, is met after the step before."""

    otherwise: tuple[Condition, ...] = Field(
        (), max_length=MAX_PARTS, title="Otherwise", description="Alternative conditions."
    )
    within_s: float = Field(
        3600.0,
        gt=0,
        le=86400,
        title="Within",
        description="Seconds after the step before; the step is not reached later.",
    )
    severity: Severity = Field(1, title="Severity", description="1 watch, 2 alert, 3 dispatch suggested.")
    score: float = Field(0.15, ge=0, le=MAX_SCORE, title="Score", description="Added to the score.")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Its own condition, and the alternatives."""
        return (self, *self.otherwise)


class Escalation(Condition):
    """Raises the severity whenever its condition is met, at any step."""

    severity: Severity = Field(1, title="Severity", description="The minimum once the first step is reached.")
    score: float = Field(0.1, ge=0, le=MAX_SCORE, title="Score", description="Added to the score.")


class Mitigation(ConfigModel):
    """Limits the severity of the whole sequence if it holds before the second step is reached."""

    what: Literal["owner_hours", "registered_visit", "schedule"] = Field(
        title="What",
        description="owner_hours: the zone's, or by day if it has none; registered_visit: one of the site's visits, "
        "for the first party that comes in it and reaches the second step; schedule: the one under `schedule`.",
    )
    schedule: str | None = Field(None, title="Schedule", description="With what: schedule.")
    at_most: Severity = Field(1, title="At most", description="The maximum severity.")
    score: float = Field(-0.2, ge=-1, le=0, title="Score", description="Subtracted from the score.")

    @model_validator(mode="after")
    def _schedule(self) -> Mitigation:
        if (self.what == "schedule") != (self.schedule is not None):
            raise ValueError("`schedule` belongs to `what: schedule` only; name one there, or remove it")
        return self


class EventSequence(ConfigModel):
    """A sequence of steps that is one event, whose severity rises with the steps."""

    id: Id = Field(title="Id", description="The kind of its events; must not be a behaviour's kind.")
    name: LocalizedName = Field(title="Name", description="Its name for operators.")
    when: tuple[str | Schedule, ...] = Field(
        (), title="When", description="Schedules, by name or inline; it must begin during one of them. Always if empty."
    )
    steps: tuple[Step, ...] = Field(min_length=1, max_length=MAX_PARTS, title="Steps", description="In order.")
    raisers: tuple[Escalation, ...] = Field(
        (), max_length=MAX_PARTS, title="Raisers", description="Conditions that raise the severity."
    )
    lowerers: tuple[Mitigation, ...] = Field(
        (), max_length=MAX_PARTS, title="Lowerers", description="Circumstances that limit the severity."
    )
    onvif: str = Field("", title="ONVIF topic", description="Of its events, if there is one.")
    kisa: str = Field("", title="KISA class", description="Of its events, if there is one.")

    @model_validator(mode="after")
    def _reachable(self) -> EventSequence:
        first_kinds = ("vehicle_stands", "on_foot")
        first = self.steps[0].conditions
        if any(condition.what not in first_kinds or not condition.where for condition in first):
            raise ValueError(
                "the first step must say where the sequence begins, with `where` and with `what`: "
                f"{' or '.join(first_kinds)}; begin with one of these"
            )
        if all(condition.what != "vehicle_stands" for condition in first):
            for number, step in enumerate(self.steps, 1):
                if all(condition.what in VEHICLE_CONDITIONS for condition in step.conditions):
                    raise ValueError(
                        f"step {number} is never reached: {step.what} needs a vehicle, and the sequence begins without "
                        "one; begin with vehicle_stands, or use visits, stay or people_gone"
                    )
        total = sum(step.score for step in self.steps) + sum(raiser.score for raiser in self.raisers)
        if total > MAX_SCORE + 1e-9:
            raise ValueError(
                f"the scores of steps and raisers add up to {total:g}; lower them to {MAX_SCORE:g} at most"
            )
        return self
