// The list: unhandled bells, then the events of the view, the newest first, then ongoing trouble of cameras.
//
// Older events are loaded a page at a time as the operator scrolls. Only cards near what is in sight have content, so
// thousands of them stay smooth.

import { eventAddress } from "./address.js";
import { get } from "./api_client.js";
import { byId, keyOf, make, replaceElements, wideScreen } from "./dom.js";
import { EventCard } from "./event_card.js";
import { GroupCard, eventEntry, groupByKind } from "./event_group.js";
import { format, language, text } from "./i18n.js";
import { isOngoing, isUnhandledBell } from "./known_events.js";
import { dayOf, formatDayHeading } from "./time_format.js";

const PAGE = 100;
const MAX_PAGE = 200;
const MAX_LISTED = 1000;  // after so many, the list starts again with one page when its top is in sight
const COUNT_MS = 1000;
const NEAR = "800px";  // beyond what is in sight: cards have content, and the next page is loaded

/** The order of the service's list, whose pages continue after the last event. */
function newestFirst(left, right) {
  for (const field of ["started_at", "run", "id"]) {
    if (left[field] !== right[field]) return left[field] < right[field] ? 1 : -1;
  }
  return 0;
}

/** All pages of a short list. */
async function getAll(query) {
  const first = await get(`v1/events?${query}&limit=${MAX_PAGE}`);
  const events = [...first.events];
  for (let { next } = first; next !== null;) {
    const page = await get(`v1/events?${query}&limit=${MAX_PAGE}&cursor=${encodeURIComponent(next)}`);
    events.push(...page.events);
    next = page.next;
  }
  return { events, position: first.position };
}

