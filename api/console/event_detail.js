// The selected event: its footage, its verdict and its explanation.
//
// An open event changes each second. What the operator may be using (a playing clip, a half-typed reason) is created
// once for each event; everything else is created again with each change.

import { lastVerdict, severityBadge, stateLabel, versionedUrl } from "./event_card.js";
import { keyOf, make, row } from "./dom.js";
import { factorTable, scoreBar } from "./score_bar.js";
import { formatDay, formatMoment, formatTime, timeZoneName } from "./time_format.js";
import { format, localized, text } from "./i18n.js";

/** Where this tab keeps what was typed and not sent. It outlasts a login after the session's end. */
const draftKey = (event) => `draft ${keyOf(event)}`;

export class EventDetail {
  constructor(element, site, { onVerdict, onClose, onSelect, partsOf }) {
    Object.assign(this, { element, site, onVerdict, onClose, onSelect, partsOf });
    this.event = null;
  }

  show(event) {
    if (this.event === null || keyOf(this.event) !== keyOf(event)) this.build(event);
    this.event = event;
    const { time_zone } = this.site.camera(event.camera);
    this.showMedia(event);
    this.caption.textContent = clipCaption(event.evidence.clip);
    this.heading.replaceChildren(severityBadge(event), make("h2", {}, this.site.kindName(event)), stateLabel(event));
    this.closeButton.textContent = text("close");
    this.sentence.textContent = localized(event.sentence, "");
    this.facts.replaceChildren(...this.factRows(event, time_zone));
    this.showParts(event);
    this.showVerdict(event);
    this.factors.replaceChildren(
      make("div", { class: "explanation-head" }, make("h3", {}, text("explanation")), make("b", { class: "score large" }, event.score.toFixed(2))),
      scoreBar(event), factorTable(event));
    const thresholds = Object.entries(event.thresholds);
    this.thresholds.hidden = thresholds.length === 0;
    this.thresholds.querySelector("summary").textContent = text("thresholds");
    this.thresholdList.replaceChildren(...thresholds.map(([name, value]) => row(name, String(value))));
  }

  /** Shows a text instead of an event. */
  clear(message) {
    this.event = null;
    this.element.classList.remove("open");
    this.element.replaceChildren(make("p", { class: "placeholder muted" }, message));
  }

  build(event) {
    this.shownMedia = null;
    this.viewer = make("div", { class: "viewer" });
    this.caption = make("p", { class: "caption muted" });
    this.media = make("div", { class: "media" }, this.viewer, this.caption);
    this.heading = make("div", { class: "detail-title" });
    this.closeButton = make("button", { type: "button", class: "close secondary-button", onclick: this.onClose });
    this.sentence = make("p", { class: "sentence" });
    this.facts = make("dl", { class: "facts" });
    this.partList = make("ul", { class: "part-list" });
    this.parts = make("details", { class: "event-parts", open: true }, make("summary"), this.partList);
    this.question = make("span", { id: "verdict-question" });
    this.saveStatus = make("span", { class: "save-status", role: "status" });
    const verdicts = this.site.isTrouble(event) ? ["confirmed", "repaired"] : ["true", "false", "unsure"];
    this.buttons = verdicts.map((verdict) => make("button", {
      type: "button", class: `verdict verdict-${verdict}`, "data-verdict": verdict, onclick: () => this.saveVerdict(verdict),
    }));
    this.reasonLabel = make("label", { for: "reason" });
    this.reason = make("input", { type: "text", id: "reason", maxlength: 2000, autocomplete: "off" });
    this.reason.value = sessionStorage.getItem(draftKey(event)) ?? "";
    this.reason.addEventListener("input", () => sessionStorage.setItem(draftKey(event), this.reason.value));
    this.lastReason = make("p", { class: "muted" });
    this.factors = make("div", { class: "factors" });
    this.thresholdList = make("dl", { class: "threshold-list" });
    this.thresholds = make("details", {}, make("summary"), this.thresholdList);
    this.element.replaceChildren(
      this.media,
      make("div", { class: "detail-body" },
        make("div", { class: "detail-head" }, this.heading, this.closeButton),
        this.sentence,
        make("section", { class: "verdict-form", "aria-labelledby": "verdict-question" },
          make("h3", {}, this.question, this.saveStatus),
          make("div", { class: "verdict-buttons", role: "group", "aria-labelledby": "verdict-question" }, ...this.buttons),
          this.reasonLabel, this.reason, this.lastReason),
        this.parts,
        this.facts,
        make("section", { class: "explanation" }, this.factors, this.thresholds)));
    this.element.classList.add("open");
    this.element.scrollTop = 0;
  }

