"""Activities beside a lane that are no theft: the owner's work, neighbours, traffic, animals, nuisance motion."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from streams.simulator import thefts
from streams.simulator.actors import StationaryPeriod, arrival_s, drive_and_stop, drive_through
from streams.simulator.nuisance_motion import NuisanceMotion
from streams.simulator.script_context import Act, ScriptContext
from streams.simulator.thefts import Script

_OUT_OF_VIEW_M: Final = 17.0  # along the lane, for people
_HOUSES_M: Final = -3.2  # across: the side of the lane towards the camera
_NIGHT_S: Final = 40_000.0


def own_truck(context: ScriptContext) -> Act:
    """The owner loads his own sacks."""
    people = context.integer(1, 2)
    return thefts.load_vehicle(
        context, "own_truck", "truck", people=people, trips=(2, 6), pick_s=(6.0, 20.0), zone=context.produce_zone()
    )


def own_car(context: ScriptContext) -> Act:
    """The owner comes by car, works in the field and leaves."""
    return thefts.pick_beside_vehicle(context, "own_car", "car", "field", context.uniform(90, 300))


def own_walk(context: ScriptContext) -> Act:
    """A farmer comes on foot, works in the field and goes home."""
    home = (context.direction() * _OUT_OF_VIEW_M, 0.5)
    route = context.person(0.0, home)
    act = Act("own_walk", "field", acted_at=thefts.enter(context, route, "field"))
    for _ in range(context.integer(2, 5)):
        route.stay(context.uniform(25, 70), active=True).walk_to(context.point_in("field"))
    act.actors.append(route.walk_to(home).actor("farmer"))
    return act


def passer_by(context: ScriptContext) -> Act:
    """One or two people walk through."""
    side = context.direction()
    act = Act("passer_by", "lane")
    for number in range(context.integer(1, 2)):
        across = context.uniform(-1.4, 1.4)
        route = context.person(number * 0.8, (side * _OUT_OF_VIEW_M, across))
        act.actors.append(route.walk_to((-side * _OUT_OF_VIEW_M, across)).actor(f"walker {number}"))
    return act


def phone(context: ScriptContext) -> Act:
    """A person who walks through stops for a call, and may wander to the field's edge meanwhile."""
    side, across = context.direction(), context.uniform(-1.5, 2.0)
    route = context.person(0.0, (side * _OUT_OF_VIEW_M, across)).walk_to((context.uniform(-6, 6), across))
    talk_s = context.uniform(30, 150)
    until = route.time + talk_s
    while route.time < until:
        route.stay(context.uniform(8, 25))
        s, d = route.position
        s, d = np.clip(s + context.uniform(-1.5, 1.5), -8, 8), np.clip(d + context.uniform(-1, 1), -2, 3)
        route.walk_to((float(s), float(d)))
    return Act("phone", "lane", actors=[route.walk_to((-side * _OUT_OF_VIEW_M, 0.0)).actor("caller")])


def smoker(context: ScriptContext) -> Act:
    """A car stops for one to three minutes: its driver stretches, smokes, or goes to the field's edge and back."""
    side, place = context.direction(), context.verge_by("field")
    door = (place[0], place[1] - 1.3)
    stopped_at = arrival_s(place, side)
    route = context.person(stopped_at + context.uniform(3, 10), door)
    if context.chance(0.4):
        edge = context.scene.field[2] + context.uniform(0.1, 0.9)
        route.walk_to((place[0] + context.uniform(-2, 2), edge)).stay(context.uniform(18, 40)).walk_to(door)
    until = stopped_at + context.uniform(60, 170)
    while route.time < until - 10:
        route.stay(context.uniform(10, 40))
        route.walk_to((place[0] + context.uniform(-2.5, 2.5), place[1] - context.uniform(1.2, 2.0)))
    act = Act("smoker", "lane", actors=[route.walk_to(door).actor("driver")])
    act.add(drive_and_stop("car", "car", place, route.time + 6 - stopped_at, direction=side))
    return act


def delivery(context: ScriptContext) -> Act:
    """A van stops by a house; the driver takes a parcel to its door, below the picture, and comes back."""
    side = context.direction()
    place = (context.uniform(-7, 7), _HOUSES_M + context.uniform(0.6, 1.4))
    van_door, house_door = (place[0] + 2.8, place[1]), (place[0] + 3, _HOUSES_M - 5)
    stopped_at = arrival_s(place, side)
    leaves_at = stopped_at + context.uniform(50, 120)
    out = context.person(stopped_at + context.uniform(3, 8), van_door).walk_to(house_door)
    back = context.person(max(leaves_at - 9, out.time + 3), house_door).walk_to(van_door)
    late_s = max(back.time + 2 - leaves_at, 0.0)
    act = Act("delivery", "lane")
    act.add(drive_and_stop("van", "van", place, leaves_at - stopped_at + late_s, direction=side))
    act.actors += [out.actor("courier"), back.actor("courier")]
    return act


def patrol(context: ScriptContext) -> Act:
    """A patrol car drives by slowly, or stops for half a minute; its crew stays inside."""
    side = context.direction()
    act = Act("patrol", "lane")
    if context.chance(0.5):
        place = (context.uniform(-6, 6), 0.4)
        act.add(drive_and_stop("car", "patrol", place, context.uniform(12, 40), direction=side, pace=3.5))
    else:
        act.actors.append(drive_through("car", "patrol", 0.0, pace=3.0, direction=side))
    return act


