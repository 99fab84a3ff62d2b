// One event in the list.

import { make } from "./dom.js";
import { bar, legend } from "./score_bar.js";
import { day, time } from "./time_format.js";
import { language, named, say, tell } from "./i18n.js";

const WANTED = 0.6;  // of the thumbnail's height
const MOST = 2.5;

export const going = (event) => event.state === "open" || event.state === "updated";

export const judged = (event) => event.verdicts.at(-1)?.verdict;

export const badge = (event) =>
  make("span", { class: `severity severity-${event.severity}` }, say("severity", event.severity));

export const stateOf = (event) =>
  make("span", { class: going(event) ? "going" : "over" }, say("state", event.state));

/** A picture's address changes with the picture, so that a new one is fetched and an old one is not fetched again. */
export const versioned = (medium) => `${medium.url}&v=${encodeURIComponent(medium.ended_at)}`;

export class Card {
  constructor(site, choose) {
    this.site = site;
    this.picture = null;
    this.button = make("button", { type: "button", class: "card", onclick: () => choose(this.event) });
    this.element = make("li", {}, this.button);
  }

  show(event, chosen) {
    const now = `${language()} ${chosen}`;
    if (this.event === event && this.shown === now) return;
    this.event = event;
    this.shown = now;
    const camera = this.site.camera(event.camera);
    const kind = this.site.kindName(event);
    const verdict = judged(event);
    const where = event.parts.length ? tell("made_of", event.parts.length) : this.site.zoneName(event);
    this.button.className = `card edge-${event.severity}${verdict === "false" ? " dismissed" : ""}`;
    this.button.setAttribute("aria-current", chosen ? "true" : "false");
    this.button.replaceChildren(
      this.thumb(event, tell("picture_of", kind, named(camera.name, event.camera))),
      make("div", { class: "card-body" },
        make("div", { class: "card-head" }, badge(event), make("strong", {}, kind), stateOf(event),
          make("time", { datetime: event.opened_at, title: day(event.opened_at, camera.time_zone) }, time(event.opened_at, camera.time_zone))),
        make("p", { class: "sentence" }, named(event.sentence, "")),
        make("p", { class: "place" }, named(camera.name, event.camera),
          where ? make("span", { "aria-hidden": "true" }, " · ") : null, where,
          verdict ? make("span", { class: `judged judged-${verdict}` }, say("verdicts", verdict)) : null),
        make("div", { class: "scored" }, bar(event), make("b", { class: "score" }, event.score.toFixed(2))),
        legend(event)));
  }

  thumb(event, words) {
    const medium = event.evidence.snapshot;
    if (!medium.url) {
      const pending = medium.status === "pending";
      return make("span", { class: pending ? "thumb pending" : "thumb missing" }, pending ? "" : say("no_picture"));
    }
    const address = versioned(medium);
    if (this.picture?.getAttribute("src") !== address) {
      this.picture = make("img", { src: address, loading: "lazy", decoding: "async" });
      nearer(this.picture, event.peak);
    }
    this.picture.alt = words;
    return make("span", { class: "thumb" }, this.picture);
  }
}

/** Enlarges a picture around its box, which stays where it is in the picture, so that a small far person is seen. */
function nearer(picture, { box: [left, top, right, bottom], width, height }) {
  if (right <= left || bottom <= top || width <= 0 || height <= 0) return;
  const scale = Math.min(MOST, Math.max(1, WANTED / ((bottom - top) / height)));
  picture.style.transformOrigin = `${((left + right) / 2 / width) * 100}% ${((top + bottom) / 2 / height) * 100}%`;
  picture.style.transform = `scale(${scale})`;
}
