"""What happens by a lane on any evening, and is nobody's business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from streams.simulator import thefts
from streams.simulator.actors import ParkedPeriod, drive, drive_by
from streams.simulator.script import Act, ScriptContext
from streams.simulator.weather import Weather

_OUT: Final = 17.0  # metres along the lane at which people are out of the picture
HOUSE: Final = -3.2  # metres across: the side of the lane where houses stand, towards the camera


def own_truck(stage: ScriptContext) -> Act:
    """The owner loads sacks of his own."""
    return thefts.load(
        stage, "own_truck", "truck", people=stage.count(1, 2), trips=(2, 6), pick_s=(6.0, 20.0), zone=stage.zone()
    )


def own_car(stage: ScriptContext) -> Act:
    """The owner comes by car, works in the field, goes."""
    return thefts.pick(stage, "own_car", "car", "field", stage.between(90, 300))


def own_walk(stage: ScriptContext) -> Act:
    """A farmer comes on foot, works in the field, goes home."""
    side = stage.side()
    route = stage.person(0.0, (side * _OUT, 0.5))
    act = Act("own_walk", "field", acted_at=thefts.into(stage, route, "field"))
    for _ in range(stage.count(2, 5)):
        route.stay(stage.between(25, 70), busy=True).to(stage.within("field"))
    act.actors.append(route.to((side * _OUT, 0.5)).done("farmer"))
    return act


def passer_by(stage: ScriptContext) -> Act:
    """One or two walk through."""
    side = stage.side()
    act = Act("passer_by", "lane")
    for number in range(stage.count(1, 2)):
        across = stage.between(-1.4, 1.4)
        route = stage.person(number * 0.8, (side * _OUT, across)).to((-side * _OUT, across))
        act.actors.append(route.done(f"walker {number}"))
    return act


def phone(stage: ScriptContext) -> Act:
    """Somebody who walks through stops for a call; some wander to the field's edge meanwhile."""
    side, across = stage.side(), stage.between(-1.5, 2.0)
    route = stage.person(0.0, (side * _OUT, across)).to((stage.between(-6, 6), across))
    talks = stage.between(30, 150)
    until = route.at + talks
    while route.at < until:
        route.stay(stage.between(8, 25))
        s, d = route.spot
        route.to((float(np.clip(s + stage.between(-1.5, 1.5), -8, 8)), float(np.clip(d + stage.between(-1, 1), -2, 3))))
    act = Act("phone", "lane")
    act.actors.append(route.to((-side * _OUT, 0.0)).done("caller"))
    return act


def smoker(stage: ScriptContext) -> Act:
    """A car stops for one to three minutes: its driver stretches, smokes, or goes to the field's edge and back."""
    side, place = stage.side(), stage.verge("field")
    act = Act("smoker", "lane")
    probe = drive("car", "car", 0.0, place, 1.0, begin=-38 * side, end=38 * side)
    route = stage.person(probe.stands + stage.between(3, 10), (place[0], place[1] - 1.3))
    if stage.chance(0.4):
        edge = stage.scene.field[2] + stage.between(0.1, 0.9)
        route.to((place[0] + stage.between(-2, 2), edge)).stay(stage.between(18, 40)).to((place[0], place[1] - 1.3))
    until = probe.stands + stage.between(60, 170)
    while route.at < until - 10:
        route.stay(stage.between(10, 40)).to((place[0] + stage.between(-2.5, 2.5), place[1] - stage.between(1.2, 2.0)))
    act.actors.append(route.to((place[0], place[1] - 1.3)).done("driver"))
    stop = drive("car", "car", 0.0, place, route.at + 6 - probe.stands, begin=-38 * side, end=38 * side)
    act.actors.append(stop.actor)
    act.rests.append(stage.parked(stop))
    return act


def delivery(stage: ScriptContext) -> Act:
    """A van stops by a house; somebody takes a parcel to its door, below the picture, and comes back."""
    side = stage.side()
    place = (stage.between(-7, 7), HOUSE + stage.between(0.6, 1.4))
    act = Act("delivery", "lane")
    stop = drive("van", "van", 0.0, place, stage.between(50, 120), begin=-38 * side, end=38 * side)
    out = stage.person(stop.stands + stage.between(3, 8), (place[0] + 2.8, place[1])).to((place[0] + 3, HOUSE - 5))
    back = stage.person(max(stop.leaves - 9, out.at + 3), (place[0] + 3, HOUSE - 5)).to((place[0] + 2.8, place[1]))
    late = max(back.at + 2 - stop.leaves, 0.0)
    stop = drive("van", "van", 0.0, place, stop.leaves - stop.stands + late, begin=-38 * side, end=38 * side)
    act.actors += [stop.actor, out.done("courier"), back.done("courier")]
    act.rests.append(stage.parked(stop))
    return act


def patrol(stage: ScriptContext) -> Act:
    """A patrol car goes by slowly; some stop for half a minute, and nobody gets out."""
    side = stage.side()
    act = Act("patrol", "lane")
    if stage.chance(0.5):
        stop = drive(
            "car",
            "patrol",
            0.0,
            (stage.between(-6, 6), 0.4),
            stage.between(12, 40),
            begin=-38 * side,
            end=38 * side,
            pace=3.5,
        )
        act.actors.append(stop.actor)
        act.rests.append(stage.parked(stop))
    else:
        act.actors.append(drive_by("car", "patrol", 0.0, pace=3.0, begin=-38 * side, end=38 * side))
    return act


