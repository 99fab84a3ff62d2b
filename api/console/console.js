// The console: the list of events as they come, the newest first, and the chosen one beside it.

import { Card } from "./event_card.js";
import { Detail } from "./event_detail.js";
import { enter } from "./login.js";
import { byId, keyOf } from "./dom.js";
import { Feed } from "./feed.js";
import { RefusedError, get, post } from "./api_client.js";
import { Site } from "./camera_status.js";
import { choose as chooseLanguage, language, named, say, tell } from "./i18n.js";

const MOST = 300;  // cards on the page; older ones are a click away
const CAMERAS_MS = 1000;
const WIDE = matchMedia("(min-width: 900px)");

const events = new Map();
const cards = new Map();
let site = null;
let detail = null;
let next = null;
let chosen = null;  // null: the newest event is shown as it comes
let link = "wait";

const order = (one, other) =>
  other.opened_at.localeCompare(one.opened_at) || other.position - one.position;

/** What is a part of another event that is here is shown under that one. */
const newestFirst = () => {
  const under = new Set([...events.values()].flatMap((event) => event.parts.map((id) => keyOf({ run: event.run, id }))));
  return [...events.values()].filter((event) => !under.has(keyOf(event))).sort(order);
};

const partsOf = (event) => event.parts.map((id) => events.get(keyOf({ run: event.run, id }))).filter(Boolean);

function words() {
  document.documentElement.lang = language();
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", say(element.dataset.label));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language()));
  }
  showLink();
}

function showLink() {
  byId("link").className = `link link-${link}`;
  byId("link").textContent = say("link", link);
}

function shown() {
  if (chosen !== null && events.has(chosen)) return events.get(chosen);
  return WIDE.matches ? newestFirst()[0] ?? null : null;
}

function draw(fresh) {
  const list = newestFirst();
  for (const event of list.slice(MOST).flatMap((one) => [one, ...partsOf(one)])) forget(event);
  const now = shown();
  const wanted = list.slice(0, MOST).map((event) => cardOf(event));
  const kept = new Set(wanted);
  for (const card of cards.values()) if (!kept.has(card)) card.element.remove();  // it is a part of another one now
  const place = byId("events");
  wanted.forEach((card, index) => {
    card.show(card.latest, now !== null && keyOf(card.latest) === keyOf(now));
    if (place.children[index] !== card.element) place.insertBefore(card.element, place.children[index] ?? null);
  });
  if (fresh) cards.get(fresh)?.element.classList.add("fresh");
  byId("empty").hidden = list.length > 0;
  byId("count").textContent = list.length > 0 ? tell("count", list.length + (next === null ? "" : "+")) : "";
  byId("older").hidden = next === null;
  if (now === null) detail.empty();
  else detail.show(now);
}

function cardOf(event) {
  const key = keyOf(event);
  if (!cards.has(key)) cards.set(key, new Card(site, choose));
  const card = cards.get(key);
  card.latest = event;
  return card;
}

function forget(event) {
  events.delete(keyOf(event));
  cards.get(keyOf(event))?.element.remove();
  cards.delete(keyOf(event));
}

function choose(event) {
  chosen = keyOf(event);
  draw();
  if (!WIDE.matches) byId("detail").focus();
}

function close() {
  const card = cards.get(chosen);
  chosen = null;
  draw();
  card?.button.focus();
}

function take(event) {
  const known = events.get(keyOf(event));
  if (known && known.revision > event.revision) return false;  // told late, and no news
  events.set(keyOf(event), event);
  return !known;
}

function changed(what, data) {
  if (what === "message") {
    const fresh = take(data);
    draw(fresh ? keyOf(data) : null);
    if (fresh) byId("announce").textContent = tell("arrived", site.kindName(data), named(site.camera(data.camera).name, data.camera));
    return;
  }
  const known = events.get(keyOf(data));
  if (!known) return;
  events.set(keyOf(data), { ...known, evidence: data.evidence, verdicts: data.verdicts });
  draw();
}

async function judge(event, verdict, reason) {
  try {
    take(await post(`/v1/events/${encodeURIComponent(event.id)}/verdict?run=${encodeURIComponent(event.run)}`, { verdict, reason }));
  } catch {
    return false;
  }
  draw();
  return true;
}

async function older() {
  const page = await get(`/v1/events?cursor=${encodeURIComponent(next)}`);
  for (const event of page.events) take(event);
  next = page.next;
  draw();
}

async function cameras() {
  try {
    const [centre, seen] = await Promise.all([get("/v1/site"), get("/v1/cameras")]);
    site.change(centre, seen.cameras);
    site.head();
    site.strip();
  } catch { /* the link's own lamp says that the service is away */ }
  setTimeout(cameras, CAMERAS_MS);
}

function step(by) {
  const list = newestFirst();
  const now = shown();
  const index = list.findIndex((event) => now !== null && keyOf(event) === keyOf(now));
  const wanted = list[Math.min(list.length - 1, Math.max(0, index + by))];
  if (!wanted) return;
  choose(wanted);
  cards.get(keyOf(wanted)).button.focus();
}

function keys(press) {
  if (press.target.closest("input, video, dialog") || press.ctrlKey || press.altKey || press.metaKey) return;
  if (press.key === "Escape" && chosen !== null) close();
  if (press.key === "j" || (press.key === "ArrowDown" && press.target.closest("#events"))) step(1);
  else if (press.key === "k" || (press.key === "ArrowUp" && press.target.closest("#events"))) step(-1);
  else return;
  press.preventDefault();
}

async function load() {
  const [centre, seen, page] = await Promise.all([get("/v1/site"), get("/v1/cameras"), get("/v1/events")]);
  site = new Site(centre, seen.cameras);
  detail = new Detail(byId("detail"), site, { judge, close, partsOf, choose });
  for (const event of page.events) take(event);
  next = page.next;
  site.head();
  site.strip();
  draw();
  return page.position;
}

async function begin() {
  for (;;) {
    try {
      return await load();
    } catch (error) {
      if (error instanceof RefusedError) await enter();
      else await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

async function refused() {
  try {
    await get("/v1/site");
    return false;
  } catch (error) {
    if (!(error instanceof RefusedError)) return false;
    await enter();
    return false;
  }
}

words();
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    chooseLanguage(button.dataset.language);
    words();
    if (site === null) return;
    site.head();
    site.strip();
    draw();
  });
}
byId("older").addEventListener("click", older);
document.addEventListener("keydown", keys);
WIDE.addEventListener("change", () => site !== null && draw());
const position = await begin();
new Feed(position, { changed, refused, linked: (state) => { link = state; showLink(); } });
setTimeout(cameras, CAMERAS_MS);