  showMedia(event) {
    const { snapshot, clip } = event.evidence;
    const poster = versionedUrl(snapshot);
    const source = versionedUrl(clip);
    this.media.hidden = this.site.hasNoPicture(event) && !poster && !source;
    const media = `${poster} ${source} ${snapshot.status}`;
    const video = this.viewer.querySelector("video");
    const playing = video !== null && video.currentTime > 0 && !video.ended;
    // A newer clip does not replace the one that the operator watches.
    if (!playing && this.shownMedia !== media) {
      this.shownMedia = media;
      this.viewer.replaceChildren(...createMedia(poster, source, snapshot));
    }
    const description = format("snapshot_of", this.site.kindName(event), this.site.cameraName(event));
    this.viewer.querySelector("video")?.setAttribute("aria-label", description);
    this.viewer.querySelector("img")?.setAttribute("alt", description);
    const playButton = this.viewer.querySelector(".play-button");
    if (playButton) playButton.textContent = text("play");
    const message = this.viewer.querySelector(".no-media");
    if (message) message.textContent = snapshot.status === "pending" ? text("pending") : withReason("no_snapshot", snapshot);
  }

  factRows(event, timeZone) {
    let ended = text(event.state === "expired" ? "end_unknown" : "ongoing");
    if (event.ended_at) ended = formatMoment(event.ended_at, timeZone);
    const facts = [
      ["camera", this.site.cameraName(event)],
      ["zone", this.site.zoneName(event)],
      ["opened", `${formatDay(event.opened_at, timeZone)} ${formatTime(event.opened_at, timeZone)} ${timeZoneName(event.opened_at, timeZone)}`],
      ["started", formatMoment(event.began_at, timeZone)],
      ["ended", ended],
      ["model", event.model],
    ];
    return facts.filter(([, value]) => value).map(([key, value]) => row(text(key), value));
  }

  /** The events that this one consists of, such as the cameras of an outage. */
  showParts(event) {
    this.parts.hidden = event.parts.length === 0;
    this.parts.querySelector("summary").textContent = format("parts", event.parts.length);
    this.partList.replaceChildren(...this.partsOf(event).map((part) => {
      const opened = formatMoment(part.opened_at, this.site.timeZone);
      return make("li", {}, make("button", { type: "button", onclick: () => this.onSelect(part) },
        [this.site.cameraName(part), this.site.kindName(part), opened].join(" · ")), stateLabel(part));
    }));
  }

  showVerdict(event) {
    const last = event.verdicts.at(-1);
    this.question.textContent = text(this.site.isTrouble(event) ? "trouble_question" : "verdict_question");
    this.reasonLabel.textContent = text("reason");
    for (const button of this.buttons) {
      button.textContent = text("verdicts", button.dataset.verdict);
      button.setAttribute("aria-pressed", String(lastVerdict(event) === button.dataset.verdict));
    }
    this.lastReason.hidden = !last?.reason;
    this.lastReason.textContent = last?.reason ? `${text("verdicts", last.verdict)}: ${last.reason}` : "";
  }

  async saveVerdict(verdict) {
    const [event, reason, status] = [this.event, this.reason, this.saveStatus];
    status.textContent = "";
    const typed = reason.value;
    const failure = await this.onVerdict(event, verdict, typed.trim());
    const saved = failure === null;
    if (saved && sessionStorage.getItem(draftKey(event)) === typed) sessionStorage.removeItem(draftKey(event));
    if (saved && reason.value === typed) reason.value = "";
    status.textContent = failure ?? text("saved");
  }
}

function createMedia(poster, source, snapshot) {
  if (!source && !poster) return [make("div", { class: snapshot.status === "pending" ? "no-media loading" : "no-media" })];
  if (!source) return [make("img", { src: poster })];
  // The clip is not loaded before the operator plays it, because each request writes an audit row.
  const video = make("video", { src: source, poster, preload: "none", playsinline: true });
  video.muted = true;
  const playButton = make("button", { type: "button", class: "play-button", onclick: () => {
    playButton.remove();
    video.controls = true;
    video.play();
    video.focus();
  } });
  return [video, playButton];
}

function clipCaption(clip) {
  if (clip.status === "failed") return withReason("no_clip", clip);
  return text(clip.reason === "going_on" ? "clip_going_on" : "access_recorded");
}

const withReason = (key, media) => media.reason ? `${text(key)}: ${text("reasons", media.reason)}` : text(key);