def taxi(context: ScriptContext) -> Act:
    """A passenger leaves a taxi and walks home along the lane."""
    side = context.direction()
    act = Act("taxi", "lane")
    place = (context.uniform(-7, 7), context.uniform(0.0, 1.2))
    stop = drive_and_stop("car", "taxi", place, context.uniform(15, 45), direction=side)
    act.add(stop)
    leaves_at = min(stop.stopped_at + context.uniform(8, 20), stop.leaves_at - 3)
    passenger = context.person(leaves_at, (place[0], place[1] - 1.4))
    act.actors.append(passenger.walk_to((context.direction() * _OUT_OF_VIEW_M, -1.6)).actor("passenger"))
    return act


def cyclist(context: ScriptContext) -> Act:
    """A person on a bicycle."""
    side = context.direction()
    bike = drive_through("bicycle", "bicycle", 0.0, pace=context.uniform(3, 6), direction=side, reach_m=20.0)
    return Act("cyclist", "lane", actors=[bike, replace(bike, name="rider", kind="person")])


def traffic(context: ScriptContext) -> Act:
    """One to three vehicles drive by."""
    act = Act("traffic", "lane")
    for number in range(context.integer(1, 3)):
        kind = ("car", "truck", "motorcycle", "van")[context.integer(0, 3)]
        side, pace = context.direction(), context.uniform(6, 13)
        start = number * 14.0
        act.actors.append(drive_through(kind, f"{kind} {number}", start, pace=pace, direction=side))
        if context.chance(0.6):
            act.nuisances.append(NuisanceMotion("headlights", start, start + 3.0, context.uniform(0.1, 1.0)))
    return act


def chat(context: ScriptContext) -> Act:
    """Two people meet on the lane and talk for some minutes."""
    act = Act("chat", "lane")
    along, across = context.uniform(-5, 5), context.uniform(-1.2, 1.2)
    talk_s = context.uniform(60, 240)
    for number, side in enumerate((-1.0, 1.0)):
        route = context.person(0.0, (side * _OUT_OF_VIEW_M, across)).walk_to((along + side * 0.5, across))
        act.actors.append(route.actor(f"neighbour {number}"))
    arrived_at = [float(actor.times[-1]) for actor in act.actors]
    for number, side in enumerate((-1.0, 1.0)):
        route = context.person(arrived_at[number], (along + side * 0.5, across))
        route.stay(max(arrived_at) + talk_s - arrived_at[number])
        act.actors.append(route.walk_to((-side * _OUT_OF_VIEW_M, across + 0.8)).actor(f"neighbour {number}"))
    return act


def animal(context: ScriptContext) -> Act:
    """A dog, a cat or a water deer roams over lane and field."""
    kind = ("dog", "cat", "deer")[context.integer(0, 2)]
    side = context.direction()
    route = context.person(0.0, (side * 14, context.uniform(-1, 6)))
    for _ in range(context.integer(2, 5)):
        point = (context.uniform(-9, 9), context.uniform(-1, 9))
        route.walk_to(point, context.uniform(0.7, 1.6)).stay(context.uniform(1, 20))
    return Act("animal", "field", actors=[route.walk_to((-side * 16, 2.0), 1.5).actor(kind, kind)])


def neighbour(context: ScriptContext) -> Act:
    """The neighbour comes home and goes in; his car stands by the house for the night."""
    side = context.direction()
    place = (side * context.uniform(6, 9), _HOUSES_M + 0.4)
    stop = drive_and_stop("car", "neighbour's car", place, context.uniform(1, 2), direction=side)
    arriving = stop.actor.times <= stop.stopped_at
    times = np.append(stop.actor.times[arriving], stop.stopped_at + _NIGHT_S)
    car = replace(
        stop.actor,
        times=times,
        positions=np.concatenate([stop.actor.positions[arriving], [place]]),
        height_scale=np.ones(len(times)),
        active=np.zeros(len(times)),
        permanent=True,
    )
    home = context.person(stop.stopped_at + 6, (place[0], place[1] + 1.2))
    home.walk_to((place[0] - side * 3, _HOUSES_M - 6))
    act = Act("neighbour", "lane", actors=[car, home.actor("neighbour")])
    act.stationary.append(StationaryPeriod("car", place, stop.stopped_at, float("inf")))
    return act


def nuisance(context: ScriptContext, *, kind: str, least_s: float, most_s: float, weakest: float = 0.2) -> Act:
    """Nuisance motion of one kind for a while."""
    motion = NuisanceMotion(kind, 0.0, context.uniform(least_s, most_s), context.uniform(weakest, 1))
    return Act(kind, "lane", nuisances=[motion])


OWNER: Final[dict[str, Script]] = {"own_truck": own_truck, "own_car": own_car, "own_walk": own_walk}
"""The owner takes his produce, in his usual hours or on a registered visit."""
OTHERS: Final[dict[str, Script]] = {
    "passer_by": passer_by,
    "phone": phone,
    "smoker": smoker,
    "delivery": delivery,
    "patrol": patrol,
    "taxi": taxi,
    "cyclist": cyclist,
    "traffic": traffic,
    "chat": chat,
    "animal": animal,
    "neighbour": neighbour,
    "insects": partial(nuisance, kind="insects", least_s=30, most_s=150),
    "web": partial(nuisance, kind="web", least_s=60, most_s=240, weakest=0),
    "rain": partial(nuisance, kind="rain", least_s=60, most_s=240),
}
"""Activities at any hour in which no produce is taken."""
