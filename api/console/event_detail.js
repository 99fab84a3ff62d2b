// The chosen event, whole: its footage, why it was raised, and what an operator says of it.
//
// An event changes each second while it goes on. What a person may be using meanwhile (a clip that plays, a reason
// being typed) is made once for each event and kept; the rest is made anew.

import { badge, judged, stateOf, versioned } from "./event_card.js";
import { keyOf, make } from "./dom.js";
import { bar, table } from "./score_bar.js";
import { day, time, zoneName } from "./time_format.js";
import { named, say, tell } from "./i18n.js";

const VERDICTS = ["true", "false", "unsure"];

export class Detail {
  constructor(element, site, { judge, close, partsOf, choose }) {
    Object.assign(this, { element, site, judge, close, partsOf, choose });
    this.event = null;
  }

  show(event) {
    if (this.event === null || keyOf(this.event) !== keyOf(event)) this.begin();
    this.event = event;
    const camera = this.site.camera(event.camera);
    this.media(event, camera);
    this.caption.textContent = this.remark(event.evidence.clip);
    this.head.replaceChildren(badge(event), make("h2", {}, this.site.kindName(event)), stateOf(event));
    this.closing.textContent = say("close");
    this.sentence.textContent = named(event.sentence, "");
    this.facts.replaceChildren(...this.factsOf(event, camera));
    this.made(event);
    this.verdict(event);
    this.score.replaceChildren(
      make("div", { class: "why-head" }, make("h3", {}, say("why")), make("b", { class: "score big" }, event.score.toFixed(2))),
      bar(event), table(event));
    this.limits(Object.entries(event.thresholds));
  }

  empty() {
    this.event = null;
    this.element.classList.remove("shown");
    this.element.replaceChildren(make("p", { class: "choose soft" }, say("choose")));
  }

  begin() {
    this.footage = null;
    this.frame = make("div", { class: "frame" });
    this.caption = make("p", { class: "caption soft" });
    this.head = make("div", { class: "detail-names" });
    this.closing = make("button", { type: "button", class: "close quiet-button", onclick: this.close });
    this.sentence = make("p", { class: "sentence" });
    this.facts = make("dl", { class: "facts" });
    this.parts = make("ul", { class: "made-of" });
    this.whole = make("details", { class: "whole", open: true }, make("summary"), this.parts);
    this.question = make("span", { id: "judge-title" });
    this.told = make("span", { class: "told", role: "status" });
    this.buttons = VERDICTS.map((verdict) => make("button", {
      type: "button", class: `verdict verdict-${verdict}`, "data-verdict": verdict, onclick: () => this.say(verdict),
    }));
    this.label = make("label", { for: "reason" });
    this.reason = make("input", { type: "text", id: "reason", maxlength: 2000, autocomplete: "off" });
    this.said = make("p", { class: "soft" });
    this.score = make("div", { class: "why-score" });
    this.summary = make("summary");
    this.thresholds = make("dl", { class: "limits" });
    this.details = make("details", {}, this.summary, this.thresholds);
    this.element.replaceChildren(
      make("div", { class: "stage" }, this.frame, this.caption),
      make("div", { class: "detail-body" },
        make("div", { class: "detail-head" }, this.head, this.closing),
        this.sentence,
        this.facts,
        this.whole,
        make("section", { class: "judge", "aria-labelledby": "judge-title" },
          make("h3", {}, this.question, this.told),
          make("div", { class: "verdict-row", role: "group", "aria-labelledby": "judge-title" }, ...this.buttons),
          this.label, this.reason, this.said),
        make("section", { class: "why" }, this.score, this.details)));
    this.element.classList.add("shown");
    this.element.scrollTop = 0;
  }

