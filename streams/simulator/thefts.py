"""Six ways to steal what grows by a lane. Durations are a thief's: nobody carries sacks for less than a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streams.simulator.actors import ParkedPeriod, Route, Spot, drive
from streams.simulator.script import Act, ScriptContext

_LOADED: Final = 0.75  # of one's pace, with a sack on the shoulder


def truck_sacks(stage: ScriptContext) -> Act:
    """A truck stops by the edge; two people carry sacks to it, several times each; it leaves."""
    return load(stage, "truck_sacks", "truck", people=2, trips=(2, 5), pick_s=(6.0, 20.0), zone=stage.zone())


def van_pile(stage: ScriptContext) -> Act:
    """A van stops by the drying place; its driver stays at the wheel, another one clears the pile into it."""
    act = load(stage, "van_pile", "van", people=1, trips=(4, 8), pick_s=(4.0, 9.0), zone="store")
    taken = act.acted_at or 0.0
    spot = stage.within("store")
    leaves = next(one for one in act.rests if one.kind == "van").until
    act.rests.append(ParkedPeriod("pile", spot, taken + (leaves - taken) * stage.between(0.3, 0.5), float("inf")))
    return act


def car_stays(stage: ScriptContext) -> Act:
    """A car stops; one of those in it goes into the field, stays there picking, and comes back with a bag."""
    zone = "field" if stage.chance(0.75) else "store"
    return pick(stage, "car_stays", "car", zone, stage.between(90, 260))


def motorbike(stage: ScriptContext) -> Act:
    """One on a motorbike: fills a box or two and is away."""
    return pick(stage, "motorbike", "motorcycle", stage.zone(), stage.between(75, 180))


def on_foot(stage: ScriptContext) -> Act:
    """One or two come on foot with a handcart, leave it on the verge, fill it and go back."""
    zone, side = stage.zone(), stage.side()
    place = stage.verge(zone)
    act = Act("on_foot", zone)
    cart = stage.person(0.0, (side * 16, place[1] * 0.3))
    leader = stage.person(0.0, (side * 16.8, place[1] * 0.3))
    cart.to(place, 0.8)
    leader.to((place[0] + side * 0.9, place[1]), 0.8)
    trips = stage.count(3, 6)
    act.acted_at = carry(stage, leader, place, zone, trips, (12.0, 30.0))
    if stage.chance(0.5):
        other = stage.person(stage.between(2, 6), (side * 17.5, place[1] * 0.2)).to((place[0], place[1] - 0.8), 0.85)
        carry(stage, other, place, zone, trips, (10.0, 25.0))
        act.actors.append(other.to((side * 17, 0.0), 0.85).done("second"))
    leaves = max([leader.at] + [float(one.times[-1]) - 20 for one in act.actors])
    cart.stay(max(leaves - cart.at, 1.0)).to((side * 16, place[1] * 0.3), 0.75)
    leader.stay(max(leaves - leader.at, 0.5)).to((side * 16.8, place[1] * 0.3), 0.75)
    act.actors += [leader.done("leader"), cart.done("cart", "cart")]
    return act


def drop_and_collect(stage: ScriptContext) -> Act:
    """A truck lets two or three people out and goes; they pick and heap up; it comes back, and all is loaded."""
    zone, side = stage.zone(), stage.side()
    kind = "truck" if stage.chance(0.7) else "van"
    act = Act("drop_and_collect", zone)
    place = stage.verge(zone)
    first = drive(kind, "truck", 0.0, place, stage.between(8, 18), begin=-38 * side, end=38 * side)
    act.actors.append(first.actor)
    act.rests.append(stage.parked(first))
    work = stage.between(150, 360)
    back = drive(kind, "truck", first.leaves + work, place, 1.0, begin=38 * side, end=-38 * side)
    stands = back.stands
    reached, loaded, routes = [], [], []
    for number in range(stage.count(2, 3)):
        route = stage.person(first.stands + stage.between(2, 5) + number, stage.door(first, number - 1.0))
        reached.append(into(stage, route, zone))
        while route.at < stands - 12:
            route.stay(min(stage.between(20, 60), max(stands - 5 - route.at, 3.0)), busy=True)
            route.to(stage.within(zone))
        route.stay(max(stands + 2 - route.at, 1.0))
        for _ in range(stage.count(1, 3)):
            route.to(stage.door(back, number - 1.0), _LOADED).stay(stage.between(2, 4))
            route.to(stage.within(zone)).stay(stage.between(2, 6), busy=True)
        loaded.append(route.to(stage.door(back), _LOADED).at)
        routes.append(route)
    again = drive(kind, "truck", first.leaves + work, place, max(loaded) + 4 - stands, begin=38 * side, end=-38 * side)
    act.actors += [again.actor, *(route.done(f"picker {number}") for number, route in enumerate(routes))]
    act.rests.append(stage.parked(again))
    act.acted_at = min(reached)
    return act


def load(
    stage: ScriptContext,
    pattern: str,
    kind: str,
    *,
    people: int,
    trips: tuple[int, int],
    pick_s: tuple[float, float],
    zone: str,
) -> Act:
    """A vehicle stops, people carry to it what is there, it leaves: what a thief does, and the owner too."""
    act = Act(pattern, zone)
    side, place = stage.side(), stage.verge(zone)
    probe = drive(kind, "vehicle", 0.0, place, 1.0, begin=-38 * side, end=38 * side)
    reached, ended = [], []
    for number in range(people):
        door = stage.door(probe, (number - 0.5) * 1.5)
        route = stage.person(probe.stands + stage.between(3, 12), door)
        reached.append(carry(stage, route, stage.door(probe, -2.0 * side), zone, stage.count(*trips), pick_s))
        ended.append(route.to(door).at)
        act.actors.append(route.done(f"carrier {number}"))
    stop = drive(
        kind, "vehicle", 0.0, place, max(ended) + stage.between(3, 10) - probe.stands, begin=-38 * side, end=38 * side
    )
    act.actors.append(stop.actor)
    act.rests.append(stage.parked(stop))
    act.acted_at = min(reached)
    return act


def pick(stage: ScriptContext, pattern: str, kind: str, zone: str, work_s: float) -> Act:
    """A vehicle stops, one goes in and stays, comes back and leaves with it."""
    act = Act(pattern, zone)
    side = stage.side()
    place = stage.verge(zone)
    probe = drive(kind, "vehicle", 0.0, place, 1.0, begin=-38 * side, end=38 * side)
    route = stage.person(probe.stands + stage.between(3, 10), stage.door(probe))
    act.acted_at = into(stage, route, zone)
    done = route.at + work_s
    while route.at < done:
        route.stay(min(stage.between(20, 70), max(done - route.at, 3.0)), busy=True).to(stage.within(zone))
    route.to(stage.door(probe), _LOADED).stay(stage.between(2, 6))
    act.actors.append(route.done("picker"))
    stands_s = route.at + stage.between(2, 8) - probe.stands
    stop = drive(kind, "vehicle", 0.0, place, stands_s, begin=-38 * side, end=38 * side)
    act.actors.append(stop.actor)
    act.rests.append(stage.parked(stop))
    return act


def carry(
    stage: ScriptContext, route: Route, vehicle: Spot, zone: str, trips: int, pick_s: tuple[float, float]
) -> float:
    """Goes in and brings something out, so many times; gives when the produce was first reached."""
    reached = into(stage, route, zone)
    for trip in range(trips):
        if trip:
            route.to(stage.within(zone))
        route.stay(stage.between(*pick_s), busy=True).to(vehicle, _LOADED).stay(stage.between(2, 5))
    return reached


def into(stage: ScriptContext, route: Route, zone: str) -> float:
    """Walks into a zone; gives when."""
    return route.to(stage.within(zone)).at


PATTERNS: Final[dict[str, Callable[[ScriptContext], Act]]] = {
    "truck_sacks": truck_sacks,
    "car_stays": car_stays,
    "van_pile": van_pile,
    "motorbike": motorbike,
    "on_foot": on_foot,
    "drop_and_collect": drop_and_collect,
}
"""The thefts, in the order in which nights take turns."""
