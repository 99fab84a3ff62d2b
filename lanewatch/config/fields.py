"""Types that all parts of a site file use: the strict base model, ids, names and schedules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Hours = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class ConfigModel(BaseModel):
    """The base of every part of a site: unknown keys are refused, and values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LocalizedName(ConfigModel):
    """A name in Korean and English."""

    ko: str = Field(title="Korean name", description="What operators read.", min_length=1)
    en: str = Field(title="English name", description="What visitors and developers read.", min_length=1)


class Schedule(ConfigModel):
    """A named time: hours of the local clock, the sun's elevation, or both."""

    hours: tuple[Hours, ...] = Field(
        (), title="Hours", description="HH:MM-HH:MM in the camera's time zone; may pass midnight. All day if empty."
    )
    days: tuple[Day, ...] = Field((), title="Days", description="Days on which the hours begin; every day if empty.")
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(
        (), title="Months", description="1-12, in which the hours begin; the whole year if empty."
    )
    sun: Literal["any", "day", "dusk", "night", "dark"] = Field(
        "any",
        title="Sun",
        description="By the sun's elevation at the camera in degrees: day above 0, dusk 0 to -6, night below -6, "
        "dark below 0.",
    )
