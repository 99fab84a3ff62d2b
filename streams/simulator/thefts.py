"""Six ways to steal produce beside a lane. The durations are a thief's: carrying sacks takes at least a minute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streams.simulator.actors import LanePoint, Route, StationaryPeriod, arrival_s, drive_and_stop
from streams.simulator.script_context import Act, ScriptContext

Script = Callable[[ScriptContext], Act]

_LOADED_PACE: Final = 0.75  # with a sack on the shoulder


def truck_sacks(context: ScriptContext) -> Act:
    """A truck stops at the edge; two people carry sacks to it, several times each; it leaves."""
    return load_vehicle(
        context, "truck_sacks", "truck", people=2, trips=(2, 5), pick_s=(6.0, 20.0), zone=context.produce_zone()
    )


def van_pile(context: ScriptContext) -> Act:
    """A van stops at the drying place; the driver stays inside, another person clears the pile into it."""
    act = load_vehicle(context, "van_pile", "van", people=1, trips=(4, 8), pick_s=(4.0, 9.0), zone="store")
    acted_at = act.acted_at or 0.0
    position = context.point_in("store")
    leaves_at = next(period for period in act.stationary if period.kind == "van").end
    removed_at = acted_at + (leaves_at - acted_at) * context.uniform(0.3, 0.5)
    act.stationary.append(StationaryPeriod("pile", position, removed_at, float("inf")))
    return act


def car_stays(context: ScriptContext) -> Act:
    """A car stops; one person goes into the field, picks there for some minutes, and comes back with a bag."""
    zone = "field" if context.chance(0.75) else "store"
    return pick_beside_vehicle(context, "car_stays", "car", zone, context.uniform(90, 260))


def motorbike(context: ScriptContext) -> Act:
    """A person on a motorbike fills a box or two and leaves."""
    return pick_beside_vehicle(context, "motorbike", "motorcycle", context.produce_zone(), context.uniform(75, 180))


def on_foot(context: ScriptContext) -> Act:
    """One or two people come on foot with a handcart, leave it on the verge, fill it and go back."""
    zone, side = context.produce_zone(), context.direction()
    place = context.verge_by(zone)
    act = Act("on_foot", zone)
    cart = context.person(0.0, (side * 16, place[1] * 0.3))
    leader = context.person(0.0, (side * 16.8, place[1] * 0.3))
    cart.walk_to(place, 0.8)
    leader.walk_to((place[0] + side * 0.9, place[1]), 0.8)
    trips = context.integer(3, 6)
    act.acted_at = carry_out(context, leader, place, zone, trips, (12.0, 30.0))
    if context.chance(0.5):
        start = context.person(context.uniform(2, 6), (side * 17.5, place[1] * 0.2))
        second = start.walk_to((place[0], place[1] - 0.8), 0.85)
        carry_out(context, second, place, zone, trips, (10.0, 25.0))
        act.actors.append(second.walk_to((side * 17, 0.0), 0.85).actor("second"))
    leaves_at = max([leader.time] + [float(actor.times[-1]) - 20 for actor in act.actors])
    cart.stay(max(leaves_at - cart.time, 1.0)).walk_to((side * 16, place[1] * 0.3), 0.75)
    leader.stay(max(leaves_at - leader.time, 0.5)).walk_to((side * 16.8, place[1] * 0.3), 0.75)
    act.actors += [leader.actor("leader"), cart.actor("cart", "cart")]
    return act


def drop_and_collect(context: ScriptContext) -> Act:
    """A truck drops two or three people, who pick and heap up; it comes back, and everything is loaded."""
    zone, side = context.produce_zone(), context.direction()
    kind = "truck" if context.chance(0.7) else "van"
    act = Act("drop_and_collect", zone)
    place = context.verge_by(zone)
    drop = drive_and_stop(kind, "truck", place, context.uniform(8, 18), direction=side)
    act.add(drop)
    returns_at = drop.leaves_at + context.uniform(150, 360)
    collected_at = returns_at + arrival_s(place, -side)
    reached, loaded, routes = [], [], []
    for number in range(context.integer(2, 3)):
        dropped_at = drop.stopped_at + context.uniform(2, 5) + number
        route = context.person(dropped_at, context.beside(place, number - 1.0))
        reached.append(enter(context, route, zone))
        while route.time < collected_at - 12:
            route.stay(min(context.uniform(20, 60), max(collected_at - 5 - route.time, 3.0)), active=True)
            route.walk_to(context.point_in(zone))
        route.stay(max(collected_at + 2 - route.time, 1.0))
        for _ in range(context.integer(1, 3)):
            route.walk_to(context.beside(place, number - 1.0), _LOADED_PACE).stay(context.uniform(2, 4))
            route.walk_to(context.point_in(zone)).stay(context.uniform(2, 6), active=True)
        loaded.append(route.walk_to(context.beside(place), _LOADED_PACE).time)
        routes.append(route)
    collect = drive_and_stop(kind, "truck", place, max(loaded) + 4 - collected_at, direction=-side, start=returns_at)
    act.add(collect)
    act.actors += [route.actor(f"picker {number}") for number, route in enumerate(routes)]
    act.acted_at = min(reached)
    return act


def load_vehicle(
    context: ScriptContext,
    pattern: str,
    kind: str,
    *,
    people: int,
    trips: tuple[int, int],
    pick_s: tuple[float, float],
    zone: str,
) -> Act:
    """A vehicle stops, people carry produce to it, it leaves; thieves and the owner do the same."""
    act = Act(pattern, zone)
    side, place = context.direction(), context.verge_by(zone)
    stopped_at = arrival_s(place, side)
    reached, ended = [], []
    for number in range(people):
        door = context.beside(place, (number - 0.5) * 1.5)
        route = context.person(stopped_at + context.uniform(3, 12), door)
        tail = context.beside(place, -2.0 * side)
        reached.append(carry_out(context, route, tail, zone, context.integer(*trips), pick_s))
        ended.append(route.walk_to(door).time)
        act.actors.append(route.actor(f"carrier {number}"))
    stop_s = max(ended) + context.uniform(3, 10) - stopped_at
    act.add(drive_and_stop(kind, "vehicle", place, stop_s, direction=side))
    act.acted_at = min(reached)
    return act


def pick_beside_vehicle(context: ScriptContext, pattern: str, kind: str, zone: str, work_s: float) -> Act:
    """A vehicle stops; one person picks in the zone, comes back and leaves with it."""
    act = Act(pattern, zone)
    side, place = context.direction(), context.verge_by(zone)
    stopped_at = arrival_s(place, side)
    route = context.person(stopped_at + context.uniform(3, 10), context.beside(place))
    act.acted_at = enter(context, route, zone)
    done_at = route.time + work_s
    while route.time < done_at:
        route.stay(min(context.uniform(20, 70), max(done_at - route.time, 3.0)), active=True)
        route.walk_to(context.point_in(zone))
    route.walk_to(context.beside(place), _LOADED_PACE).stay(context.uniform(2, 6))
    act.actors.append(route.actor("picker"))
    stop_s = route.time + context.uniform(2, 8) - stopped_at
    act.add(drive_and_stop(kind, "vehicle", place, stop_s, direction=side))
    return act


def carry_out(
    context: ScriptContext, route: Route, vehicle: LanePoint, zone: str, trips: int, pick_s: tuple[float, float]
) -> float:
    """Carries produce from a zone to a vehicle on several trips; returns when the zone was first reached."""
    reached_at = enter(context, route, zone)
    for trip in range(trips):
        if trip:
            route.walk_to(context.point_in(zone))
        route.stay(context.uniform(*pick_s), active=True).walk_to(vehicle, _LOADED_PACE).stay(context.uniform(2, 5))
    return reached_at


def enter(context: ScriptContext, route: Route, zone: str) -> float:
    """Walks into a zone; returns the time of arrival."""
    return route.walk_to(context.point_in(zone)).time


PATTERNS: Final[dict[str, Script]] = {
    "truck_sacks": truck_sacks,
    "car_stays": car_stays,
    "van_pile": van_pile,
    "motorbike": motorbike,
    "on_foot": on_foot,
    "drop_and_collect": drop_and_collect,
}
"""The thefts, in the order in which the nights use them."""