  media(event, camera) {
    const { snapshot, clip } = event.evidence;
    const poster = snapshot.url ? versioned(snapshot) : "";
    const source = clip.url ? versioned(clip) : "";
    const words = tell("picture_of", this.site.kindName(event), named(camera.name, event.camera));
    const video = this.frame.querySelector("video");
    const watching = video !== null && video.currentTime > 0 && !video.ended;
    const shown = `${poster} ${source} ${snapshot.status}`;
    // A clip that is being watched is not taken away when a longer one is there.
    if (!watching && this.footage !== shown) {
      this.footage = shown;
      this.frame.replaceChildren(...this.mediaOf(poster, source, snapshot));
    }
    this.frame.querySelector("video")?.setAttribute("aria-label", words);
    this.frame.querySelector("img")?.setAttribute("alt", words);
    const play = this.frame.querySelector(".play");
    if (play) play.textContent = say("play");
    const nothing = this.frame.querySelector(".nothing");
    if (nothing) nothing.textContent = snapshot.status === "pending" ? say("pending") : this.why("no_picture", snapshot);
  }

  mediaOf(poster, source, snapshot) {
    if (!source && !poster) return [make("div", { class: snapshot.status === "pending" ? "nothing pending" : "nothing" })];
    if (!source) return [make("img", { src: poster })];
    // Nothing of the clip is fetched before somebody asks for it: each fetch is a look, and is written down.
    const video = make("video", { src: source, poster, preload: "none", playsinline: true });
    video.muted = true;
    const play = make("button", { type: "button", class: "play", onclick: () => start() });
    const start = () => {
      play.remove();
      video.controls = true;
      video.play();
      video.focus();
    };
    return [video, play];
  }

  remark(clip) {
    if (clip.status === "failed") return this.why("no_clip", clip);
    return say(clip.reason === "going_on" ? "clip_going_on" : "audited");
  }

  why(key, medium) {
    return medium.reason ? `${say(key)}: ${say("reasons", medium.reason)}` : say(key);
  }

  factsOf(event, camera) {
    const zone = camera.time_zone;
    let ended = say(event.state === "expired" ? "lost_end" : "none_ended");
    if (event.ended_at) ended = time(event.ended_at, zone);
    const facts = [
      ["camera", named(camera.name, event.camera)],
      ["zone", this.site.zoneName(event)],
      ["opened", `${day(event.opened_at, zone)} ${time(event.opened_at, zone)} ${zoneName(event.opened_at, zone)}`],
      ["started", time(event.began_at, zone)],
      ["ended", ended],
      ["model", event.model],
    ];
    return facts.filter(([, value]) => value).map(([key, value]) => make("div", {}, make("dt", {}, say(key)), make("dd", {}, value)));
  }

  /** The events that this one is made of: an outage's cameras, a roaming's stays. */
  made(event) {
    this.whole.hidden = event.parts.length === 0;
    this.whole.querySelector("summary").textContent = tell("made_of", event.parts.length);
    this.parts.replaceChildren(...this.partsOf(event).map((part) => {
      const camera = this.site.camera(part.camera);
      return make("li", {}, make("button", { type: "button", onclick: () => this.choose(part) },
        named(camera.name, part.camera), " · ", this.site.kindName(part), " · ", time(part.opened_at, camera.time_zone), " "),
        stateOf(part));
    }));
  }

  limits(entries) {
    this.details.hidden = entries.length === 0;
    this.summary.textContent = say("thresholds");
    this.thresholds.replaceChildren(...entries.map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))));
  }

  verdict(event) {
    const now = judged(event);
    const last = event.verdicts.at(-1);
    this.question.textContent = say("verdict_question");
    this.label.textContent = say("reason");
    for (const button of this.buttons) {
      button.textContent = say("verdicts", button.dataset.verdict);
      button.setAttribute("aria-pressed", String(now === button.dataset.verdict));
    }
    this.said.hidden = !last?.reason;
    this.said.textContent = last?.reason ? `${say("verdicts", last.verdict)}: ${last.reason}` : "";
  }

  async say(verdict) {
    const [event, reason, told] = [this.event, this.reason, this.told];
    told.textContent = "";
    const done = await this.judge(event, verdict, reason.value.trim());
    if (done) reason.value = "";
    told.textContent = say(done ? "saved" : "not_saved");
  }
}
