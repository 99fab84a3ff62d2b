// The centre: its names, its note, and how its cameras are.

import { byId, make } from "./dom.js";
import { time } from "./time_format.js";
import { named, readable, say, tell } from "./i18n.js";

export class Site {
  constructor(site, cameras) {
    this.known = new Map();
    this.change(site, cameras);
  }

  // A camera that is gone keeps its names here: its events stay in the list.
  change(site, cameras) {
    this.site = site;
    this.cameras = cameras;
    for (const camera of cameras) this.known.set(camera.id, camera);
  }

  camera(id) {
    return this.known.get(id) ?? { id, name: null, zones: {}, time_zone: this.site.time_zone };
  }

  kindName(event) {
    return named(this.site.kinds[event.kind], readable(event.kind));
  }

  zoneName(event) {
    return named(this.camera(event.camera).zones[event.zone] ?? this.site.bells[event.zone], event.zone);
  }

  head() {
    byId("centre").textContent = named(this.site.name, this.site.id);
    byId("note").hidden = this.site.note === null;
    byId("note").textContent = this.site.note === null ? "" : named(this.site.note, "");
  }

  strip() {
    byId("cameras").replaceChildren(...this.cameras.map((camera) => make("li", { class: `camera is-${camera.state}` },
      make("span", { class: "lamp", "aria-hidden": "true" }),
      make("span", { class: "camera-name" }, named(camera.name, camera.id)),
      make("span", { class: "camera-state" }, say("camera_state", camera.state)),
      camera.captured_at ? make("span", { class: "camera-time" }, time(camera.captured_at, camera.time_zone)) : null,
      camera.rate > 0 ? make("span", { class: "camera-rate" }, tell("rate", camera.rate.toFixed(1))) : null)));
    const newest = this.cameras.map((camera) => camera.captured_at).filter(Boolean).sort().at(-1);
    byId("clock").textContent = newest ? `${say("site_time")} ${time(newest, this.site.time_zone)}` : "";
  }
}
