from __future__ import annotations

from api.cameras import Cameras
from lanewatch.site import Name, Site
from tests.api.conftest import Serving


def test_a_site_that_changes_is_shown_without_a_restart(serving: Serving, cameras: Cameras, site: Site) -> None:
    client = serving(cameras=cameras)
    gate, bell = site.camera("gate"), site.bells[0]
    new = gate.model_copy(update={"id": "new", "name": Name(ko="새 길", en="New lane")})
    called = bell.model_copy(update={"id": "b-9"})
    cameras.change(
        site.model_copy(
            update={"name": Name(ko="새 마을", en="New village"), "cameras": (gate, new), "bells": (called,)}
        )
    )
    assert [one["id"] for one in client.get("/v1/cameras").json()["cameras"]] == ["gate", "new"]
    shown = client.get("/v1/site").json()
    assert (shown["name"]["en"], list(shown["bells"])) == ("New village", ["b-9"])
    assert client.post("/v1/bells/b-9", json={}).status_code == 201
    assert client.post("/v1/bells/b-1", json={}).status_code == 404
