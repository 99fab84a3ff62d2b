// An event in the list.

import { make } from "./dom.js";
import { scoreBar, scoreLegend } from "./score_bar.js";
import { dayOf, formatMoment } from "./time_format.js";
import { format, language, localized, text } from "./i18n.js";
import { isOngoing, isUnhandledBell } from "./known_events.js";

const BOX_HEIGHT = 0.6;  // share of the thumbnail's height that the box should fill
const MAX_ZOOM = 2.5;

export const lastVerdict = (event) => event.verdicts.at(-1)?.verdict;

export const severityBadge = (event) =>
  make("span", { class: `severity severity-${event.severity}` }, text("severity", event.severity));

export function stateLabel(event) {
  if (isUnhandledBell(event)) return make("span", { class: "event-state unhandled" }, text("unhandled"));
  return make("span", { class: isOngoing(event) ? "event-state ongoing" : "event-state" }, text("state", event.state));
}

/** The URL changes with the file, so the browser loads a new file once, and an old one not again. */
// Relative to the page, which a proxy may serve under a path.
export const versionedUrl = (media) => media.url ? `${media.url.slice(1)}&v=${encodeURIComponent(media.ended_at)}` : "";

export class EventCard {
  constructor(site, onSelect) {
    this.site = site;
    this.image = null;
    this.near = false;  // whether it is in sight, or will soon be
    this.button = make("button", { type: "button", class: "card", onclick: () => onSelect(this.event) });
    this.element = make("li", {}, this.button);
  }

  show(event, { selected, compact, today }) {
    const { timeZone } = this.site;
    const view = `${language()} ${selected} ${compact} ${today}`;
    if (this.event === event && this.view === view) return;
    this.event = event;
    this.view = view;
    this.day = dayOf(event.started_at, timeZone);
    this.compact = compact;
    const verdict = lastVerdict(event);
    const dismissed = verdict === "false" || verdict === "repaired";
    this.button.className = `card card-severity-${event.severity}${dismissed ? " dismissed" : ""}${compact ? " compact" : ""}`;
    this.button.setAttribute("aria-current", String(selected));
    this.render();
  }

  /** Shows the content, or only keeps the place of a card that is far from what is in sight. `height` is in pixels. */
  setNear(near, height) {
    if (this.near === near) return;
    this.near = near;
    this.button.style.minHeight = near ? "" : `${height}px`;
    this.render();
  }

  render() {
    const { event, compact, site: { timeZone } } = this;
    const kind = this.site.kindName(event);
    const camera = this.site.cameraName(event);
    if (!this.near) {
      this.button.setAttribute("aria-label", `${kind}, ${camera}, ${formatMoment(event.opened_at, timeZone)}`);
      this.button.replaceChildren();
      return;
    }
    const verdict = lastVerdict(event);
    const place = event.parts.length ? format("parts", event.parts.length) : this.site.zoneName(event);
    this.button.removeAttribute("aria-label");
    this.button.replaceChildren(
      ...compact ? [] : [this.thumbnail(event, format("snapshot_of", kind, camera))],
      make("div", { class: "card-body" },
        make("div", { class: "card-head" }, severityBadge(event), make("strong", {}, kind), stateLabel(event),
          make("time", { datetime: event.opened_at }, formatMoment(event.opened_at, timeZone))),
        make("p", { class: "sentence" }, localized(event.sentence, "")),
        make("p", { class: "location" }, place ? `${camera} · ${place}` : camera,
          verdict ? make("span", { class: `verdict-badge verdict-badge-${verdict}` }, text("verdicts", verdict)) : null),
        ...compact ? [] : [
          make("div", { class: "score-row" }, scoreBar(event), make("b", { class: "score" }, event.score.toFixed(2))),
          scoreLegend(event),
        ]));
  }

  thumbnail(event, description) {
    const { snapshot } = event.evidence;
    if (!snapshot.url) {
      const pending = snapshot.status === "pending";
      return make("span", { class: pending ? "thumbnail loading" : "thumbnail" }, pending ? "" : text("no_snapshot"));
    }
    const url = `${versionedUrl(snapshot)}&thumbnail=1`;
    if (this.image?.getAttribute("src") !== url) {
      this.image = make("img", { src: url, loading: "lazy", decoding: "async" });
      zoomToBox(this.image, event.peak);
    }
    this.image.alt = description;
    return make("span", { class: "thumbnail" }, this.image);
  }
}

/** Enlarges an image around its box, so that a small distant person can be seen. */
function zoomToBox(image, { box: [left, top, right, bottom], width, height }) {
  if (right <= left || bottom <= top || width <= 0 || height <= 0) return;
  const scale = Math.min(MAX_ZOOM, Math.max(1, BOX_HEIGHT / ((bottom - top) / height)));
  image.style.transformOrigin = `${((left + right) / 2 / width) * 100}% ${((top + bottom) / 2 / height) * 100}%`;
  image.style.transform = `scale(${scale})`;
}
