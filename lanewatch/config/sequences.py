"""Composites: happenings of several steps, described in the site file in a small language of sequences.

A composite happens at a zone, with a vehicle that stands there or without one. Its steps are reached one after the
other; the severity is that of the gravest step reached, so that one event escalates. What can be seen (``what``) is
told in ``detectors.behaviours.sequences.behaviour``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lanewatch.config.fields import ConfigModel, Id, LocalizedName, Schedule

OFF_LANE = "off_lane"
"""As a place of vehicles: anywhere but in the lanes that are drawn."""
MOST = 0.7
"""Score that steps and raisers may add up to: night and the detector's sureness have the rest."""

PARTS = 20
"""Steps, raisers, lowerers and ways to reach a step, at most: each is looked for at every record while somebody is
there."""
OF_VEHICLES = frozenset({"people_leave", "trips", "vehicle_leaves"})
"""Signs that are never seen where it did not begin with a vehicle."""

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
    """Something that can be seen of a composite."""

    what: What = Field(
        title="What",
        description="vehicle_stands: a vehicle came and stands; on_foot: somebody is in the zone, and no vehicle has "
        "to do with it; people_leave: people come out of the vehicle; trips: people of the vehicle go to the zone and "
        "leave it again; visits: the same of anybody, each of for_s or longer; stay: somebody, one after another too, "
        "is in the zone; thing_changes: something lies there that did not, or is gone; vehicle_leaves; "
        "people_gone: nobody is in the zone any more, and no vehicle stands by it.",
    )
    where: tuple[str, ...] = Field(
        (),
        title="Where",
        description="Kinds or ids of zones; off_lane, for vehicles: anywhere but in a lane zone. In further steps the "
        "zone of the first if empty.",
    )
    for_s: float = Field(0.0, ge=0, le=86400, title="For", description="Seconds that it must last.")
    times: int = Field(1, ge=1, le=100, title="Times", description="How often it must be seen.")
    near: float = Field(
        1.5,
        gt=0,
        le=20,
        title="Near",
        description="Vehicle lengths from the vehicle within which people come out of it, and within which it is by a "
        "zone.",
    )


class Step(Condition):
    """One step: it is reached when its sign, or one of those that do as well, is seen after the step before."""

    otherwise: tuple[Condition, ...] = Field(
        (), max_length=PARTS, title="Otherwise", description="Signs that do as well."
    )
    within_s: float = Field(
        3600.0,
        gt=0,
        le=86400,
        title="Within",
        description="Seconds after the step before; later it is not reached any more.",
    )
    severity: Severity = Field(1, title="Severity", description="1 watch, 2 alert, 3 dispatch suggested.")
    score: float = Field(0.15, ge=0, le=MOST, title="Score", description="What it adds to the score.")

    @property
    def signs(self) -> tuple[Condition, ...]:
        """Its own, and those that do as well."""
        return (self, *self.otherwise)


class Escalation(Condition):
    """What makes it graver, at whichever step it is seen."""

    severity: Severity = Field(1, title="Severity", description="At least this, once the first step is reached.")
    score: float = Field(0.1, ge=0, le=MOST, title="Score", description="What it adds to the score.")


class Mitigation(ConfigModel):
    """What makes it harmless: where it holds before the second step is reached, it holds for the whole happening."""

    what: Literal["owner_hours", "registered_visit", "schedule"] = Field(
        title="What",
        description="owner_hours: those of the zone, by day where it has none; registered_visit: one of the site's "
        "visits, for the first one who comes in it and gets as far as the second step; schedule: the one that is named "
        "beside it.",
    )
    schedule: str | None = Field(None, title="Schedule", description="With what: schedule.")
    at_most: Severity = Field(1, title="At most", description="The severity stays at or below this.")
    score: float = Field(-0.2, ge=-1, le=0, title="Score", description="What it takes from the score.")

    @model_validator(mode="after")
    def _schedule(self) -> Mitigation:
        if (self.what == "schedule") != (self.schedule is not None):
            raise ValueError("`schedule` belongs to `what: schedule` and to nothing else; name one there, or remove it")
        return self


class EventSequence(ConfigModel):
    """A happening of several steps that is one event, graver with each."""

    id: Id = Field(title="Id", description="The kind of its events; no behaviour's.")
    name: LocalizedName = Field(title="Name", description="What operators call it.")
    when: tuple[str | Schedule, ...] = Field(
        (),
        title="When",
        description="Schedules, by name or written out, during one of which it must begin; always if empty.",
    )
    steps: tuple[Step, ...] = Field(min_length=1, max_length=PARTS, title="Steps", description="In their order.")
    raisers: tuple[Escalation, ...] = Field((), max_length=PARTS, title="Raisers", description="What makes it graver.")
    lowerers: tuple[Mitigation, ...] = Field(
        (), max_length=PARTS, title="Lowerers", description="What makes it harmless."
    )
    onvif: str = Field("", title="ONVIF topic", description="Of its events, where there is one.")
    kisa: str = Field("", title="KISA class", description="Of its events, where there is one.")

    @model_validator(mode="after")
    def _sound(self) -> EventSequence:
        begins = ("vehicle_stands", "on_foot")
        for sign in self.steps[0].signs:
            if sign.what not in begins or not sign.where:
                raise ValueError(
                    f"the first step says where it begins: `what` is {' or '.join(begins)}, and `where` is given; "
                    "begin with one of these"
                )
        if all(sign.what != "vehicle_stands" for sign in self.steps[0].signs):
            for number, step in enumerate(self.steps):
                if all(sign.what in OF_VEHICLES for sign in step.signs):
                    raise ValueError(
                        f"step {number + 1} is never reached: {step.what} needs a vehicle, and it begins with none; "
                        "begin with vehicle_stands, or use visits, stay or people_gone"
                    )
        most = sum(step.score for step in self.steps) + sum(raiser.score for raiser in self.raisers)
        if most > MOST + 1e-9:
            raise ValueError(f"the scores of steps and raisers add up to {most:g}; lower them to {MOST:g} at most")
        return self
