// Ongoing trouble of one kind at several cameras: one card, and a detail with the list of the cameras.

import { groupAddress, groupKey } from "./address.js";
import { make } from "./dom.js";
import { severityBadge } from "./event_card.js";
import { formatMoment } from "./time_format.js";
import { format, language, text } from "./i18n.js";

const NAMED_CAMERAS = 3;

/** Entries of the list: an event by itself, and one group of the events of a kind that has several. */
export function groupByKind(events) {
  const kinds = Map.groupBy(events, (event) => event.kind);
  return [...kinds].flatMap(([kind, members]) =>
    members.length === 1 || kind === "outage" ? members.map(eventEntry) : [{ key: groupKey(kind), kind, events: members }]);
}

export const eventEntry = (event) => ({ key: `${event.run}\n${event.id}`, event });

const firstOpened = (events) => events.map((event) => event.opened_at).sort()[0];

const highestSeverity = (events) => ({ severity: Math.max(...events.map((event) => event.severity)) });

export class GroupCard {
  constructor(site, onSelect) {
    this.site = site;
    this.button = make("button", { type: "button", class: "card compact", onclick: () => onSelect(groupAddress(this.kind)) });
    this.element = make("li", {}, this.button);
  }

  show({ kind, events }, { selected, today }) {
    this.kind = kind;
    const names = events.slice(0, NAMED_CAMERAS).map((event) => this.site.cameraName(event)).join(", ");
    const view = `${language()} ${selected} ${today} ${events.length} ${names} ${firstOpened(events)}`;
    if (this.view === view) return;
    this.view = view;
    const more = events.length - NAMED_CAMERAS;
    const { severity } = highestSeverity(events);
    this.button.className = `card compact card-severity-${severity}`;
    this.button.setAttribute("aria-current", String(selected));
    this.button.replaceChildren(make("div", { class: "card-body" },
      make("div", { class: "card-head" }, severityBadge({ severity }),
        make("strong", {}, format("group", this.site.kindName({ kind }), events.length)),
        make("time", { datetime: firstOpened(events) }, format("since", formatMoment(firstOpened(events), this.site.timeZone)))),
      make("p", { class: "sentence muted" }, more > 0 ? format("and_more", names, more) : names)));
  }
}

export class GroupDetail {
  constructor(element, site, { onClose, onSelect }) {
    Object.assign(this, { element, site, onClose, onSelect });
  }

  /** Shows the group anew; `view` is the content's, so that an unchanged list keeps the keyboard's focus. */
  show({ kind, events }) {
    const view = `${language()} ${kind} ${events.map((event) => `${event.id} ${event.verdicts.length}`)}`;
    if (this.view === view && this.element.contains(this.list)) return;
    this.view = view;
    this.list = make("ul", { class: "part-list" }, ...events.map((event) => this.row(event)));
    this.element.replaceChildren(make("div", { class: "detail-body" },
      make("div", { class: "detail-head" },
        make("div", { class: "detail-title" }, severityBadge(highestSeverity(events)),
          make("h2", {}, format("group", this.site.kindName({ kind }), events.length))),
        make("button", { type: "button", class: "close secondary-button", onclick: this.onClose }, text("close"))),
      this.list));
    this.element.classList.add("open");
    this.element.scrollTop = 0;
  }

  row(event) {
    const verdict = event.verdicts.at(-1)?.verdict;
    return make("li", {},
      make("button", { type: "button", onclick: () => this.onSelect(event) }, this.site.cameraName(event)),
      verdict ? make("span", { class: `verdict-badge verdict-badge-${verdict}` }, text("verdicts", verdict)) : null,
      make("span", { class: "muted" }, format("since", formatMoment(event.opened_at, this.site.timeZone))));
  }
}
