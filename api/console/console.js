// The console: the list of events, the newest first, with the selected event beside it.

import { EventCard } from "./event_card.js";
import { EventDetail } from "./event_detail.js";
import { EventStream } from "./event_stream.js";
import { SiteStatus } from "./camera_status.js";
import { UnauthorizedError, get, post, remove } from "./api_client.js";
import { byId, keyOf } from "./dom.js";
import { format, language, setLanguage, text } from "./i18n.js";
import { login } from "./login.js";

const MAX_CARDS = 300;
const CAMERA_REFRESH_MS = 1000;
const RETRY_MS = 2000;
const wideScreen = matchMedia("(min-width: 900px)");

const events = new Map();
const cards = new Map();
let site = null;
let detail = null;
let nextCursor = null;
let selectedKey = null;  // null: the newest event is shown
let connection = "connecting";

const byOpening = (left, right) => right.opened_at.localeCompare(left.opened_at) || right.position - left.position;

const partKeys = (event) => event.parts.map((id) => keyOf({ run: event.run, id }));

const partsOf = (event) => partKeys(event).map((key) => events.get(key)).filter(Boolean);

/** The events of the list. A part of another event is shown only under that event. */
function listedEvents() {
  const parts = new Set([...events.values()].flatMap(partKeys));
  return [...events.values()].filter((event) => !parts.has(keyOf(event))).sort(byOpening);
}

function shownEvent(list) {
  if (selectedKey !== null && events.has(selectedKey)) return events.get(selectedKey);
  return wideScreen.matches ? list[0] ?? null : null;
}

function renderTexts() {
  document.documentElement.lang = language();
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language()));
  }
  renderConnection();
}

function renderConnection() {
  byId("connection").className = `connection ${connection}`;
  byId("connection").textContent = text("connection", connection);
}

function render(newKey) {
  const list = listedEvents();
  for (const event of list.slice(MAX_CARDS).flatMap((event) => [event, ...partsOf(event)])) forget(event);
  const shown = shownEvent(list);
  const listed = list.slice(0, MAX_CARDS).map((event) => [event, cardOf(event)]);
  const listedCards = new Set(listed.map(([, card]) => card));
  for (const card of cards.values()) if (!listedCards.has(card)) card.element.remove();  // now a part of another event
  const container = byId("events");
  listed.forEach(([event, card], index) => {
    card.show(event, shown !== null && keyOf(event) === keyOf(shown));
    if (container.children[index] !== card.element) container.insertBefore(card.element, container.children[index] ?? null);
  });
  if (newKey) cards.get(newKey)?.element.classList.add("new");
  byId("empty").hidden = list.length > 0;
  byId("count").textContent = list.length > 0 ? format("count", list.length + (nextCursor === null ? "" : "+")) : "";
  byId("older").hidden = nextCursor === null;
  if (shown === null) detail.clear();
  else detail.show(shown);
}

function cardOf(event) {
  const key = keyOf(event);
  if (!cards.has(key)) cards.set(key, new EventCard(site, select));
  return cards.get(key);
}

function forget(event) {
  events.delete(keyOf(event));
  cards.get(keyOf(event))?.element.remove();
  cards.delete(keyOf(event));
}

function select(event) {
  selectedKey = keyOf(event);
  render();
  if (!wideScreen.matches) byId("detail").focus();
}

function closeDetail() {
  const card = cards.get(selectedKey);
  selectedKey = null;
  render();
  card?.button.focus();
}

/** Stores a revision of an event; returns whether the event is new. */
function store(event) {
  const known = events.get(keyOf(event));
  if (known && known.revision > event.revision) return false;  // outdated
  events.set(keyOf(event), event);
  return !known;
}

function handleChange(type, data) {
  if (type === "message") {
    const isNew = store(data);
    render(isNew ? keyOf(data) : null);
    if (isNew) byId("announcement").textContent = format("new_event", site.kindName(data), site.cameraName(data));
    return;
  }
  const known = events.get(keyOf(data));
  if (!known) return;
  events.set(keyOf(data), { ...known, evidence: data.evidence, verdicts: data.verdicts });
  render();
}

async function saveVerdict(event, verdict, reason) {
  try {
    store(await post(`v1/events/${encodeURIComponent(event.id)}/verdict?run=${encodeURIComponent(event.run)}`, { verdict, reason }));
  } catch {
    return false;
  }
  render();
  return true;
}

async function loadOlder() {
  const page = await get(`v1/events?cursor=${encodeURIComponent(nextCursor)}`);
  page.events.forEach(store);
  nextCursor = page.next;
  render();
}

async function refreshSite() {
  try {
    const [siteInfo, { cameras }] = await Promise.all([get("v1/site"), get("v1/cameras")]);
    site.update(siteInfo, cameras);
    site.render();
  } catch (error) {
    if (error instanceof UnauthorizedError) location.reload();  // logged out, here or in another tab, or expired
    // Otherwise the connection status shows that the service is unavailable.
  }
  setTimeout(refreshSite, CAMERA_REFRESH_MS);
}

function selectNeighbour(offset) {
  const list = listedEvents();
  const shown = shownEvent(list);
  const index = list.findIndex((event) => shown !== null && keyOf(event) === keyOf(shown));
  const neighbour = list[Math.min(list.length - 1, Math.max(0, index + offset))];
  if (!neighbour) return;
  select(neighbour);
  cards.get(keyOf(neighbour)).button.focus();
}

function handleKey(press) {
  if (press.target.closest("input, video, dialog") || press.ctrlKey || press.altKey || press.metaKey) return;
  if (press.key === "Escape" && selectedKey !== null) closeDetail();
  if (press.key === "j" || (press.key === "ArrowDown" && press.target.closest("#events"))) selectNeighbour(1);
  else if (press.key === "k" || (press.key === "ArrowUp" && press.target.closest("#events"))) selectNeighbour(-1);
  else return;
  press.preventDefault();
}

async function load() {
  const [session, siteInfo, { cameras }, page] = await Promise.all(["v1/session", "v1/site", "v1/cameras", "v1/events"].map(get));
  site = new SiteStatus(siteInfo, cameras);
  detail = new EventDetail(byId("detail"), site, { onVerdict: saveVerdict, onClose: closeDetail, onSelect: select, partsOf });
  page.events.forEach(store);
  nextCursor = page.next;
  byId("logout").hidden = !session.needed;
  site.render();
  render();
  return page.position;
}

async function loadWithRetry() {
  for (;;) {
    try {
      return await load();
    } catch (error) {
      if (error instanceof UnauthorizedError) await login();
      else await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function logout() {
  await remove("v1/session");
  location.reload();
}

renderTexts();
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    setLanguage(button.dataset.language);
    renderTexts();
    if (site === null) return;
    site.render();
    render();
  });
}
byId("older").addEventListener("click", loadOlder);
byId("logout").addEventListener("click", logout);
document.addEventListener("keydown", handleKey);
wideScreen.addEventListener("change", () => site !== null && render());
const position = await loadWithRetry();
new EventStream(position, { onChange: handleChange, onState: (state) => { connection = state; renderConnection(); } });
setTimeout(refreshSite, CAMERA_REFRESH_MS);
