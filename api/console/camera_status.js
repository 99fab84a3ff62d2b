// The site's name and note, and the status of its cameras.

import { byId, make } from "./dom.js";
import { formatTime } from "./time_format.js";
import { format, humanize, localized, text } from "./i18n.js";

const FAULTY = ["lost", "silent"];
const OBSERVED = ["live", "idle"];  // only then is the time of the last record of interest

const isFaulty = (camera) => FAULTY.includes(camera.state);

export class SiteStatus {
  constructor(site, cameras) {
    this.knownCameras = new Map();
    this.update(site, cameras);
  }

  // A removed camera keeps its names here, because its events stay in the list.
  update(site, cameras) {
    this.site = site;
    this.cameras = cameras;
    this.updatedAt = Date.now();
    this.unknown = false;
    for (const camera of cameras) this.knownCameras.set(camera.id, camera);
  }

  /** Notes that the service does not answer, so the state of the cameras is not known since the last answer. */
  lose() {
    this.unknown = true;
  }

  get timeZone() {
    return this.site.time_zone;
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

  isTrouble(event) {
    return this.site.camera_trouble.includes(event.kind);
  }

  /** Whether an event is by its nature without a picture. */
  hasNoPicture(event) {
    return ["signal_lost", "outage"].includes(event.kind);
  }

  render() {
    byId("site-name").textContent = localized(this.site.name, this.site.id);
    byId("note").hidden = this.site.note === null;
    byId("note").textContent = localized(this.site.note, "");
    this.renderSummary();
    const cameras = [...this.cameras].sort((left, right) => isFaulty(right) - isFaulty(left));
    byId("cameras").replaceChildren(...cameras.map((camera) => this.chip(camera)));
    const newest = this.cameras.map((camera) => camera.captured_at).filter(Boolean).sort().at(-1);
    byId("clock").textContent = newest && !this.unknown ? `${text("site_time")} ${formatTime(newest, this.timeZone)}` : "";
  }

  renderSummary() {
    const faulty = this.cameras.filter(isFaulty).length;
    const summary = byId("camera-summary");
    summary.className = `camera-summary ${this.unknown ? "unknown" : faulty > 0 ? "faulty" : ""}`;
    if (this.unknown) summary.textContent = format("cameras_unknown", formatTime(this.updatedAt, this.timeZone));
    else summary.textContent = format("camera_summary", this.cameras.length, faulty);
  }

  chip(camera) {
    const state = this.unknown ? "unknown" : camera.state;
    const observed = OBSERVED.includes(state);
    return make("li", { class: `camera camera-${state}` },
      make("span", { class: "status-dot", "aria-hidden": "true" }),
      make("span", { class: "camera-name" }, localized(camera.name, camera.id)),
      make("span", { class: "camera-detail camera-state" }, text("camera_state", state)),
      observed ? make("span", { class: "camera-detail" }, formatTime(camera.captured_at, camera.time_zone)) : null,
      observed && camera.rate > 0 ? make("span", { class: "camera-detail" }, format("frame_rate", camera.rate.toFixed(1))) : null);
  }
}