export class EventList {
  constructor(site, known, { onSelect, onChange }) {
    Object.assign(this, { site, known, onSelect, onChange });
    this.trouble = false;  // the view: trouble of cameras, or all other events
    this.listed = new Set();  // keys of the loaded pages' events, and of those that arrived since
    this.arrived = new Set();
    this.next = null;  // cursor of the next page
    this.last = null;  // last event of the pages
    this.counts = {};
    this.cards = new Map();
    this.days = new Map();
    this.unseen = 0;
    this.entries = [];  // as they are shown
    byId("trouble-section").open = wideScreen.matches;  // a narrow screen has no space to spare
    byId("older").addEventListener("click", () => this.loadOlder());
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.changeView(button.dataset.view === "trouble"));
    }
    this.end = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && this.loadOlder(), { scrollMargin: NEAR });
    this.end.observe(byId("older"));
    this.near = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting, boundingClientRect }) =>
      this.cards.get(target.cardKey)?.setNear(isIntersecting, boundingClientRect.height)), { scrollMargin: NEAR });
    const covers = new ResizeObserver(() => this.keepInSight());
    for (const element of [byId("above"), byId("trouble-section")]) covers.observe(element);
    byId("unseen").addEventListener("click", () => this.scroller().scrollTo({ top: 0 }));
    for (const element of [byId("list"), byId("main")]) element.addEventListener("scroll", () => this.noteScroll(), { passive: true });
  }

  get filter() {
    return `camera_trouble=${this.trouble}&thumbnails=true`;
  }

  scroller() {
    return wideScreen.matches ? byId("list") : byId("main");
  }

  /** Loads the first page, unhandled bells and ongoing trouble; returns the position of the event stream. */
  async load() {
    const arrived = this.arrived = new Set();
    const [page, bells, trouble] = await Promise.all([
      get(`v1/events?${this.filter}&limit=${PAGE}`),
      getAll("kind=emergency_bell&handled=false&thumbnails=true"),
      getAll("camera_trouble=true&state=open&state=updated"),
      this.loadCounts(),
    ]);
    const position = Math.min(page.position, bells.position, trouble.position);
    if (this.arrived !== arrived) return position;  // the view has changed since
    for (const event of [...page.events, ...bells.events, ...trouble.events]) this.known.store(event);
    this.listed = new Set([...page.events.map(keyOf), ...arrived]);
    this.setEnd(page);
    return position;
  }

  async loadOlder() {
    if (this.next === null || this.loading) return;
    this.loading = true;
    const { next, arrived } = this;
    try {
      const page = await get(`v1/events?${this.filter}&limit=${PAGE}&cursor=${encodeURIComponent(next)}`);
      if (this.arrived !== arrived) return;
      for (const event of page.events) {
        this.known.store(event);
        this.listed.add(keyOf(event));
      }
      this.setEnd(page);
      this.onChange();
    } catch { /* the button stays; the connection status shows that the service is unavailable */ } finally {
      this.loading = false;
    }
    this.end.unobserve(byId("older"));
    this.end.observe(byId("older"));  // again, because it may still be in sight
  }

  setEnd(page) {
    this.next = page.next;
    this.last = page.events.at(-1) ?? this.last;
  }

  async loadCounts() {
    const count = async (trouble) => (await get(`v1/events/count?camera_trouble=${trouble}`)).count;
    const [events, trouble] = await Promise.all([count(false), count(true)]);
    this.counts = { events, trouble };
  }

  countSoon() {
    this.counting ??= setTimeout(async () => {
      this.counting = null;
      await this.loadCounts().catch(() => {});
      this.renderCounts();
    }, COUNT_MS);
  }

  async changeView(trouble) {
    if (this.trouble === trouble) return;
    const { listed, next, last } = this;
    Object.assign(this, { trouble, listed: new Set(), next: null, last: null, unseen: 0 });
    try {
      await this.load();
    } catch {  // the connection status shows that the service is unavailable
      Object.assign(this, { trouble: !trouble, listed, next, last });
      return;
    }
    this.scroller().scrollTo({ top: 0 });
    this.onChange();
  }

  /** Takes a revision from the event stream; returns whether it is a new one of the list. */
  add(event) {
    const key = keyOf(event);
    const inView = this.site.isTrouble(event) === this.trouble;
    const isNew = !this.listed.has(key) && inView && (this.next === null || newestFirst(event, this.last) < 0);
    if (isNew) {
      this.listed.add(key);
      this.arrived.add(key);
      if (this.scroller().scrollTop > 0 && !isUnhandledBell(event)) this.unseen += 1;
    }
    if (isNew || this.known.get(key) || this.isPinned(event)) this.known.store(event);
    this.countSoon();
    return isNew || isUnhandledBell(event);
  }

  isPinned(event) {
    return isUnhandledBell(event) || this.isOngoingTrouble(event);
  }

  isOngoingTrouble(event) {
    return this.site.isTrouble(event) && isOngoing(event);
  }

  /** Forgets what is far down, if the list has grown long and its top is in sight. `keep` has keys that stay. */
  async trim(keep) {
    if (this.trimming || this.listed.size <= MAX_LISTED || this.scroller().scrollTop > 0) return;
    this.trimming = true;
    await this.load().catch(() => {});
    this.trimming = false;
    const needed = this.known.all().filter((event) => this.isPinned(event) || this.listed.has(keyOf(event)));
    const shown = [...keep].map((key) => this.known.get(key)).filter(Boolean);
    const whole = [...needed, ...shown];
    this.known.keep(new Set([...whole, ...whole.flatMap((event) => this.known.partsOf(event))].map(keyOf)));
    this.onChange();
  }

  /** The entries in the order of the list, in its three sections. */
  sections() {
    const events = this.known.all().filter((event) => !this.known.isPart(event)).sort(newestFirst);
    return {
      bells: events.filter(isUnhandledBell).map(eventEntry),
      events: events.filter((event) => this.listed.has(keyOf(event)) && !this.isPinned(event)).map(eventEntry),
      trouble: groupByKind(events.filter((event) => this.isOngoingTrouble(event))),
    };
  }

  render(shownKey, newKey) {
    const sections = this.sections();
    const entries = this.entries = Object.values(sections).flat();
    const today = dayOf(Date.now(), this.site.timeZone);
    this.forgetCards(new Set(entries.map(({ key }) => key)));
    for (const entry of entries) {
      const compact = sections.trouble.includes(entry) || (entry.event && this.site.hasNoPicture(entry.event));
      this.cardOf(entry).show(entry.event ?? entry, { selected: entry.key === shownKey, compact, today });
    }
    const elements = (list) => list.map((entry) => this.cardOf(entry).element);
    replaceElements(byId("bells"), elements(sections.bells));
    replaceElements(byId("events"), this.withDays(sections.events));
    replaceElements(byId("trouble"), elements(sections.trouble));
    byId("bell-section").hidden = sections.bells.length === 0;
    byId("trouble-section").hidden = sections.trouble.length === 0;
    byId("trouble-title").textContent = format("ongoing_trouble", sections.trouble.length);
    if (newKey) this.cards.get(newKey)?.element.classList.add("new");
    byId("empty").hidden = sections.events.length > 0 || sections.bells.length > 0 || this.next !== null;
    byId("empty-title").textContent = text(this.trouble ? "no_trouble" : "no_events");
    byId("older").hidden = this.next === null;
    byId("end").hidden = this.next !== null || sections.events.length === 0;
    this.renderCounts();
    this.renderUnseen();
  }

  /** The cards, with a heading before the first one of each day. */
  withDays(entries) {
    const elements = [];
    const days = new Map();
    for (const entry of entries) {
      const day = this.cardOf(entry).day;
      if (!days.has(day)) {
        const heading = this.days.get(day) ?? make("li", { class: "day" }, make("h3"));
        heading.firstChild.textContent = formatDayHeading(entry.event.started_at, this.site.timeZone);
        days.set(day, heading);
        elements.push(heading);
      }
      elements.push(this.cardOf(entry).element);
    }
    this.days = days;
    return elements;
  }

  renderCounts() {
    const { events, trouble } = this.counts;
    if (events === undefined) return;
    for (const button of document.querySelectorAll("[data-view]")) {
      const shown = button.dataset.view === "trouble";
      button.setAttribute("aria-pressed", String(shown === this.trouble));
      button.querySelector(".count").textContent = formatCount(shown ? trouble : events);
    }
    byId("end").textContent = format("end_of_list", formatCount(this.trouble ? trouble : events));
  }

  renderUnseen() {
    byId("unseen").hidden = this.unseen === 0;
    byId("unseen").textContent = format("unseen", this.unseen);
  }

  /** A card that gets the keyboard's focus is scrolled to where bells and trouble do not cover it. */
  keepInSight() {
    for (const element of [byId("list"), byId("main")]) {
      element.style.scrollPaddingTop = `${byId("above").offsetHeight}px`;
      element.style.scrollPaddingBottom = `${byId("trouble-section").offsetHeight}px`;
    }
  }

  noteScroll() {
    if (this.unseen === 0 || this.scroller().scrollTop > 0) return;
    this.unseen = 0;
    this.renderUnseen();
  }

  cardOf({ key, event }) {
    if (!this.cards.has(key)) {
      const select = event ? (shown) => this.onSelect(eventAddress(shown)) : this.onSelect;
      const card = event ? new EventCard(this.site, select) : new GroupCard(this.site, select);
      this.cards.set(key, card);
      if (event) this.observe(card, key);
    }
    return this.cards.get(key);
  }

  observe({ element }, key) {
    element.cardKey = key;
    this.near.observe(element);
  }

  forgetCards(needed) {
    for (const [key, card] of this.cards) {
      if (needed.has(key)) continue;
      this.near.unobserve(card.element);
      card.element.remove();
      this.cards.delete(key);
    }
  }
}

const formatCount = (count) => count.toLocaleString(language());
