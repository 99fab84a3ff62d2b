// The site's name and note, and the status of its cameras.

import { byId, make } from "./dom.js";
import { formatTime } from "./time_format.js";
import { format, humanize, localized, text } from "./i18n.js";

export class SiteStatus {
  constructor(site, cameras) {
    this.knownCameras = new Map();
    this.update(site, cameras);
  }

  // A removed camera keeps its names here, because its events stay in the list.
  update(site, cameras) {
    this.site = site;
    this.cameras = cameras;
    for (const camera of cameras) this.knownCameras.set(camera.id, camera);
  }

  camera(id) {
    return this.knownCameras.get(id) ?? { id, name: null, zones: {}, time_zone: this.site.time_zone };
  }

  cameraName(event) {
    return localized(this.camera(event.camera).name, event.camera);
  }

  kindName(event) {
    return localized(this.site.kinds[event.kind], humanize(event.kind));
  }

  zoneName(event) {
    return localized(this.camera(event.camera).zones[event.zone] ?? this.site.bells[event.zone], event.zone);
  }

  render() {
    byId("site-name").textContent = localized(this.site.name, this.site.id);
    byId("note").hidden = this.site.note === null;
    byId("note").textContent = localized(this.site.note, "");
    byId("cameras").replaceChildren(...this.cameras.map((camera) => make("li", { class: `camera camera-${camera.state}` },
      make("span", { class: "status-dot", "aria-hidden": "true" }),
      make("span", { class: "camera-name" }, localized(camera.name, camera.id)),
      make("span", { class: "camera-detail camera-state" }, text("camera_state", camera.state)),
      camera.captured_at ? make("span", { class: "camera-detail" }, formatTime(camera.captured_at, camera.time_zone)) : null,
      camera.rate > 0 ? make("span", { class: "camera-detail" }, format("frame_rate", camera.rate.toFixed(1))) : null)));
    const newest = this.cameras.map((camera) => camera.captured_at).filter(Boolean).sort().at(-1);
    byId("clock").textContent = newest ? `${text("site_time")} ${formatTime(newest, this.site.time_zone)}` : "";
  }
}
