"""The API's description: code generators read it, and the service behaves as it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create
from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from tests.api.conftest import StartService
from tests.api.event_factory import BEGIN, Feeder, after, make_event, watermark

TOKEN = "correct-horse-battery"
MAX_EXAMPLES = 6
TOKENS = pytest.mark.parametrize("token", [None, TOKEN], ids=["without a token", "with a token"])


READ_WITH_THE_GENERATED_CLIENT = """
import sys
from generated.api.centre import get_site_v1_site_get as get_site
from generated.api.events import list_events_v1_events_get as list_events
from generated.client import AuthenticatedClient
client = AuthenticatedClient(sys.argv[1], token=sys.argv[2])
event = list_events.sync(client=client).events[0]
print(get_site.sync(client=client).name.ko, event.id, event.peak.box, event.started_at.year)
"""


def test_a_generated_client_reads_events(store: EventStore, start_service: StartService, tmp_path: Path) -> None:
    """By openapi-python-client. It stops at ``"items": false``; pictures and films are all that it has no types for."""
    store.upsert(make_event())
    url = start_service(token=TOKEN).base_url
    description = tmp_path / "openapi.json"
    description.write_bytes(httpx.get(f"{url}/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).content)
    generate = "import sys; from openapi_python_client.cli import app; app()"
    places = ("--path", description, "--output-path", tmp_path / "generated", "--meta", "none")
    done = run("-c", generate, "generate", *places, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout + done.stderr
    assert printed.count("WARNING") == printed.count("Unsupported content_type") == 2
    read = run("-c", READ_WITH_THE_GENERATED_CLIENT, str(url), TOKEN, cwd=tmp_path)
    assert read.stdout == "마을 e-1 [300.0, 200.0, 360.0, 380.0] 2026\n", read.stderr


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=230, check=False)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON document."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


def test_arrays_have_one_type_of_items(store: EventStore, site: Site) -> None:
    """Code generators know no ``prefixItems``, and stop at ``"items": false``."""
    arrays = [node for node in nodes(create(store, None, site).openapi()) if node.get("type") == "array"]
    assert arrays
    assert [array for array in arrays if not isinstance(array.get("items"), dict) or "prefixItems" in array] == []


def test_names_are_typed(store: EventStore, site: Site) -> None:
    properties = create(store, None, site).openapi()["components"]["schemas"]["SiteResponse"]["properties"]
    name = {"$ref": "#/components/schemas/LocalizedName"}
    assert properties["name"] == name
    assert properties["note"]["anyOf"][0] == name
    assert properties["bells"]["additionalProperties"] == properties["kinds"]["additionalProperties"] == name


def test_the_credentials_are_described(store: EventStore, site: Site) -> None:
    description = create(store, None, site, token=TOKEN).openapi()
    bearer, session = (description["components"]["securitySchemes"][name] for name in ("bearer", "session"))
    assert (bearer["type"], bearer["scheme"]) == ("http", "bearer")
    assert (session["type"], session["in"], session["name"]) == ("apiKey", "cookie", "lanewatch")
    assert description["security"] == [{"bearer": []}, {"session": []}]
    assert description["paths"]["/v1/session"]["post"]["security"] == []
    assert "401" in description["paths"]["/v1/events"]["get"]["responses"]
    assert {} in create(store, None, site).openapi()["security"]


def test_every_post_describes_415_and_every_error_is_json(store: EventStore, site: Site) -> None:
    for path, methods in create(store, None, site).openapi()["paths"].items():
        for method, operation in methods.items():
            assert ("415" in operation["responses"]) == (method == "post"), path
            errors = [response for status, response in operation["responses"].items() if status[0] in "45"]
            assert {kind for response in errors for kind in response["content"]} == {"application/json"}, path


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("TRACE", "/v1/session", "DELETE, GET, POST"),
        ("TRACE", "/v1/events", "GET"),
        ("POST", "/v1/events/e-1", "GET"),
        ("GET", "/v1/bells/b-1", "POST"),
    ],
)
def test_another_method_answers_405_with_all_methods_of_the_path(
    method: str, path: str, allowed: str, start_service: StartService
) -> None:
    response = start_service().request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


def test_a_browser_logs_out_without_a_body(start_service: StartService) -> None:
    assert start_service().delete("/v1/session").status_code == 204


def test_a_position_beyond_the_databases_integers_is_refused(start_service: StartService) -> None:
    assert start_service().get(f"/v1/audit?before={2**63}").status_code == 422


@TOKENS
def test_the_service_does_what_its_description_says(
    token: str | None,
    store: EventStore,
    evidence: EvidenceScheduler,
    feeder: Feeder,
    cameras: CameraStatusBoard,
    event_sink: EventSink,
    start_service: StartService,
    tmp_path: Path,
) -> None:
    """schemathesis: all phases over every path but the stream, which has no end."""
    feeder.until(31)
    for id in ("e-1", "e-2"):
        event_sink.upsert(make_event(id))
        event_sink.upsert(after(make_event(id), 2, state="closed", ended_at=BEGIN + 21))
    event_sink.advance("lane", watermark(BEGIN + 30))
    assert evidence.wait_until_idle()
    client = start_service(evidence, cameras=cameras, token=token)
    client.headers.update({"Authorization": f"Bearer {token}"} if token else {})
    cursor = client.get("/v1/events?limit=1").json()["next"]
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(
        f"""
[checks]
negative_data_rejection.expected-statuses = [400, 401, 404, 405, 413, 415, 422]

[[operations]]
include-path = "/v1/events"
parameters = {{ "query.cursor" = "{cursor}" }}

[[operations]]
include-path-regex = "^/v1/events/."
parameters = {{ "path.id" = "e-1", "query.run" = "live" }}

[[operations]]
include-path = "/v1/bells/{{id}}"
parameters = {{ "path.id" = "b-1" }}
"""
    )
    header = ("--header", f"Authorization: Bearer {token}") if token else ()
    done = run(
        *("-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("--config-file", settings, "run", f"{client.base_url}/openapi.json"),
        *("--exclude-path", "/v1/events/stream", "--max-examples", str(MAX_EXAMPLES), "--seed", "1", *header),
        *("--report", "json", "--report-json-path", tmp_path / "report.json", "--no-color"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {phase["status"] for phase in report["phases"].values()} == {"success"}
    assert report["operations"]["tested"] == report["operations"]["total"] - 1
    assert [name for name, found in report["warnings"].items() if found] == []
    reached = [name for name, phases in report["valid_rates"].items() if phases["fuzzing"]["accepted"]]
    assert len(reached) == report["operations"]["tested"] - 1  # the login: it needs the right token
