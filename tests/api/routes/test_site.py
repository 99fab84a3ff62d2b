from __future__ import annotations

import msgspec

from api.camera_status import CameraStatusBoard
from lanewatch.config.fields import LocalizedName
from lanewatch.config.revisions import SiteRevision, SiteRevisions
from lanewatch.config.site import Site
from tests.api.conftest import StartService
from tests.api.event_factory import BEGIN, watermark


def test_a_new_revision_of_the_site_is_shown_without_a_restart(start_service: StartService, site: Site) -> None:
    gate, bell = site.camera("gate"), site.bells[0]
    new = gate.model_copy(update={"id": "new", "name": LocalizedName(ko="새 길", en="New lane")})
    renamed_bell = bell.model_copy(update={"id": "b-9"})
    later = site.model_copy(
        update={"name": LocalizedName(ko="새 마을", en="New village"), "cameras": (gate, new), "bells": (renamed_bell,)}
    )
    revisions = SiteRevisions([SiteRevision(0.0, site), SiteRevision(100.0, later)])
    now = [99.0]
    cameras = CameraStatusBoard(lambda: revisions.site_at(now[0]))
    client = start_service(cameras=cameras)
    cameras.update("gate", watermark(BEGIN))
    assert client.get("/v1/site").json()["name"]["en"] == site.name.en
    assert client.post("/v1/bells/b-9", json={}).status_code == 404

    now[0] = 100.0
    cameras.update("new", watermark(BEGIN))
    kinds = client.get("/v1/site").json()["kinds"]
    assert {kind: kinds[kind]["en"] for kind in ("loitering", "outage", "emergency_bell")} == {
        "loitering": "Loitering",
        "outage": "Outage",
        "emergency_bell": "Emergency bell",
    }
    cameras.update("gate", msgspec.structs.replace(watermark(BEGIN), clock_s=32_400.0))
    clocks = {camera["id"]: camera["clock_s"] for camera in client.get("/v1/cameras").json()["cameras"]}
    assert clocks == {"gate": 32_400.0, "new": None}
    states = {camera["id"]: camera["state"] for camera in client.get("/v1/cameras").json()["cameras"]}
    assert states == {"gate": "live", "new": "live"}
    later_site = client.get("/v1/site").json()
    assert (later_site["name"]["en"], list(later_site["bells"])) == ("New village", ["b-9"])
    assert client.post("/v1/bells/b-9", json={}).status_code == 201
    assert client.post("/v1/bells/b-1", json={}).status_code == 404