def taxi(stage: ScriptContext) -> Act:
    """A taxi lets somebody out, who walks home along the lane."""
    side = stage.side()
    act = Act("taxi", "lane")
    place = (stage.between(-7, 7), stage.between(0.0, 1.2))
    stop = drive("car", "taxi", 0.0, place, stage.between(15, 45), begin=-38 * side, end=38 * side)
    leaves = min(stop.stands + stage.between(8, 20), stop.leaves - 3)
    home = stage.person(leaves, (place[0], place[1] - 1.4)).to((stage.side() * _OUT, -1.6))
    act.actors += [stop.actor, home.done("passenger")]
    act.rests.append(stage.parked(stop))
    return act


def cyclist(stage: ScriptContext) -> Act:
    """Somebody on a bicycle."""
    side = stage.side()
    bike = drive_by("bicycle", "bicycle", 0.0, pace=stage.between(3, 6), begin=-20 * side, end=20 * side)
    rider = replace(bike, who="rider", kind="person")
    return Act("cyclist", "lane", actors=[bike, rider])


def traffic(stage: ScriptContext) -> Act:
    """One to three vehicles go by."""
    act = Act("traffic", "lane")
    for number in range(stage.count(1, 3)):
        kind = ("car", "truck", "motorcycle", "van")[stage.count(0, 3)]
        side, pace = stage.side(), stage.between(6, 13)
        begin = number * 14.0
        act.actors.append(drive_by(kind, f"{kind} {number}", begin, pace=pace, begin=-38 * side, end=38 * side))
        if stage.chance(0.6):
            act.weather.append(Weather("headlights", begin, begin + 3.0, stage.between(0.1, 1.0)))
    return act


def chat(stage: ScriptContext) -> Act:
    """Two meet on the lane and talk for some minutes."""
    act = Act("chat", "lane")
    spot, across = stage.between(-5, 5), stage.between(-1.2, 1.2)
    talk = stage.between(60, 240)
    for number, side in enumerate((-1.0, 1.0)):
        route = stage.person(0.0, (side * _OUT, across)).to((spot + side * 0.5, across))
        act.actors.append(route.done(f"neighbour {number}"))
    begin = max(float(one.times[-1]) for one in act.actors)
    for number, side in enumerate((-1.0, 1.0)):
        here = act.actors[number]
        at = float(here.times[-1])
        route = stage.person(at, (spot + side * 0.5, across)).stay(begin + talk - at).to((-side * _OUT, across + 0.8))
        act.actors.append(route.done(f"neighbour {number}"))
    return act


def animal(stage: ScriptContext) -> Act:
    """A dog, a cat or a water deer roams over lane and field."""
    kind = ("dog", "cat", "deer")[stage.count(0, 2)]
    side = stage.side()
    route = stage.person(0.0, (side * 14, stage.between(-1, 6)))
    for _ in range(stage.count(2, 5)):
        route.to((stage.between(-9, 9), stage.between(-1, 9)), stage.between(0.7, 1.6)).stay(stage.between(1, 20))
    return Act("animal", "field", actors=[route.to((-side * 16, 2.0), 1.5).done(kind, kind)])


def neighbour(stage: ScriptContext) -> Act:
    """The neighbour comes home: his car stands by the house for the night, he goes in."""
    side = stage.side()
    place = (side * stage.between(6, 9), HOUSE + 0.4)
    stop = drive("car", "neighbour's car", 0.0, place, stage.between(1, 2), begin=-38 * side, end=38 * side)
    stays = replace(
        stop.actor,
        times=np.append(stop.actor.times[stop.actor.times <= stop.stands], stop.stands + 40_000.0),
        spots=np.concatenate([stop.actor.spots[stop.actor.times <= stop.stands], [place]]),
    )
    stays = replace(stays, tall=np.ones(len(stays.times)), busy=np.zeros(len(stays.times)), lasts=True)
    home = stage.person(stop.stands + 6, (place[0], place[1] + 1.2)).to((place[0] - side * 3, HOUSE - 6))
    act = Act("neighbour", "lane", actors=[stays, home.done("neighbour")])
    act.rests.append(ParkedPeriod("car", place, stop.stands, float("inf")))
    return act


def insects(stage: ScriptContext) -> Act:
    """Insects about the lens for a while."""
    return Act("insects", "lane", weather=[Weather("insects", 0.0, stage.between(30, 150), stage.between(0.2, 1))])


def web(stage: ScriptContext) -> Act:
    """A spider's web swings in the wind."""
    return Act("web", "lane", weather=[Weather("web", 0.0, stage.between(60, 240), stage.between(0, 1))])


def rain(stage: ScriptContext) -> Act:
    """A shower."""
    return Act("rain", "lane", weather=[Weather("rain", 0.0, stage.between(60, 240), stage.between(0.2, 1))])


OWNERS: Final[dict[str, Callable[[ScriptContext], Act]]] = {
    "own_truck": own_truck,
    "own_car": own_car,
    "own_walk": own_walk,
}
"""Who takes what is his: in his habitual hours, or on a registered visit."""

OTHERS: Final[dict[str, Callable[[ScriptContext], Act]]] = {
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
    "insects": insects,
    "web": web,
    "rain": rain,
}
"""Who takes nothing, at any hour."""
